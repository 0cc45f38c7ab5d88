//! `harvest-client list` and `follow`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use lianbo_node::cli::{Global, advise, logging, note};
use lianbo_node::clock::SystemClock;
use lianbo_node::entry::SiteId;
use lianbo_node::link::LinkError;
use lianbo_node::link::harvest::{Ask, HarvestLink, Page};
use lianbo_node::sync::backoff::Backoff;
use lianbo_node::{config, lifecycle, ops};
use rand::RngExt;
use tracing::{info, warn};

use super::keep::Keeper;
use crate::config::HarvestConfig;

/// Where what is taken over goes.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Keep each article as a JSON file in this folder, named by its UUID; without it they go to stdout, one a line
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Most articles the hub sends at a time; 0 leaves it to the hub
    #[arg(long, default_value_t = 0)]
    limit: u32,
}

/// What both commands work with.
struct Harvest {
    link: HarvestLink,
    keeper: Keeper,
    limit: u32,
    _lock: lifecycle::ServeLock,
}

fn open(global: &Global, options: Options) -> anyhow::Result<(Harvest, HarvestConfig)> {
    let folder = &global.data;
    let config: HarvestConfig = config::load(folder)?;
    let lock = lifecycle::lock(folder)?;
    let hub = SiteId::from_hex(&config.hub.site)
        .ok_or_else(|| anyhow::anyhow!("hub.site in {} is no site's id", config::FILE))?;
    let proxy = config.hub.proxy.as_deref();
    let link = HarvestLink::new(folder, &config.hub.url, hub, proxy, Arc::new(SystemClock))?;
    let keeper = Keeper::new(folder, options.out, global.json)?;
    Ok((Harvest { link, keeper, limit: options.limit, _lock: lock }, config))
}

pub(super) async fn list(global: &Global, options: Options) -> anyhow::Result<()> {
    let (harvest, _) = open(global, options)?;
    let mut session = harvest.link.connect().await.map_err(advice)?;
    loop {
        let page = session.list(&harvest.ask()?).await.map_err(advice)?;
        harvest.keep(&page)?;
        if !page.more {
            return Ok(());
        }
    }
}

pub(super) async fn follow(
    global: &Global,
    options: Options,
    until_eof: bool,
) -> anyhow::Result<()> {
    let (harvest, config) = open(global, options)?;
    logging::start(&config.log)?;
    tokio::select! {
        signal = ops::stop_signal(until_eof) => {
            info!(signal = signal?, "stopping");
            Ok(())
        }
        ended = harvest.follow() => ended,
    }
}

impl Harvest {
    fn ask(&self) -> anyhow::Result<Ask> {
        Ok(Ask { cursor: self.keeper.cursor()?, limit: self.limit })
    }

    fn keep(&self, page: &Page) -> anyhow::Result<()> {
        if page.restarted {
            note(
                "the hub lost data: everything comes again; what was harvested before and does not come again is no \
                 longer published",
            );
        }
        self.keeper.keep(page)
    }

    /// Follows for good; ends when what comes cannot be kept.
    async fn follow(&self) -> anyhow::Result<()> {
        let mut backoff = Backoff::default();
        loop {
            match self.session(&mut backoff).await {
                Ok(()) => {}
                Err(Broken::Here(error)) => return Err(error),
                Err(Broken::Link(error)) => {
                    let wait = backoff.next(rand::rng().random(), error.retry_after());
                    warn!(%error, retry_ms = wait.as_millis(), "the link to the hub is down");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// One connection; ends well when its certificate is due.
    async fn session(&self, backoff: &mut Backoff) -> Result<(), Broken> {
        let mut session = self.link.connect().await?;
        session.follow(&self.ask().map_err(Broken::Here)?).await?;
        info!("following the hub");
        while let Some(page) = session.next().await? {
            backoff.reset();
            self.keep(&page).map_err(Broken::Here)?;
        }
        Ok(())
    }
}

/// Why following stopped.
enum Broken {
    /// The line or the hub: try again.
    Link(LinkError),
    /// What came could not be kept here.
    Here(anyhow::Error),
}

impl From<LinkError> for Broken {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

fn advice(error: LinkError) -> anyhow::Error {
    advise(error, "try again later; nothing is lost: the next `list` goes on from what was kept")
        .into()
}
