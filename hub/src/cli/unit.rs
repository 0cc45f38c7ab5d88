//! `unit publish` and `unit list`: what a unit's public entries need before this hub's public pages show them.

use clap::{Args, Subcommand};
use lianbo_node::cli::{Desk, usage};
use lianbo_node::content::site;
use lianbo_node::scope::{Reader, Scope};
use serde::Serialize;

/// What is done with units.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Set whether this hub's public pages show a unit's public entries at once or after their release
    ///
    /// Either way they show what was released. The pages are /unit/CODE/ and what it leads to.
    Publish(Publish),
    /// List the units, with what their public entries need
    List,
}

/// `unit publish`.
#[derive(Clone, Debug, Args)]
#[group(id = "when", required = true, multiple = false, args = ["at_once", "after_release"])]
pub struct Publish {
    /// Code of the unit
    code: String,
    /// Show its public entries as they come
    #[arg(long)]
    at_once: bool,
    /// Show what this hub released, and nothing else
    #[arg(long)]
    after_release: bool,
}

#[derive(Serialize)]
struct Line {
    code: String,
    name: String,
    at_once: bool,
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::Publish(publish) => publish.run(desk).await,
            Self::List => list(desk).await,
        }
    }
}

impl Publish {
    async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let mut tx = desk.site.store.write().await?;
        if !site::set_at_once(&mut tx, &self.code, self.at_once).await? {
            let what = format!("no unit {} has joined", self.code);
            return Err(usage(what, "see `sites` for the units there are").into());
        }
        tx.commit().await?;
        let value = serde_json::json!({ "unit": self.code, "at_once": self.at_once });
        desk.out.either(&value, || {
            let when = if self.at_once { "at once" } else { "after release" };
            format!("public entries of {} are shown to the public {when}", self.code)
        })
    }
}

async fn list(desk: &Desk) -> anyhow::Result<()> {
    let mut tx = desk.read().await?;
    let at_once = site::at_once(&mut tx).await?;
    let units = site::units(&mut tx, Reader::anonymous(Scope::Internal), desk.own()).await?;
    let lines: Vec<Line> = units
        .into_iter()
        .map(|it| Line { at_once: at_once.contains(&it.code), code: it.code, name: it.name })
        .collect();
    let nothing = "no unit has joined yet: make a token with `invite`";
    desk.out.list(&lines, &["unit", "name", "public entries are shown"], nothing, |it| {
        let when = if it.at_once { "at once" } else { "after release" };
        vec![it.code.clone(), it.name.clone(), when.to_owned()]
    })
}
