//! A node at work: its link upward, its pages, its figures.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::info;

use crate::config::{NodeConfig, database_address, host};
use crate::entry::SiteId;
use crate::lifecycle::{self, Site};
use crate::link::{Drained, FilesPolicy, Uplink};
use crate::web::{self, Bounds, Views, WebContext};
use crate::{duties, ops};

/// A node that serves.
#[derive(Debug)]
pub struct Running {
    /// Where its pages are.
    pub pages: SocketAddr,
    /// Where its figures are.
    pub metrics: SocketAddr,
    /// The open site.
    pub site: Site,
}

/// How long a node works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// One round of the link.
    Once,
    /// SIGTERM or Ctrl-C.
    Stopped,
    /// That, or the end of stdin.
    StoppedOrEof,
}

/// Serves the site in `folder`, or with [`Until::Once`] runs one round of the link and ends.
pub async fn run(folder: &Path, config: NodeConfig, until: Until) -> anyhow::Result<()> {
    let lock = lifecycle::lock(folder)?;
    let site = Site::open(folder, &database_address(folder, &config.database)).await?;
    if until == Until::Once {
        let site = open_blobs(site, &config);
        let drained = Box::pin(sync_once(&site, &config)).await;
        site.close().await;
        let Drained { pushed, pulled, files } = drained?;
        let line = format!("sent {pushed}, received {pulled}, files {files}\n");
        crate::cli::print::text(&line)?;
    } else {
        let running = start(site, &config).await?;
        crate::cli::print::text(&format!(
            "serving {} pages http://{}\nserving metrics http://{}/metrics\n",
            config.pages.scope, running.pages, running.metrics
        ))?;
        let signal = ops::stop_signal(until == Until::StoppedOrEof).await?;
        info!(signal, "stopping");
        running.site.close().await;
    }
    drop(lock);
    Ok(())
}

/// Starts a node on an open site; returns once its addresses are bound. It works whether or not the hub
/// can be reached.
pub async fn start(site: Site, config: &NodeConfig) -> anyhow::Result<Running> {
    let site = open_blobs(site, config);
    let uplink = uplink(&site, config)?;
    let pages = bind(config.pages.address).await?;
    let metrics = bind(config.metrics.address).await?;
    let addresses = (pages.local_addr()?, metrics.local_addr()?);
    let views = Views::default();
    site.tasks.spawn(views.clone().run(site.store.clone(), site.stop.clone().cancelled_owned()));
    let context = WebContext {
        store: site.store.clone(),
        end: site.door.end(),
        blobs: site.blobs.clone(),
        site: site.identity.site,
        title: config.unit.name.clone(),
        domain: host(config.pages.url.as_ref(), config.pages.address),
        imprint: Arc::new(config.identity.clone()),
        views: views.clone(),
        listener: config.pages.scope,
        units: false,
        url: config.pages.url.as_ref().map(|url| url.as_str().to_owned()),
    };
    let stop = site.stop.clone();
    let stopped = stop.clone().cancelled_owned();
    site.tasks.spawn(web::serve(pages, web::router(context), Bounds::PAGES, stopped));
    ops::serve(&site, metrics)?;
    let receipts = duties::run(
        site.store.clone(),
        site.door.clone(),
        site.identity.clone(),
        site.clock.clone(),
        stop.clone(),
    );
    site.tasks.spawn(receipts);
    let files = duties::files::run(
        site.store.clone(),
        site.blobs.clone(),
        site.clock.clone(),
        site.door.end(),
        stop.clone(),
    );
    site.tasks.spawn(files);
    site.tasks.spawn(async move { Box::pin(uplink.run(stop)).await });
    Ok(Running { pages: addresses.0, metrics: addresses.1, site })
}

/// One round of the link: everything up, everything down.
pub async fn sync_once(site: &Site, config: &NodeConfig) -> anyhow::Result<Drained> {
    let drained = Box::pin(uplink(site, config)?.sync_once()).await?;
    duties::files::once(&site.store, &site.blobs, &site.clock).await?;
    Ok(drained)
}

/// The files of a site as its configuration says.
fn open_blobs(site: Site, config: &NodeConfig) -> Site {
    let blobs = config.blobs.open(&site.folder);
    site.with_blobs(blobs)
}

fn uplink(site: &Site, config: &NodeConfig) -> anyhow::Result<Uplink> {
    let hub = SiteId::from_hex(&config.hub.site)
        .context("hub.site in the configuration is no site id")?;
    let proxy = config.hub.proxy.as_deref();
    let policy = FilesPolicy {
        eager: config.blobs.eager(),
        night: config.blobs.night,
        per_second: u64::from(config.hub.blob_kib_per_second) * 1024,
    };
    let uplink = Uplink::new(site, hub, config.hub.ceiling, &config.hub.url, proxy)?;
    Ok(uplink.with_files(policy))
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}
