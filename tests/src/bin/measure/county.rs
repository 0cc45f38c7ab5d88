//! A hub in a process of its own, and sites that belong to it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lianbo_hub::config::{HubConfig, ListenConfig, Listener};
use lianbo_hub::enrol::ca::Ca;
use lianbo_node::clock::{Clock, SystemClock};
use lianbo_node::config::{self, UnitConfig, database_address, default_database};
use lianbo_node::content::Record;
use lianbo_node::content::site::{Enrolment, Unit};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::journal::Meta;
use lianbo_node::lifecycle::{KEY_FILE, Site, set_up};
use lianbo_node::link::tls::{ClientPki, new_csr};
use lianbo_node::scope::Scope;
use lianbo_node::store::Store;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const CERTIFICATE: Duration = Duration::from_hours(24);
/// Drafts written at a time.
const DRAFTS: usize = 500;

/// A hub's data folder.
#[derive(Debug)]
pub(crate) struct County {
    /// The hub's own.
    pub(crate) identity: Identity,
    ca: Ca,
    folder: TempDir,
}

impl County {
    /// A fresh hub.
    pub(crate) async fn found(folder: TempDir) -> anyhow::Result<Self> {
        let path = folder.path();
        let identity = Identity::generate(&mut rand::rng());
        let ca = Ca::generate("测试县", identity.site, SystemClock.now(), &mut rand::rng())?;
        ca.save(path)?;
        std::fs::write(path.join(KEY_FILE), identity.to_pem().as_bytes())?;
        let unit =
            UnitConfig { code: "county".to_owned(), name: "测试县委组织部".to_owned() };
        let mut config = HubConfig::new(unit, default_database());
        let port = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener =
            Some(Listener { grpc: Some(port), pages: Some(port), ..Listener::default() });
        config.listen = ListenConfig { organization: listener, ..ListenConfig::default() };
        config.metrics.address = port;
        config::save(path, &config)?;
        let store = Store::open(&address(path)).await?;
        let meta = Meta::generate(identity.site, &mut rand::rng());
        set_up(&store, &meta, identity.public(), (identity.site, identity.public())).await?;
        store.close().await;
        let county = Self { identity, ca, folder };
        county.enrol(&[("county".to_owned(), county.identity.clone())], true).await?;
        Ok(county)
    }

    /// Enrols these sites by unit code.
    pub(crate) async fn enrol(
        &self,
        sites: &[(String, Identity)],
        hub: bool,
    ) -> anyhow::Result<()> {
        let enrolments = sites.iter().map(|(code, identity)| {
            let unit =
                Unit { code: code.clone(), name: format!("{code}单位"), parent: String::new() };
            let (site, key) = (identity.site, identity.public());
            let enrolment =
                Enrolment { site, key, unit, ceiling: Scope::Organization, invite: None, hub };
            Draft::new(enrolment.audience(), Record::Enrolment(enrolment))
        });
        self.write(enrolments.collect()).await
    }

    /// Writes entries of the hub's own; it must not be serving.
    pub(crate) async fn write(&self, drafts: Vec<Draft>) -> anyhow::Result<()> {
        let path = self.folder.path();
        let site = Site::open(path, &address(path)).await?;
        for drafts in drafts.chunks(DRAFTS) {
            site.door.write(drafts.to_vec()).await?;
        }
        site.close().await;
        Ok(())
    }

    /// A certificate for a site.
    pub(crate) fn certify(&self, identity: &Identity) -> anyhow::Result<ClientPki> {
        let (csr, key) = new_csr(identity.site)?;
        let now = SystemClock.now();
        let chain = self.ca.issue_site(&csr, identity.site, now, CERTIFICATE, &mut rand::rng())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        Ok(ClientPki { ca: self.ca.certificate().clone(), chain, key })
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts to serve.
    pub(crate) async fn serve(&self) -> anyhow::Result<Serving> {
        let log = std::fs::File::create(self.folder().join("hub.log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("hub")
            .arg(self.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let mut grpc = None;
        loop {
            let mut line = String::new();
            let read = stdout.read_line(&mut line).await?;
            anyhow::ensure!(
                read > 0,
                "the hub did not start; see {}/hub.log",
                self.folder().display()
            );
            if let Some(found) = line.strip_prefix("serving organization grpc https://") {
                grpc = Some(found.trim().parse()?);
            }
            if line.starts_with("serving metrics ") {
                break;
            }
        }
        let grpc = grpc.context("the hub tells its addresses")?;
        Ok(Serving { grpc, child, stdin, _stdout: stdout })
    }
}

/// The address of the database in a folder.
pub(crate) fn address(folder: &Path) -> String {
    database_address(folder, &default_database())
}

/// A serving hub.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Where sites connect.
    pub(crate) grpc: SocketAddr,
    child: Child,
    stdin: Option<ChildStdin>,
    _stdout: BufReader<ChildStdout>,
}

impl Serving {
    /// Memory of the process that is its own, and its share of what it shares, in KiB.
    pub(crate) fn pss_kib(&self) -> anyhow::Result<f64> {
        let pid = self.child.id().context("the hub has ended")?;
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        field(&rollup, "Pss:")
    }

    /// The most memory it ever had, in KiB.
    pub(crate) fn peak_kib(&self) -> anyhow::Result<f64> {
        let pid = self.child.id().context("the hub has ended")?;
        field(&std::fs::read_to_string(format!("/proc/{pid}/status"))?, "VmHWM:")
    }

    /// Seconds of processor time it took so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let pid = self.child.id().context("the hub has ended")?;
        cpu_seconds(&pid.to_string())
    }

    /// Stops it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.stdin.take());
        let status = self.child.wait().await?;
        anyhow::ensure!(status.success(), "the hub ended with {status}");
        Ok(())
    }
}

/// Seconds of processor time a process took so far; `self` for this one.
pub(crate) fn cpu_seconds(pid: &str) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields 14 and 15, counted behind the name in parentheses; hundredths of a second on Linux.
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        behind.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

fn field(text: &str, name: &str) -> anyhow::Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.with_context(|| format!("no {name} in /proc"))?.parse()?)
}

/// A site and its certificate.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The site.
    pub(crate) identity: Identity,
    /// Its certificate.
    pub(crate) pki: Arc<ClientPki>,
}

/// Enrols and certifies so many sites.
pub(crate) async fn members(county: &County, count: usize) -> anyhow::Result<Vec<Member>> {
    let sites: Vec<_> =
        (0..count).map(|n| (format!("unit-{n}"), Identity::generate(&mut rand::rng()))).collect();
    county.enrol(&sites, false).await?;
    sites
        .into_iter()
        .map(|(_, identity)| Ok(Member { pki: Arc::new(county.certify(&identity)?), identity }))
        .collect()
}
