//! A hub with its listeners and nodes linked to it, in one process, over real TLS on loopback. Long because a
//! test hub and its test node are set up, broken and put back by the same few helpers.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lianbo_hub::config::{HubConfig, ListenConfig, Listener};
use lianbo_hub::enrol::ca::Ca;
use lianbo_hub::hub::Hub;
use lianbo_hub::serve::{self, Running};
use lianbo_node::args;
use lianbo_node::clock::{Clock, SystemClock};
use lianbo_node::config::{
    BlobsConfig, HubLink, LogConfig, MetricsConfig, NodeConfig, PagesConfig, UnitConfig,
};
use lianbo_node::content::Record;
use lianbo_node::content::site::{Enrolment, Unit};
use lianbo_node::entry::{Hash, LogId, SiteId};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::journal::{self, Meta, Standing};
use lianbo_node::lifecycle::{KEY_FILE, Site, set_up};
use lianbo_node::link::Drained;
use lianbo_node::link::tls::{ClientPki, new_csr};
use lianbo_node::scope::{Audience, Scope, may_rise};
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::store::{Store, Tx};
use lianbo_node::web::Imprint;
use lianbo_node::wire::heights_to_proto;
use lianbo_proto::v1;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

/// How long anything on loopback may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);
const CERTIFICATE: Duration = Duration::from_hours(1);

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A hub with a listener in each network. Call [`TestHub::close`] at the end of the test.
#[derive(Debug)]
pub struct TestHub {
    running: Option<Running>,
    /// Its identity.
    pub identity: Identity,
    /// Its store.
    pub store: Store,
    database: TestDatabase,
    folder: TempDir,
    config: HubConfig,
}

impl TestHub {
    /// A hub on a fresh database.
    ///
    /// # Panics
    /// If it cannot be set up; so does everything here.
    pub async fn start(database: TestDatabase) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let identity = Identity::generate(&mut rand::rng());
        let now = SystemClock.now();
        let ca = Ca::generate("测试县", identity.site, now, &mut rand::rng()).expect("a CA");
        ca.save(folder.path()).expect("the CA is kept");
        let meta = Meta::generate(identity.site, &mut rand::rng());
        let own = identity.public();
        set_up(&database.store, &meta, own, (identity.site, own))
            .await
            .expect("a fresh database takes a site");
        write_key(folder.path(), &identity);
        let listener = || {
            let (grpc, pages) = (Some(any_port()), Some(any_port()));
            Some(Listener { grpc, pages, ..Listener::default() })
        };
        let unit =
            UnitConfig { code: "county".to_owned(), name: "测试县委组织部".to_owned() };
        let mut config = HubConfig::new(unit, database.address.clone());
        config.listen =
            ListenConfig { internal: listener(), organization: listener(), public: listener() };
        config.metrics.address = any_port();
        let mut hub = Self {
            running: None,
            identity,
            store: database.store.clone(),
            database,
            folder,
            config,
        };
        hub.serve().await;
        let own = Enrolment {
            site: hub.identity.site,
            key: hub.identity.public(),
            unit: unit_of("county"),
            ceiling: Scope::Internal,
            invite: None,
            hub: true,
        };
        hub.write(vec![Draft::new(own.audience(), Record::Enrolment(own))]).await;
        hub
    }

    async fn serve(&mut self) {
        let store = Store::open(&self.database.address).await.expect("the store opens");
        let site = Site::open_with(self.folder.path(), store, Arc::new(SystemClock))
            .await
            .expect("the site opens");
        self.running = Some(serve::start(site, &self.config).await.expect("the hub serves"));
    }

    /// Changes how it is set up from the next start on.
    pub fn configure(&mut self, change: impl FnOnce(&mut HubConfig)) {
        change(&mut self.config);
    }

    /// Stops the hub and serves again, on the same ports.
    pub async fn restart(&mut self) {
        self.pause().await;
        self.serve().await;
    }

    /// Stops serving and remembers the ports for [`TestHub::resume`].
    pub async fn pause(&mut self) {
        for network in self.running().listening.clone() {
            let slot = match network.scope {
                Scope::Internal => &mut self.config.listen.internal,
                Scope::Organization => &mut self.config.listen.organization,
                Scope::Public => &mut self.config.listen.public,
            };
            let listener = slot.get_or_insert_default();
            (listener.grpc, listener.pages) = (network.grpc, network.pages);
        }
        self.stop().await;
    }

    /// Serves again, on the same ports.
    pub async fn resume(&mut self) {
        self.serve().await;
    }

    /// Its disk is lost: what the recovery file holds goes on with an empty database, fenced.
    pub async fn lose(&mut self, fresh: TestDatabase) {
        self.pause().await;
        let mut meta = Meta::generate(self.identity.site, &mut rand::rng());
        meta.standing = Standing::Restored;
        let own = self.identity.public();
        set_up(&fresh.store, &meta, own, (self.identity.site, own))
            .await
            .expect("a fresh database takes a site");
        self.config.database.clone_from(&fresh.address);
        self.store.close().await;
        self.store = fresh.store.clone();
        self.database = fresh;
        self.serve().await;
    }

    /// A copy of its database as it is now, to be put back later: SQLite alone.
    pub async fn copy(&mut self) -> TempDir {
        self.pause().await;
        self.store.close().await;
        let kept = tempfile::tempdir().expect("a temporary folder");
        copy_folder(self.database_folder(), kept.path());
        self.reopen().await;
        kept
    }

    /// Puts back an older copy of its database.
    pub async fn put_back(&mut self, kept: &TempDir) {
        self.pause().await;
        self.store.close().await;
        replace_folder(kept.path(), self.database_folder());
        self.reopen().await;
    }

    async fn reopen(&mut self) {
        self.store = Store::open(&self.database.address).await.expect("the store opens");
        self.serve().await;
    }

    fn database_folder(&self) -> &Path {
        let path = self.database.address.strip_prefix("sqlite:").expect("a SQLite database");
        Path::new(path).parent().expect("a folder")
    }

    /// The operator's word that it may sign again.
    pub async fn let_sign(&self) {
        let mut tx = self.store.write().await.expect("the store writes");
        let mut meta = Meta::load(&mut tx).await.expect("the store reads").expect("a site");
        meta.renew(&mut rand::rng());
        meta.save(&mut tx).await.expect("the store writes");
        tx.commit().await.expect("the store writes");
        self.hub().refresh_members().await.expect("members are read");
    }

    /// Whether it signs nothing because it lost data.
    pub fn fenced(&self) -> bool {
        self.hub().members().refilling()
    }

    /// Stops serving; the data stay.
    pub async fn stop(&mut self) {
        self.running.take().expect("the hub runs").stop().await;
    }

    /// The running hub.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("the hub runs")
    }

    /// What its services share.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.running().hub
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where sites connect in a network.
    pub fn grpc(&self, scope: Scope) -> SocketAddr {
        let network = self.running().listening.iter().find(|network| network.scope == scope);
        network.and_then(|network| network.grpc).expect("every network has a listener")
    }

    /// Where people read in a network.
    pub fn pages(&self, scope: Scope) -> SocketAddr {
        let network = self.running().listening.iter().find(|network| network.scope == scope);
        network.and_then(|network| network.pages).expect("every network has pages")
    }

    /// Writes own entries.
    pub async fn write(&self, drafts: Vec<Draft>) -> Vec<lianbo_node::ingest::Written> {
        self.hub().door.write(drafts).await.expect("the hub writes")
    }

    /// Enrols `identity` as the hub's operator would have it, and certifies it.
    pub async fn enrol(&self, identity: &Identity, code: &str, ceiling: Scope) -> ClientPki {
        let enrolment = Enrolment {
            site: identity.site,
            key: identity.public(),
            unit: unit_of(code),
            ceiling,
            invite: None,
            hub: false,
        };
        self.write(vec![Draft::new(enrolment.audience(), Record::Enrolment(enrolment))]).await;
        self.hub().refresh_members().await.expect("members are read");
        self.certify(identity.site, CERTIFICATE)
    }

    /// A certificate for a site, good for `validity` from now.
    pub fn certify(&self, site: SiteId, validity: Duration) -> ClientPki {
        self.certify_from(site, SystemClock.now(), validity)
    }

    /// A certificate for a site, good for `validity` from `now`, milliseconds since 1970-01-01 UTC.
    pub fn certify_from(&self, site: SiteId, now: i64, validity: Duration) -> ClientPki {
        let (csr, key) = new_csr(site).expect("a request");
        let ca = &self.hub().ca;
        let chain = ca
            .issue_client(&csr, site.into(), now, validity, &mut rand::rng())
            .expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        ClientPki { ca: ca.certificate().clone(), chain, key }
    }

    /// Stops the hub.
    pub async fn close(mut self) {
        if self.running.is_some() {
            self.stop().await;
        }
        self.store.close().await;
    }
}

/// A node linked to a [`TestHub`]. Call [`TestNode::close`] at the end of the test.
#[derive(Debug)]
pub struct TestNode {
    running: Option<lianbo_node::serve::Running>,
    site: Option<Site>,
    /// Its identity.
    pub identity: Identity,
    folder: TempDir,
    /// How it is set up.
    pub config: NodeConfig,
}

impl TestNode {
    /// A node that has joined through the listener of network `listener`; its link is down.
    pub async fn join(hub: &TestHub, code: &str, ceiling: Scope, listener: Scope) -> Self {
        let identity = Identity::generate(&mut rand::rng());
        let pki = hub.enrol(&identity, code, ceiling).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        pki.save(folder.path()).expect("the certificate is kept");
        write_key(folder.path(), &identity);
        let config = NodeConfig {
            database: "sqlite:lianbo.db".to_owned(),
            unit: UnitConfig { code: code.to_owned(), name: format!("{code}单位") },
            hub: HubLink {
                url: format!("https://{}", hub.grpc(listener)),
                site: hub.identity.site.to_string(),
                name: "测试县".to_owned(),
                ceiling,
                proxy: None,
                blob_kib_per_second: 0,
            },
            blobs: BlobsConfig::default(),
            pages: PagesConfig { address: any_port(), scope: ceiling, ..PagesConfig::default() },
            identity: Imprint::default(),
            metrics: MetricsConfig { address: any_port() },
            log: LogConfig::default(),
        };
        let store = Store::open(&address(folder.path())).await.expect("a fresh database");
        let meta = Meta::generate(identity.site, &mut rand::rng());
        let above = (hub.identity.site, hub.identity.public());
        set_up(&store, &meta, identity.public(), above)
            .await
            .expect("a fresh database takes a site");
        store.close().await;
        let mut node = Self { running: None, site: None, identity, folder, config };
        node.open().await;
        node
    }

    /// A copy of its data folder as it is now; its data are closed for that, and opened again.
    pub async fn copy(&mut self) -> TempDir {
        self.stop().await;
        let kept = tempfile::tempdir().expect("a temporary folder");
        copy_folder(self.folder.path(), kept.path());
        self.open().await;
        kept
    }

    /// Puts back an older copy of its data folder.
    pub async fn put_back(&mut self, kept: &TempDir) {
        self.stop().await;
        replace_folder(kept.path(), self.folder.path());
        self.open().await;
    }

    /// A second machine with a copy of the data folder.
    pub async fn second(&self, kept: &TempDir) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy_folder(kept.path(), folder.path());
        let (identity, config) = (self.identity.clone(), self.config.clone());
        let mut second = Self { running: None, site: None, identity, folder, config };
        second.open().await;
        second
    }

    /// The certificate it would show.
    pub fn pki(&self) -> ClientPki {
        let pki = ClientPki::load(self.folder.path()).expect("the folder is readable");
        pki.expect("the folder holds a certificate")
    }

    /// The Hello it would say.
    pub async fn hello(&self) -> v1::HelloRequest {
        let mut tx = self.read().await;
        let meta = Meta::load(&mut tx).await.expect("the store reads").expect("a site");
        let mut own = journal::heights_of_site(&mut tx, meta.site).await.expect("heights");
        own.retain(|log, _| may_rise(self.config.hub.ceiling, log.audience));
        let cursors = journal::cursors(&mut tx).await.expect("cursors");
        let wanted = journal::subscriptions(&mut tx).await.expect("subscriptions");
        v1::HelloRequest {
            protocol: 1,
            site: Bytes::copy_from_slice(&meta.site.0),
            incarnation: Bytes::copy_from_slice(&meta.incarnation.0),
            own: heights_to_proto(&own),
            cursors: cursors
                .into_iter()
                .map(|(lane, cursor)| v1::LaneCursor { lane: lane as i32, cursor })
                .collect(),
            subscriptions: wanted
                .into_iter()
                .map(|it| v1::Subscription {
                    site: it.site.map(|site| Bytes::copy_from_slice(&site.0)).unwrap_or_default(),
                    column: it.column,
                })
                .collect(),
        }
    }

    /// Wants a column of its siblings; of one, or of any.
    pub async fn subscribe(&self, site: Option<SiteId>, column: &str) {
        let mut tx = self.site().store.write().await.expect("the store writes");
        let site = site.map(|site| site.0.to_vec()).unwrap_or_default();
        let sql = "INSERT INTO subscriptions (site, slug) VALUES ($1, $2)";
        tx.execute(sql, args![site, column]).await.expect("a subscription");
        tx.commit().await.expect("the store writes");
    }

    /// Opens the data folder.
    pub async fn open(&mut self) {
        let site = Site::open(self.folder.path(), &address(self.folder.path())).await;
        self.site = Some(site.expect("the site opens"));
    }

    /// The open site.
    pub fn site(&self) -> &Site {
        match &self.running {
            Some(running) => &running.site,
            None => self.site.as_ref().expect("the site is open"),
        }
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Brings up everything: link, pages, duties.
    pub async fn serve(&mut self) {
        let site = self.site.take().expect("the site is open");
        let running = lianbo_node::serve::start(site, &self.config).await;
        self.running = Some(running.expect("the node serves"));
    }

    /// Where its pages are.
    pub fn pages(&self) -> SocketAddr {
        self.running.as_ref().expect("the node serves").pages
    }

    /// Takes everything down; the data stay. [`TestNode::open`] begins again.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.site.close().await;
        } else if let Some(site) = self.site.take() {
            site.close().await;
        }
    }

    /// One round of the link.
    pub async fn sync(&self) -> Drained {
        lianbo_node::serve::sync_once(self.site(), &self.config).await.expect("a round of the link")
    }

    /// Writes own entries.
    pub async fn write(
        &self,
        audience: Audience,
        record: impl Into<Record>,
    ) -> lianbo_node::ingest::Written {
        let drafts = vec![Draft::new(audience, record.into())];
        self.site().door.write(drafts).await.expect("the node writes")[0]
    }

    /// A read of its store.
    pub async fn read(&self) -> Tx {
        self.site().store.read().await.expect("the store reads")
    }

    /// Waits until its journal satisfies `holds`.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub async fn until(&self, what: &str, holds: impl AsyncFn(&mut Tx) -> bool) {
        let mut end = self.site().door.end();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                end.borrow_and_update();
                if holds(&mut self.read().await).await {
                    return;
                }
                end.changed().await.expect("the door is open");
            }
        });
        assert!(waited.await.is_ok(), "in vain waited until {what}");
    }

    /// Stops the node.
    pub async fn close(mut self) {
        self.stop().await;
    }
}

/// Everything in a journal, by name.
///
/// # Panics
/// If it cannot be read.
pub async fn everything(tx: &mut Tx) -> BTreeSet<(LogId, u64, Hash)> {
    let (mut after, mut all) = (0, BTreeSet::new());
    loop {
        let (items, end) =
            journal::all_after(tx, after, 16 * 1024 * 1024).await.expect("the journal is readable");
        if items.is_empty() {
            return all;
        }
        all.extend(items.into_iter().map(|item| (item.log, item.seq, item.hash)));
        after = end.position;
    }
}

/// Waits until `holds`: for what announces itself in no other way.
///
/// # Panics
/// After [`PATIENCE`].
#[expect(clippy::disallowed_methods, reason = "the one place that asks again and again")]
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "in vain waited until {what}");
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a file");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

fn replace_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(to).expect("a folder") {
        std::fs::remove_file(entry.expect("a file").path()).expect("a file goes");
    }
    copy_folder(from, to);
}

fn address(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("lianbo.db").display())
}

fn unit_of(code: &str) -> Unit {
    Unit { code: code.to_owned(), name: format!("{code}单位"), parent: String::new() }
}

fn write_key(folder: &Path, identity: &Identity) {
    std::fs::write(folder.join(KEY_FILE), identity.to_pem().as_bytes()).expect("the key is kept");
}
