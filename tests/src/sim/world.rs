//! What a simulated county consists of: a hub and its nodes, their data folders, and what they were told.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lianbo_hub::enrol::ca::Ca;
use lianbo_node::clock::Clock;
use lianbo_node::content::Record;
use lianbo_node::content::site::{Enrolment, Unit};
use lianbo_node::entry::{Hash, LogId, RecordId, SiteId};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::journal::Meta;
use lianbo_node::lifecycle::{KEY_FILE, Site, set_up};
use lianbo_node::link::tls::{ClientPki, new_csr};
use lianbo_node::scope::Scope;
use lianbo_node::store::Store;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use crate::records::START_MS;

/// The column that nodes may subscribe to at their siblings.
pub(super) const NEWS: &str = "news";
/// The hub's place among the members.
pub(super) const HUB: usize = 0;
const YEAR: Duration = Duration::from_hours(24 * 365);

/// One site.
#[derive(Debug)]
pub(super) struct Member {
    /// Its host's name.
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) folder: PathBuf,
    /// The narrowest scope it may hold.
    pub(super) ceiling: Scope,
    /// Behind which listener of the hub.
    pub(super) listener: Scope,
    /// Whether it reads its siblings' [`NEWS`].
    pub(super) subscribed: bool,
    /// What its writer does.
    pub(super) rng: Mutex<StdRng>,
}

impl Member {
    pub(super) fn site(&self) -> SiteId {
        self.identity.site
    }

    /// What crosses its link.
    pub(super) fn link_ceiling(&self) -> Scope {
        self.ceiling.max(self.listener)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("lianbo.db")
    }

    pub(super) fn address(&self) -> String {
        format!("sqlite:{}", self.database().display())
    }

    pub(super) async fn open(&self) -> Store {
        Store::open(&self.address()).await.expect("the store opens")
    }
}

/// A write that was acknowledged to its writer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    pub(super) log: LogId,
    pub(super) seq: u64,
    pub(super) hash: Hash,
    /// The article it is a revision of, if it is one.
    pub(super) article: Option<RecordId>,
    /// The article it withdraws, if it is a retraction.
    pub(super) withdraws: Option<RecordId>,
}

/// What the outside knows, whatever becomes of the sites.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Every acknowledged write that no disk has lost since.
    pub(super) acked: Vec<Acked>,
    /// How often somebody was told so, for the report.
    pub(super) written: usize,
}

/// The simulated county.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    /// The hub first.
    pub(super) members: Vec<Member>,
    pub(super) clock: Arc<SimClock>,
    told: Mutex<Told>,
    quiet: AtomicBool,
    _folder: TempDir,
}

impl World {
    /// A hub and three nodes, enrolled and set up, as `seed` says.
    pub(super) async fn found(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let shared = Path::new("/dev/shm");
        // Nothing is lost with the power in here: memory is as good as a disk, and faster.
        let folder =
            if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() };
        let folder = folder.expect("a temporary folder");
        let mut members = Vec::new();
        for (index, name) in ["hub", "office", "township", "village"].into_iter().enumerate() {
            let ceiling = match index {
                HUB | 1 => Scope::Internal,
                2 => Scope::Organization,
                _ => Scope::ALL[rng.random_range(0..3)],
            };
            let listener = match index {
                HUB | 1 => Scope::Internal,
                _ => Scope::ALL[rng.random_range(0..3)].min(ceiling),
            };
            let member = Member {
                name: name.to_owned(),
                identity: Identity::generate(&mut rng),
                folder: folder.path().join(name),
                ceiling,
                listener,
                subscribed: index > 0 && rng.random_bool(0.5),
                rng: Mutex::new(StdRng::seed_from_u64(rng.random())),
            };
            std::fs::create_dir(&member.folder).expect("a data folder");
            members.push(member);
        }
        let world = Self {
            seed,
            members,
            clock: Arc::new(SimClock(AtomicI64::new(START_MS))),
            told: Mutex::default(),
            quiet: AtomicBool::new(false),
            _folder: folder,
        };
        world.set_up(&mut rng).await;
        world
    }

    async fn set_up(&self, rng: &mut StdRng) {
        let hub = &self.members[HUB];
        let ca = Ca::generate("测试县", hub.site(), START_MS, rng).expect("a CA");
        ca.save(&hub.folder).expect("the CA is kept");
        for member in &self.members {
            let pem = member.identity.to_pem();
            std::fs::write(member.folder.join(KEY_FILE), pem.as_bytes()).expect("the key is kept");
            let store = member.open().await;
            let above = (hub.site(), hub.identity.public());
            let meta = Meta::generate(member.site(), rng);
            set_up(&store, &meta, member.identity.public(), above).await.expect("set up");
            if member.subscribed {
                let mut tx = store.write().await.expect("a transaction");
                let sql = format!("INSERT INTO subscriptions (site, slug) VALUES (x'', '{NEWS}')");
                tx.execute(&sql, Vec::new()).await.expect("a subscription");
                tx.commit().await.expect("it commits");
            }
            store.close().await;
            let (csr, key) = new_csr(member.site()).expect("a request");
            let chain = ca.issue_client(&csr, member.site().into(), START_MS, YEAR, rng);
            let chain = chain.expect("a certificate");
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            let pki = ClientPki { ca: ca.certificate().clone(), chain, key };
            pki.save(&member.folder).expect("the certificate is kept");
        }
        let site = Site::open_with(&hub.folder, hub.open().await, self.clock.clone()).await;
        let site = site.expect("the hub opens");
        for (index, member) in self.members.iter().enumerate() {
            let unit = Unit {
                code: member.name.clone(),
                name: format!("{}单位", member.name),
                parent: String::new(),
            };
            let enrolment = Enrolment {
                site: member.site(),
                key: member.identity.public(),
                unit,
                ceiling: member.ceiling,
                invite: None,
                hub: index == HUB,
            };
            let draft = Draft::new(enrolment.audience(), Record::Enrolment(enrolment));
            site.door.write(vec![draft]).await.expect("the hub enrols");
        }
        site.close().await;
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().skip(1)
    }

    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is written any more.
    pub(super) fn hush(&self) {
        self.quiet.store(true, Ordering::SeqCst);
    }

    pub(super) fn hushed(&self) -> bool {
        self.quiet.load(Ordering::SeqCst)
    }
}

/// Tells simulated time; what it said last where there is none.
#[derive(Debug)]
pub(super) struct SimClock(AtomicI64);

impl Clock for SimClock {
    fn now(&self) -> i64 {
        if let Some(elapsed) = turmoil::sim_elapsed() {
            let now = START_MS + i64::try_from(elapsed.as_millis()).unwrap_or(0);
            self.0.fetch_max(now, Ordering::SeqCst);
        }
        self.0.load(Ordering::SeqCst)
    }
}
