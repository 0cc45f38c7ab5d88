//! A hub at work: its listeners, its pages, its figures.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lianbo_node::clock::{Clock, FlooredClock, SharedClock};
use lianbo_node::config::{database_address, host};
use lianbo_node::entry::SiteId;
use lianbo_node::journal;
use lianbo_node::lifecycle::{self, Site};
use lianbo_node::link::tls::{Acceptor, Connections, Limits, certified_key, incoming};
use lianbo_node::ops;
use lianbo_node::scope::Scope;
use lianbo_node::store::{Store, StoreError};
use lianbo_node::web::{self, Bounds, Views, WebContext};
use rustls::sign::CertifiedKey;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::config::{HubConfig, Listener};
use crate::enrol::ca::Ca;
use crate::hub::{Hub, Parts};
use crate::sources::{self, Poller, Registry};
use crate::visitors::Visitors;
use crate::{figures, rpc};

/// How long what is under way may take after a stop; then connections are cut.
const GRACE: Duration = Duration::from_secs(5);
/// How often the floor under the clock is raised, and the hub's own certificate looked at.
const HOURLY: Duration = Duration::from_hours(1);
/// Key of the floor under the clock in table `meta`.
const FLOOR: &str = "clock_floor";

/// Where one network is served.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// The network.
    pub scope: Scope,
    /// Where sites connect.
    pub grpc: Option<SocketAddr>,
    /// Where people read.
    pub pages: Option<SocketAddr>,
}

/// A hub that serves.
#[derive(Debug)]
pub struct Running {
    /// What its services share.
    pub hub: Arc<Hub>,
    /// Where it listens, with the ports the system chose where none was given.
    pub listening: Vec<Listening>,
    /// Where its figures are.
    pub metrics: SocketAddr,
    site: Site,
    // After the site: connections of its store may have been made there.
    _visitors: Visitors,
}

/// Serves the hub in `folder` until SIGTERM or Ctrl-C; with `until_eof`, until the end of stdin at the latest.
pub async fn run(folder: &Path, config: HubConfig, until_eof: bool) -> anyhow::Result<()> {
    let lock = lifecycle::lock(folder)?;
    let site = Site::open(folder, &database_address(folder, &config.database)).await?;
    let running = start(site, &config).await?;
    let mut lines = String::new();
    for network in &running.listening {
        for (what, scheme, address) in
            [("grpc", "https", network.grpc), ("pages", "http", network.pages)]
        {
            if let Some(address) = address {
                lines.push_str(&format!("serving {} {what} {scheme}://{address}\n", network.scope));
            }
        }
    }
    lines.push_str(&format!("serving metrics http://{}/metrics\n", running.metrics));
    lianbo_node::cli::print::text(&lines)?;
    if running.hub.members().refilling() {
        warn!("this hub may have lost data: it signs nothing until `lianbo-hub resume`");
    }
    let signal = ops::stop_signal(until_eof).await?;
    info!(signal, "stopping");
    running.stop().await;
    drop(lock);
    Ok(())
}

/// Starts a hub on an open site; returns once every listener is bound.
pub async fn start(site: Site, config: &HubConfig) -> anyhow::Result<Running> {
    let blobs = config.blobs.open(&site.folder)?;
    let site = site.with_blobs(blobs);
    let ca =
        Ca::load(&site.folder)?.ok_or_else(|| anyhow::anyhow!("the data folder holds no CA"))?;
    let ca = Arc::new(ca);
    let clock = Arc::new(FlooredClock::new(site.clock.clone(), kept_floor(&site.store).await?));
    let certificate = watch::Sender::new(issue(&ca, site.identity.site, config, clock.now())?);
    let connections = Connections::new(Limits::default());
    let shared: SharedClock = clock.clone();
    let parts = Parts {
        store: site.store.clone(),
        door: site.door.clone(),
        identity: site.identity.clone(),
        name: config.unit.name.clone(),
        clock: shared.clone(),
        ca: ca.clone(),
        certificate: config.certificate_validity(),
        connections: connections.clone(),
        pages_url: config.listen.public.as_ref().and_then(known_as),
        blobs: site.blobs.clone(),
        blob_pace: u64::from(config.blobs.kib_per_second) * 1024,
        tasks: site.tasks.clone(),
        stop: site.stop.clone(),
    };
    let hub = Hub::start(parts).await?;
    let (imprint, views) = (Arc::new(config.identity.clone()), Views::default());
    site.tasks.spawn(views.clone().run(site.store.clone(), site.stop.clone().cancelled_owned()));
    let visitors = Visitors::start()?;
    let mut listening = Vec::new();
    for scope in Scope::ALL {
        let Some(wanted) = config.listen.of(scope) else { continue };
        let mut network = Listening { scope, grpc: None, pages: None };
        if let Some(address) = wanted.grpc {
            let listener = bind(address).await?;
            network.grpc = Some(listener.local_addr()?);
            let acceptor =
                Acceptor::new(ca.certificate(), certificate.subscribe(), shared.clone())?;
            let stream = incoming(listener, acceptor, connections.clone(), site.stop.clone());
            let serving = rpc::serve(hub.clone(), scope, stream);
            site.tasks.spawn(serving);
        }
        if let Some(address) = wanted.pages {
            let listener = bind(address).await?;
            network.pages = Some(listener.local_addr()?);
            let context = WebContext {
                store: site.store.clone().for_visitors(),
                end: site.door.end(),
                blobs: site.blobs.clone(),
                site: site.identity.site,
                title: config.unit.name.clone(),
                domain: host(wanted.pages_url.as_ref(), address),
                imprint: imprint.clone(),
                views: views.clone(),
                listener: scope,
                units: true,
                url: known_as(wanted),
            };
            visitors.serve(&site, listener, web::router(context), Bounds::PAGES)?;
        }
        listening.push(network);
    }
    let listener = bind(config.metrics.address).await?;
    let metrics = listener.local_addr()?;
    visitors.serve(&site, listener, ops::router(&site)?, Bounds::FIGURES)?;
    let figures = figures::run(hub.clone());
    site.tasks.spawn(figures);
    let registry = Registry::new(site.store.clone());
    let (door, own) = (site.door.clone(), site.identity.site);
    let poller = Poller::new(registry, door, own, shared, &config.sources)?;
    site.tasks.spawn(sources::duty::run(hub.clone(), poller));
    let keeper = Keeper {
        store: site.store.clone(),
        site: site.identity.site,
        config: config.clone(),
        clock,
        certificate,
        ca,
        // A certificate lives for days, and is replaced when a third of that is over.
        every: HOURLY.min(config.certificate_validity() / 3),
    };
    let stop = site.stop.clone();
    site.tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = keeper.run() => {}
        }
    });
    Ok(Running { hub, listening, metrics, site, _visitors: visitors })
}

impl Running {
    /// Stops in order: no new calls, those under way for a while, then everything is cut and closed.
    pub async fn stop(self) {
        self.site.stop.cancel();
        let connections = self.hub.connections.clone();
        drop(self.hub);
        let cut = async {
            tokio::time::sleep(GRACE).await;
            connections.close_all();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.site.close() => {}
            () = cut => {}
        }
    }
}

/// Under which address people know the pages of a listener.
fn known_as(listener: &Listener) -> Option<String> {
    listener.pages_url.as_ref().map(|url| url.as_str().to_owned())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    use anyhow::Context as _;
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

async fn kept_floor(store: &Store) -> Result<i64, StoreError> {
    let kept = journal::fact(&mut store.read().await?, FLOOR).await?;
    Ok(kept.and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_be_bytes))
}

fn issue(ca: &Ca, site: SiteId, config: &HubConfig, now: i64) -> anyhow::Result<Arc<CertifiedKey>> {
    let validity = config.certificate_validity();
    let (chain, key) = ca.issue_server(site, &config.names, now, validity, &mut rand::rng())?;
    Ok(certified_key(chain, key)?)
}

/// Keeps the hub's own certificate fresh and the clock from being set back.
struct Keeper {
    store: Store,
    site: SiteId,
    config: HubConfig,
    clock: Arc<FlooredClock>,
    certificate: watch::Sender<Arc<CertifiedKey>>,
    ca: Arc<Ca>,
    /// How often it looks.
    every: Duration,
}

impl Keeper {
    async fn run(&self) {
        let validity = self.config.certificate_validity();
        let mut tick = tokio::time::interval(self.every);
        let mut issued = self.clock.now();
        loop {
            tick.tick().await;
            let now = self.clock.now();
            self.clock.raise(now);
            if let Err(error) = self.keep_floor(now).await {
                warn!(%error, "the floor under the clock could not be kept");
            }
            let due = issued + i64::try_from(validity.as_millis()).unwrap_or(i64::MAX) / 3;
            if now < due {
                continue;
            }
            match issue(&self.ca, self.site, &self.config, now) {
                Ok(fresh) => {
                    self.certificate.send_replace(fresh);
                    issued = now;
                    info!("the hub's own certificate was renewed");
                }
                Err(error) => error!(%error, "the hub's own certificate could not be renewed"),
            }
        }
    }

    async fn keep_floor(&self, now: i64) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        journal::set_fact(&mut tx, FLOOR, &now.to_be_bytes()).await?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use lianbo_node::clock::ManualClock;
    use lianbo_node::config::UnitConfig;
    use lianbo_node::link::tls::certificate_info;
    use lianbo_node::store::testing::TestDatabase;

    use super::*;

    const DAY: i64 = 86_400_000;
    const NOW: i64 = 20_000 * DAY;

    #[tokio::test]
    async fn the_hubs_own_certificate_is_replaced_while_it_serves_and_its_clock_never_goes_back() {
        let database = TestDatabase::sqlite().await;
        let site = SiteId([1; 16]);
        let unit = UnitConfig { code: "county".to_owned(), name: "县".to_owned() };
        let config = HubConfig::new(unit, database.address.clone());
        let manual = Arc::new(ManualClock::new(NOW));
        let ca = Arc::new(Ca::generate("县", site, NOW, &mut rand::rng()).unwrap());
        let first = issue(&ca, site, &config, NOW).unwrap();
        let certificate = watch::Sender::new(first);
        let mut shown = certificate.subscribe();
        let keeper = Keeper {
            store: database.store.clone(),
            site,
            clock: Arc::new(FlooredClock::new(manual.clone(), 0)),
            certificate,
            ca,
            every: Duration::from_millis(1),
            config,
        };
        let ends = |shown: &mut watch::Receiver<Arc<CertifiedKey>>| {
            certificate_info(&shown.borrow_and_update().cert[0]).unwrap().not_after_ms
        };
        let kept = async |at: i64| while kept_floor(&database.store).await.unwrap() < at {};
        let days = async {
            kept(NOW).await;
            manual.advance(9 * DAY);
            kept(NOW + 9 * DAY).await;
            assert!(!shown.has_changed().unwrap(), "a certificate of thirty days has time");
            manual.advance(2 * DAY);
            shown.changed().await.unwrap();
            assert_eq!(ends(&mut shown), NOW + 41 * DAY);
            // Set back, the clock stays where it was.
            manual.set(NOW);
            assert_eq!(keeper.clock.now(), NOW + 11 * DAY);
        };
        tokio::select! {
            () = keeper.run() => {}
            () = days => {}
        }
    }
}
