//! What every service of a running hub shares.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lianbo_node::blobs::Blobs;
use lianbo_node::clock::SharedClock;
use lianbo_node::content;
use lianbo_node::content::site::Unit;
use lianbo_node::duties;
use lianbo_node::entry::{HarvesterId, Lane, SiteId};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Door;
use lianbo_node::journal::{Meta, Standing};
use lianbo_node::link::tls::{Connections, Peer};
use lianbo_node::scope::{Reader, Scope};
use lianbo_node::store::{Store, StoreError};
use lianbo_node::sync::blobs::Pace;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::acks::Acks;
use crate::enrol::ca::Ca;
use crate::rpc::seats::Seats;
use crate::tail::Tail;

/// How often the facts about this hub are looked at, which other processes may change.
const LOOK: Duration = Duration::from_secs(1);

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    /// Where entries are kept.
    pub store: Store,
    /// The way in.
    pub door: Door,
    /// Its site and key.
    pub identity: Arc<Identity>,
    /// Its name, as nodes show it.
    pub name: String,
    /// Tells the time.
    pub clock: SharedClock,
    /// Issues certificates.
    pub ca: Arc<Ca>,
    /// How long a site's certificate is good for.
    pub certificate: Duration,
    /// Who is connected.
    pub connections: Connections,
    /// How far each site is.
    pub acks: Acks,
    /// Everything spawned; the stop waits for it.
    pub tasks: TaskTracker,
    /// Cancelled when the hub stops.
    pub stop: CancellationToken,
    pub(crate) tail: Tail,
    pub(crate) pushes: Seats<SiteId>,
    /// Questions (Hello, Offer, Pull, the opening of a Follow), from the first byte on: each may be as large as a
    /// frame, and reads the database, where others wait behind it.
    pub(crate) questions: Seats<SiteId>,
    pub(crate) harvests: Seats<HarvesterId>,
    /// Address of the public pages as people know it, without a slash at its end.
    pub pages_url: Option<String>,
    /// Files under way, by site.
    pub(crate) transfers: Seats<SiteId>,
    /// Where files are kept.
    pub blobs: Blobs,
    paces: Mutex<HashMap<SiteId, Pace>>,
    /// Bytes of files a second that go to and come from one site; 0 for no bound.
    blob_pace: u64,
    started: Instant,
    /// Calls under way, of all kinds; those without a certificate are as one.
    pub(crate) calls: Seats<Option<Peer>>,
    members: watch::Sender<Arc<Members>>,
    /// One reads at a time who belongs, so that nobody puts an older answer over a newer one.
    refreshing: tokio::sync::Mutex<()>,
}

/// What a [`Hub`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where entries are kept.
    pub store: Store,
    /// The way in.
    pub door: Door,
    /// Its site and key.
    pub identity: Arc<Identity>,
    /// Its name, as nodes show it.
    pub name: String,
    /// Tells the time.
    pub clock: SharedClock,
    /// Issues certificates.
    pub ca: Arc<Ca>,
    /// How long a site's certificate is good for.
    pub certificate: Duration,
    /// Who is connected.
    pub connections: Connections,
    /// Address of the public pages as people know it, without a slash at its end.
    pub pages_url: Option<String>,
    /// Where files are kept.
    pub blobs: Blobs,
    /// Bytes of files a second that go to and come from one site; 0 for no bound.
    pub blob_pace: u64,
    /// Everything spawned.
    pub tasks: TaskTracker,
    /// Cancelled when the hub stops.
    pub stop: CancellationToken,
}

/// Who belongs, and which life of the journal this is.
#[derive(Debug)]
pub struct Members {
    /// Facts about this hub.
    pub meta: Meta,
    /// Every enrolled site.
    pub sites: HashMap<SiteId, Member>,
    /// Every harvester that was let in.
    pub harvesters: HashMap<HarvesterId, Harvester>,
}

/// One enrolled site.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who runs it.
    pub unit: Unit,
    /// The narrowest scope it may hold.
    pub ceiling: Scope,
    /// It no longer belongs.
    pub revoked: bool,
}

/// One harvester.
#[derive(Clone, Debug)]
pub struct Harvester {
    /// What it is known by.
    pub code: String,
    /// It no longer belongs.
    pub revoked: bool,
}

impl Members {
    async fn load(store: &Store) -> Result<Self, StoreError> {
        let mut tx = store.read().await?;
        let meta = Meta::load(&mut tx).await?.ok_or(StoreError::Corrupt("table meta is empty"))?;
        let sites = content::site::all(&mut tx).await?;
        let sites = sites
            .into_iter()
            .map(|view| {
                let revoked = view.revoked.is_some();
                (view.site, Member { unit: view.unit, ceiling: view.ceiling, revoked })
            })
            .collect();
        let harvesters = content::harvester::all(&mut tx).await?;
        let harvesters = harvesters
            .into_iter()
            .map(|it| (it.id, Harvester { code: it.code, revoked: it.revoked.is_some() }))
            .collect();
        Ok(Self { meta, sites, harvesters })
    }

    /// A site as a reader behind a listener, and the narrowest scope that rises from it; `None` for one
    /// that does not belong. While this hub fills up what it lost, it may not know yet a site that it once
    /// enrolled: that one refills it through the listener's scope, and reads what anybody may, for
    /// nobody knows its ceiling, or whether it was revoked.
    pub(crate) fn crossing(&self, site: SiteId, listener: Scope) -> Option<(Reader, Scope)> {
        match self.sites.get(&site) {
            Some(member) if member.revoked => None,
            Some(member) => {
                let reader = Reader::site(site, member.ceiling, listener);
                Some((reader, reader.ceiling))
            }
            None if self.refilling() => {
                Some((Reader::site(site, Scope::Public, listener), listener))
            }
            None => None,
        }
    }

    /// Whether this hub signs entries of its own.
    pub fn signs(&self) -> bool {
        self.meta.standing == Standing::Ready
    }

    /// Whether this hub lost data and takes any authentic entry to fill up.
    pub fn refilling(&self) -> bool {
        self.meta.standing == Standing::Restored
    }
}

impl Hub {
    /// Puts a hub together and starts what runs beside its services.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let tail = Tail::open(&parts.store).await?;
        let members = Members::load(&parts.store).await?;
        let acks = Acks::load(&parts.store).await?;
        let hub = Arc::new(Self {
            store: parts.store,
            door: parts.door,
            identity: parts.identity,
            name: parts.name,
            clock: parts.clock,
            ca: parts.ca,
            certificate: parts.certificate,
            connections: parts.connections,
            acks,
            tasks: parts.tasks,
            stop: parts.stop,
            tail,
            pushes: Seats::new(|_| 2),
            // A node asks one after the other.
            questions: Seats::new(|_| 2),
            harvests: Seats::new(|_| 4),
            pages_url: parts.pages_url,
            transfers: Seats::new(|_| 4),
            blobs: parts.blobs,
            paces: Mutex::default(),
            blob_pace: parts.blob_pace,
            started: Instant::now(),
            // A node needs seven, and as many of a broken connection may not have been noticed yet. Without a
            // certificate one joins, in a moment.
            calls: Seats::new(|caller| if caller.is_some() { 14 } else { 64 }),
            members: watch::Sender::new(Arc::new(members)),
            refreshing: tokio::sync::Mutex::default(),
        });
        let follower = hub.clone();
        hub.tasks.spawn(async move {
            let (store, door) = (follower.store.clone(), &follower.door);
            let (fresh, end) = (door.fresh(), door.end());
            follower.tail.run(store, fresh, end, follower.stop.clone()).await;
        });
        let watcher = hub.clone();
        hub.tasks.spawn(async move { watcher.watch_members().await });
        let flusher = hub.clone();
        hub.tasks.spawn(async move {
            flusher.acks.run(&flusher.store, flusher.stop.clone()).await;
        });
        let (store, blobs, clock) = (hub.store.clone(), hub.blobs.clone(), hub.clock.clone());
        let (end, stop) = (hub.door.end(), hub.stop.clone());
        hub.tasks.spawn(duties::files::run(store, blobs, clock, end, stop));
        let duties = hub.clone();
        hub.tasks.spawn(async move { crate::duties::run(&duties).await });
        Ok(hub)
    }

    /// Counts bytes of files that go to or come from a site; how long to wait before they do.
    pub(crate) fn pace(&self, site: SiteId, bytes: u64) -> Duration {
        if self.blob_pace == 0 {
            return Duration::ZERO;
        }
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.entry(site).or_insert_with(|| Pace::new(self.blob_pace));
        pace.take(bytes, self.started.elapsed())
    }

    /// Who belongs now.
    pub fn members(&self) -> Arc<Members> {
        self.members.borrow().clone()
    }

    /// Changes whenever who belongs was read anew.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Members>> {
        self.members.subscribe()
    }

    /// Reads anew who belongs; cuts off who no longer does. What a site connects after that stands, and
    /// is told call by call that it was revoked.
    pub async fn refresh_members(&self) -> Result<(), StoreError> {
        let _turn = self.refreshing.lock().await;
        let members = Arc::new(Members::load(&self.store).await?);
        // Known first, cut off then: what connects in between is refused call by call.
        let before = self.members.send_replace(members.clone());
        self.tail.wake();
        for (site, member) in &members.sites {
            let new = before.sites.get(site).is_none_or(|before| !before.revoked);
            if member.revoked && new && self.connections.close(*site) > 0 {
                info!(%site, unit = %member.unit.code, "revoked: its connections are closed");
            }
        }
        for (id, harvester) in &members.harvesters {
            let new = before.harvesters.get(id).is_none_or(|before| !before.revoked);
            if harvester.revoked && new && self.connections.close(*id) > 0 {
                info!(harvester = %harvester.code, "revoked: its connections are closed");
            }
        }
        Ok(())
    }

    /// This hub lost data: from now on it signs nothing and takes back what it lacks.
    pub async fn mark_restored(&self) -> Result<(), StoreError> {
        if self.members().refilling() {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        let Some(mut meta) = Meta::load(&mut tx).await? else { return Ok(()) };
        meta.standing = Standing::Restored;
        meta.save(&mut tx).await?;
        tx.commit().await?;
        warn!(
            "a site holds more of this hub's journal than the hub itself: these data are older. \
             Nothing is signed until `lianbo-hub resume`; meanwhile sites offer back what is missing"
        );
        self.refresh_members().await
    }

    async fn watch_members(&self) {
        let mut membership = self.tail.membership();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stale = false;
        loop {
            let told = tokio::select! {
                () = self.stop.cancelled() => break,
                changed = membership.changed() => if changed.is_err() { break } else { true },
                _ = look.tick() => false,
            };
            // Another process may have said that this hub signs again, or that it was restored.
            let outcome = if told || stale {
                self.refresh_members().await
            } else {
                self.look_at_meta().await
            };
            stale = outcome.is_err();
            if let Err(error) = outcome {
                warn!(%error, "who belongs could not be read; trying again");
            }
        }
    }

    async fn look_at_meta(&self) -> Result<(), StoreError> {
        let meta = Meta::load(&mut self.store.read().await?).await?;
        let known = self.members();
        let same = meta.is_some_and(|meta| {
            (meta.epoch, meta.standing) == (known.meta.epoch, known.meta.standing)
        });
        if same { Ok(()) } else { self.refresh_members().await }
    }

    /// How many entries of a lane a site has yet to make durable; counted over the whole journal.
    pub fn lag(&self, site: SiteId, lane: Lane) -> i64 {
        *self.door.end().borrow() - self.acks.position(site, lane)
    }
}
