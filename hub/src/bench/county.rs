//! A hub in a process of its own, and sites that belong to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lianbo_node::clock::{Clock, SystemClock};
use lianbo_node::config::{self, UnitConfig, database_address, default_database};
use lianbo_node::content::Record;
use lianbo_node::content::site::{Enrolment, Unit};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::journal::Meta;
use lianbo_node::lifecycle::{KEY_FILE, Site, set_up};
use lianbo_node::link::tls::{ClientPki, new_csr};
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Store;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use super::{Bench, process};
use crate::config::{HubConfig, ListenConfig, Listener};
use crate::enrol::ca::Ca;
use crate::local::processes::Server;

/// Life of a site's certificate.
const CERTIFICATE: Duration = Duration::from_hours(24);
/// Drafts written at a time.
const DRAFTS: usize = 500;
/// Whatever port is free.
pub(super) const FREE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A hub's data folder.
#[derive(Debug)]
pub(super) struct County {
    /// The hub's own.
    pub(super) identity: Identity,
    ca: Ca,
    folder: TempDir,
}

/// A site that belongs to it, with a certificate.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The site.
    pub(super) identity: Identity,
    /// Its certificate.
    pub(super) pki: Arc<ClientPki>,
}

impl County {
    /// A fresh hub.
    pub(super) async fn found(bench: &Bench) -> anyhow::Result<Self> {
        let folder = bench.fresh("hub")?;
        let path = folder.path();
        let identity = Identity::generate(&mut rand::rng());
        let ca = Ca::generate("测试县", identity.site, SystemClock.now(), &mut rand::rng())?;
        ca.save(path)?;
        std::fs::write(path.join(KEY_FILE), identity.to_pem().as_bytes())?;
        let unit =
            UnitConfig { code: "county".to_owned(), name: "测试县委组织部".to_owned() };
        let mut config = HubConfig::new(unit, default_database());
        let listener =
            Some(Listener { grpc: Some(FREE), pages: Some(FREE), ..Listener::default() });
        config.listen = ListenConfig { organization: listener, ..ListenConfig::default() };
        config.metrics.address = FREE;
        // Sources of a bench stand on loopback, which a hub asks only where it is told to.
        config.sources.networks = vec!["127.0.0.0/8".parse()?];
        config::save(path, &config)?;
        let store = Store::open(&address(path)).await?;
        let meta = Meta::generate(identity.site, &mut rand::rng());
        set_up(&store, &meta, identity.public(), (identity.site, identity.public())).await?;
        store.close().await;
        let county = Self { identity, ca, folder };
        county.enrol("county", std::slice::from_ref(&county.identity), true).await?;
        Ok(county)
    }

    /// Enrols and certifies so many fresh sites; the hub must not be serving.
    pub(super) async fn members(&self, count: usize) -> anyhow::Result<Vec<Member>> {
        let fresh = (0..count).map(|_| Identity::generate(&mut rand::rng())).collect();
        self.admit(fresh).await
    }

    /// Enrols and certifies these sites; the hub must not be serving.
    pub(super) async fn admit(&self, sites: Vec<Identity>) -> anyhow::Result<Vec<Member>> {
        self.enrol("unit", &sites, false).await?;
        sites
            .into_iter()
            .map(|identity| Ok(Member { pki: Arc::new(self.certify(&identity)?), identity }))
            .collect()
    }

    async fn enrol(&self, code: &str, sites: &[Identity], hub: bool) -> anyhow::Result<()> {
        let enrolments = sites.iter().enumerate().map(|(n, identity)| {
            let code = format!("{code}-{n}");
            let name = format!("{code}单位");
            let unit = Unit { code, name, parent: String::new() };
            let (site, key) = (identity.site, identity.public());
            let enrolment =
                Enrolment { site, key, unit, ceiling: Scope::Organization, invite: None, hub };
            Draft::new(enrolment.audience(), Record::Enrolment(enrolment))
        });
        self.write(enrolments.collect()).await
    }

    /// Writes entries of the hub's own; it must not be serving.
    pub(super) async fn write(&self, drafts: Vec<Draft>) -> anyhow::Result<()> {
        let site = Site::open(self.folder(), &address(self.folder())).await?;
        let mut written = Ok(());
        for drafts in drafts.chunks(DRAFTS) {
            written = site.door.write(drafts.to_vec()).await.map(drop);
            if written.is_err() {
                break;
            }
        }
        site.close().await;
        Ok(written?)
    }

    /// Writes so many articles of the hub's own; it must not be serving.
    pub(super) async fn publish(&self, bench: &Bench, count: usize) -> anyhow::Result<()> {
        let mut writer = bench.texts.writer(0, count);
        let audience = Audience::all(Scope::Public);
        let draft = |_| Draft::new(audience, Record::Article(writer.article()));
        self.write((0..count).map(draft).collect()).await
    }

    fn certify(&self, identity: &Identity) -> anyhow::Result<ClientPki> {
        let (csr, key) = new_csr(identity.site)?;
        let now = SystemClock.now();
        let chain =
            self.ca.issue_client(&csr, identity.site.into(), now, CERTIFICATE, &mut rand::rng())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        Ok(ClientPki { ca: self.ca.certificate().clone(), chain, key })
    }

    /// Its data folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts to serve.
    pub(super) async fn serve(&self) -> anyhow::Result<Serving> {
        let program = std::env::current_exe()?;
        let log = self.folder().join("hub.log");
        let server = Server::start("the hub", &program, self.folder(), &[], log).await?;
        let grpc = server.address("organization grpc")?.trim_start_matches("https://").parse()?;
        Ok(Serving { grpc, pid: server.pid()?, server })
    }
}

/// The address of the database in a folder.
pub(super) fn address(folder: &Path) -> String {
    database_address(folder, &default_database())
}

/// A serving hub.
#[derive(Debug)]
pub(super) struct Serving {
    /// Where sites connect.
    pub(super) grpc: SocketAddr,
    /// Its number among the processes.
    pub(super) pid: u32,
    server: Server,
}

impl Serving {
    /// Where people read: `http://HOST:PORT`.
    pub(super) fn pages(&self) -> anyhow::Result<&str> {
        self.server.address("organization pages")
    }

    /// Seconds of processor time it took so far.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        process::cpu_seconds(self.pid)
    }

    /// Memory of the process that is its own, and its share of what it shares, in KiB.
    pub(super) fn pss_kib(&self) -> anyhow::Result<f64> {
        process::pss_kib(self.pid)
    }

    /// The most memory it ever had, in KiB.
    pub(super) fn peak_kib(&self) -> anyhow::Result<f64> {
        process::peak_kib(self.pid)
    }

    /// Stops it.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.server.stop().await
    }
}
