//! The province above: a harvester with a folder of its own, which takes over what the county publishes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lianbo_node::content::article::urn;
use lianbo_node::entry::{RecordId, SiteId};
use serde_json::Value;

use crate::local::processes::{Programs, Server, ask};

/// Code and name, as the hub's operator gave them.
const CODE: &str = "province";
const NAME: &str = "省委组织部";

/// The running harvester.
#[derive(Debug)]
pub(super) struct Province {
    pub(super) server: Server,
    out: PathBuf,
}

/// What it has of an article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Harvested {
    /// Nothing.
    Nothing,
    /// Its current revision, under this title.
    Article(String),
    /// That it was withdrawn.
    Withdrawn,
}

impl Province {
    /// Joins the hub in `hub`, at `url`, and follows it.
    pub(super) async fn raise(
        programs: &Programs,
        hub: &Path,
        url: &str,
        folder: &Path,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let invite = ["invite", "--harvester", "--code", CODE, "--name", NAME];
        let invited = ask(&programs.hub, hub, &invite, "").await?;
        let token = invited["token"].as_str().context("`invite` gave no token")?;
        let (data, out) = (folder.join(CODE), folder.join(CODE).join("articles"));
        ask(&programs.hub, &data, &["harvest-client", "join", url, "-"], token).await?;
        let kept = out.to_str().context("the folder's name is no text")?;
        let follow = ["harvest-client", "follow", "--until-eof", "--out", kept];
        let log = logs.join("province.log");
        let server = Server::spawn(CODE, &programs.hub, &data, &follow, &[], log)?;
        Ok(Self { server, out })
    }

    /// What it has of an article.
    pub(super) fn harvested(&self, site: SiteId, id: RecordId) -> anyhow::Result<Harvested> {
        let name = urn(site, id).replace("urn:uuid:", "");
        read(&self.out.join(format!("{name}.json")))
    }

    /// All it has, by file.
    pub(super) fn all(&self) -> anyhow::Result<BTreeMap<PathBuf, Harvested>> {
        let mut all = BTreeMap::new();
        let Ok(files) = fs::read_dir(&self.out) else { return Ok(all) };
        for file in files {
            let path = file?.path();
            if path.extension().is_some_and(|it| it == "json") {
                all.insert(path.clone(), read(&path)?);
            }
        }
        Ok(all)
    }
}

fn read(path: &Path) -> anyhow::Result<Harvested> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Harvested::Nothing);
        }
        Err(error) => return Err(error.into()),
    };
    let value: Value = serde_json::from_slice(&text)?;
    Ok(match value["title"].as_str() {
        Some(title) => Harvested::Article(title.to_owned()),
        None => Harvested::Withdrawn,
    })
}
