//! The county brought up: a folder, a hub, three nodes that joined it and a province that harvests it, all on this
//! machine.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lianbo_node::cli::usage;
use lianbo_node::config::{self, NodeConfig};
use lianbo_node::entry::SiteId;
use lianbo_node::scope::Scope;
use lianbo_node::store::Store;
use serde_json::Value;
use tempfile::TempDir;

use super::province::Province;
use super::script::Place;
use crate::config::{HubConfig, ListenConfig, Listener};
use crate::local::processes::{Programs, Server, ask};

/// Whatever port is free.
const FREE: &str = "127.0.0.1:0";

/// Where everything is kept.
#[derive(Debug)]
pub(super) enum Folder {
    /// Gone at the end.
    Passing(TempDir),
    /// Stays.
    Kept(PathBuf),
}

impl Folder {
    pub(super) fn make(keep: Option<&Path>) -> anyhow::Result<Self> {
        let Some(folder) = keep else {
            let folder = tempfile::Builder::new().prefix("lianbo-demo-").tempdir();
            return Ok(Self::Passing(folder.context("cannot make a folder for temporary files")?));
        };
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        if fs::read_dir(&folder)?.next().is_some() {
            let what = format!("{} is not empty", folder.display());
            return Err(usage(what, "give a new or empty folder with --keep DIR").into());
        }
        Ok(Self::Kept(folder))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Passing(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }

    /// The folder's end.
    pub(super) fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Passing(folder) => folder.close().context("the folder could not be removed"),
            Self::Kept(_) => Ok(()),
        }
    }
}

/// One site of the running county.
#[derive(Debug)]
pub(super) struct SiteHere {
    pub(super) id: SiteId,
    pub(super) data: PathBuf,
    pub(super) server: Server,
    /// Its database, to be read beside the program that serves it.
    pub(super) store: Store,
}

/// A server of pages.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    pub(super) place: Place,
    /// What an anonymous reader of it sees.
    pub(super) scope: Scope,
    /// `http://HOST:PORT`.
    pub(super) address: String,
}

/// The running county.
#[derive(Debug)]
pub(super) struct County {
    pub(super) programs: Programs,
    pub(super) sites: BTreeMap<Place, SiteHere>,
    pub(super) pages: Vec<Pages>,
    /// Who takes over what the hub publishes.
    pub(super) province: Option<Province>,
}

impl County {
    /// A county that has no site yet.
    pub(super) fn new(programs: Programs) -> Self {
        Self { programs, sites: BTreeMap::new(), pages: Vec::new(), province: None }
    }

    /// Brings it up. What was started before a failure is in it all the same, to be stopped.
    pub(super) async fn raise(&mut self, folder: &Path) -> anyhow::Result<()> {
        let logs = folder.join("log");
        fs::create_dir(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        self.raise_hub(folder, &logs).await?;
        for place in Place::NODES {
            self.raise_node(place, folder, &logs).await?;
        }
        let hub = self.site(Place::Hub)?;
        let url = hub.server.address("public grpc")?;
        let province = Province::raise(&self.programs, &hub.data, url, folder, &logs).await?;
        self.province = Some(province);
        Ok(())
    }

    async fn raise_hub(&mut self, folder: &Path, logs: &Path) -> anyhow::Result<()> {
        let place = Place::Hub;
        let data = folder.join(place.short());
        let init = ["init", "--code", place.code(), "--name", place.name()];
        let made = ask(&self.programs.hub, &data, &init, "").await?;
        let settings = [
            ("LIANBO_LISTEN__INTERNAL__GRPC", FREE),
            ("LIANBO_LISTEN__INTERNAL__PAGES", FREE),
            ("LIANBO_LISTEN__ORGANIZATION__GRPC", FREE),
            ("LIANBO_LISTEN__ORGANIZATION__PAGES", FREE),
            ("LIANBO_LISTEN__PUBLIC__GRPC", FREE),
            ("LIANBO_LISTEN__PUBLIC__PAGES", FREE),
            ("LIANBO_METRICS__ADDRESS", FREE),
            ("LIANBO_IDENTITY__SPONSOR", "中共清源县委组织部"),
            ("LIANBO_IDENTITY__ORGANIZER", "清源县党员教育中心"),
        ];
        let log = logs.join("hub.log");
        let server = Server::start("hub", &self.programs.hub, &data, &settings, log).await?;
        for scope in Scope::ALL {
            let address = server.address(&format!("{scope} pages"))?.to_owned();
            self.pages.push(Pages { place, scope, address });
        }
        let mut config: HubConfig = config::load_with(&data, std::iter::empty())?;
        let listener = |scope: Scope| -> anyhow::Result<Option<Listener>> {
            let at = |what: &str| socket(server.address(&format!("{scope} {what}"))?);
            Ok(Some(Listener {
                grpc: Some(at("grpc")?),
                pages: Some(at("pages")?),
                ..Listener::default()
            }))
        };
        config.listen = ListenConfig {
            internal: listener(Scope::Internal)?,
            organization: listener(Scope::Organization)?,
            public: listener(Scope::Public)?,
        };
        config.metrics.address = socket(server.address("metrics")?)?;
        // Written down, so that a kept folder can be served again.
        config::save(&data, &config)?;
        self.add(place, site_id(&made["site"])?, data, server).await
    }

    async fn raise_node(&mut self, place: Place, folder: &Path, logs: &Path) -> anyhow::Result<()> {
        let hub = self.site(Place::Hub)?;
        let url = hub.server.address(&format!("{} grpc", place.ceiling()))?.to_owned();
        let mut invite =
            vec!["invite", "--code", place.code(), "--name", place.name(), "--ceiling"];
        invite.push(place.ceiling().as_str());
        if let Some(parent) = place.parent() {
            invite.extend(["--parent", parent]);
        }
        let invited = ask(&self.programs.hub, &hub.data, &invite, "").await?;
        let token = invited["token"].as_str().context("`invite` gave no token")?;
        let data = folder.join(place.short());
        let joined = ask(&self.programs.node, &data, &["join", &url, "-"], token).await?;
        let settings = [
            ("LIANBO_PAGES__ADDRESS", FREE),
            ("LIANBO_PAGES__SCOPE", place.ceiling().as_str()),
            ("LIANBO_METRICS__ADDRESS", FREE),
        ];
        let log = logs.join(format!("{}.log", place.short()));
        let server =
            Server::start(place.short(), &self.programs.node, &data, &settings, log).await?;
        let scope = place.ceiling();
        let address = server.address(&format!("{scope} pages"))?.to_owned();
        let mut config: NodeConfig = config::load_with(&data, std::iter::empty())?;
        config.pages.address = socket(&address)?;
        config.pages.scope = scope;
        config.metrics.address = socket(server.address("metrics")?)?;
        config::save(&data, &config)?;
        self.pages.push(Pages { place, scope, address });
        self.add(place, site_id(&joined["site"])?, data, server).await
    }

    async fn add(
        &mut self,
        place: Place,
        id: SiteId,
        data: PathBuf,
        server: Server,
    ) -> anyhow::Result<()> {
        let address = config::database_address(&data, &config::default_database());
        let store = Store::open(&address).await?;
        self.sites.insert(place, SiteHere { id, data, server, store });
        Ok(())
    }

    /// The province above.
    pub(super) fn province(&self) -> anyhow::Result<&Province> {
        self.province.as_ref().context("there is no province yet")
    }

    /// One of its sites.
    pub(super) fn site(&self, place: Place) -> anyhow::Result<&SiteHere> {
        self.sites.get(&place).with_context(|| format!("there is no {} yet", place.short()))
    }

    /// Where its site with this id is.
    pub(super) fn place_of(&self, id: SiteId) -> Option<Place> {
        self.sites.iter().find(|(_, site)| site.id == id).map(|(place, _)| *place)
    }

    /// The program of a site.
    pub(super) fn program(&self, place: Place) -> &Path {
        if place == Place::Hub { &self.programs.hub } else { &self.programs.node }
    }

    /// Runs a command at a site's desk.
    pub(super) async fn at(
        &self,
        place: Place,
        arguments: &[&str],
        input: &str,
    ) -> anyhow::Result<Value> {
        ask(self.program(place), &self.site(place)?.data, arguments, input).await
    }

    /// Fails if a program has ended by itself.
    pub(super) fn check_alive(&mut self) -> anyhow::Result<()> {
        self.sites.values_mut().try_for_each(|site| site.server.check())?;
        self.province.as_mut().map_or(Ok(()), |province| province.server.check())
    }

    /// Stops everything, the others before the hub.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let mut hub = None;
        let mut nodes: Vec<_> = self.province.map(|it| it.server.stop()).into_iter().collect();
        for (place, site) in self.sites {
            site.store.close().await;
            if place == Place::Hub {
                hub = Some(site.server);
            } else {
                nodes.push(site.server.stop());
            }
        }
        let mut results = futures_util::future::join_all(nodes).await;
        if let Some(hub) = hub {
            results.push(hub.stop().await);
        }
        results.into_iter().collect()
    }
}

/// A site's id in an answer.
fn site_id(value: &Value) -> anyhow::Result<SiteId> {
    value.as_str().and_then(SiteId::from_hex).context("the answer holds no site's id")
}

/// The address in a URL without a path.
fn socket(url: &str) -> anyhow::Result<SocketAddr> {
    let address = url.split("://").nth(1).and_then(|it| it.split('/').next());
    Ok(address.context("no address")?.parse()?)
}
