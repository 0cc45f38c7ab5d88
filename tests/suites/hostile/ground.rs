//! What is attacked: a hub in a process of its own, and the certificates its attackers show.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lianbo_hub::enrol::ca::Ca;
use lianbo_node::clock::{Clock, SystemClock};
use lianbo_node::entry::SiteId;
use lianbo_node::link::tls::{
    ClientPki, ca_fingerprint, hub_name, joined_config, joining_config, new_csr,
};
use lianbo_tests::process::{HUB, Program, Serving};
use lianbo_tests::pusher::Pusher;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes of the largest page.
const BIG: usize = 900_000;
/// How a hub is run: its `Environment=` lines are the hub's here too.
const UNIT: &str = include_str!("../../../deploy/systemd/lianbo-hub.service");
/// How long an attacker waits for what a hub has to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Who an attacker says it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// A site that belongs.
    Member,
    /// Nobody.
    Nothing,
    /// The same name under another CA.
    Foreign,
    /// A site that belongs, with a certificate of the day before yesterday.
    Expired,
    /// A site that belonged.
    Revoked,
}

/// The hub under attack. Its ports are those of the private network.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) grpc: SocketAddr,
    pub(super) pages: SocketAddr,
    pub(super) metrics: SocketAddr,
    /// The path of a page of nearly a megabyte.
    pub(super) big: String,
    /// The process.
    pub(super) hub: u32,
    /// The attacker, where it is a member.
    pub(super) member: SiteId,
    /// Whether everything runs at its full size.
    pub(super) full: bool,
    /// The node that has done nothing wrong.
    pub(super) honest: Mutex<Option<Pusher>>,
    configs: [Arc<ClientConfig>; 5],
    name: ServerName<'static>,
    serving: Serving,
    _folder: TempDir,
}

impl Ground {
    pub(super) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut hub = Program::new(HUB, folder.path().join("hub"))
            .set("LIANBO_METRICS__ADDRESS", "127.0.0.1:0");
        let settings = UNIT.lines().filter_map(|line| line.strip_prefix("Environment="));
        for setting in settings.flat_map(str::split_whitespace) {
            let (name, value) = setting.split_once('=').unwrap();
            hub = hub.set(name, value);
        }
        for network in ["INTERNAL", "ORGANIZATION", "PUBLIC"] {
            for what in ["GRPC", "PAGES"] {
                hub = hub.set(&format!("LIANBO_LISTEN__{network}__{what}"), "127.0.0.1:0");
            }
        }
        hub.run(&["init", "--code", "county", "--name", "清源县委组织部"]).await.unwrap();
        let column = ["column", "add", "news", "--name", "要闻", "--scope", "organization"];
        hub.run(&column).await.unwrap();
        let text = folder.path().join("big.md");
        std::fs::write(&text, "压实责任。\n\n".repeat(BIG / "压实责任。\n\n".len())).unwrap();
        let add = ["article", "add", "--column", "news", "--title", "长文"];
        let rest = ["--scope", "organization", "--json", "--file", text.to_str().unwrap()];
        let added = hub.run(&[&add[..], &rest].concat()).await.unwrap();
        let serving = hub.serve().await;
        let url = serving.address("organization grpc").unwrap().to_owned();
        let mut joined = Vec::new();
        for code in ["honest", "member", "revoked"] {
            let invite =
                ["invite", "--code", code, "--name", "清河镇", "--ceiling", "organization"];
            let token = hub.run(&invite).await.unwrap();
            joined.push(Pusher::join(&url, &token).await);
        }
        let revoke = ["revoke", "revoked", "--reason", "机构撤并"];
        hub.run(&revoke).await.unwrap();
        let [honest, member, revoked] = joined.try_into().unwrap();
        let ca = Ca::load(hub.data()).unwrap().unwrap();
        let day = 86_400_000;
        let now = SystemClock.now();
        let foreign = Ca::generate("别的县", member.site(), now, &mut rand::rng()).unwrap();
        let foreign = certify(&foreign, &ca, member.site(), now);
        let expired = certify(&ca, &ca, member.site(), now - 2 * day);
        let fingerprint = ca_fingerprint(ca.certificate());
        let nobody = joining_config(fingerprint, Arc::new(SystemClock)).unwrap().0;
        let configs = [
            config(member.pki()),
            Arc::new(nobody),
            config(&foreign),
            config(&expired),
            config(revoked.pki()),
        ];
        let address = |what: &str| -> SocketAddr {
            let told = serving.address(what).unwrap();
            let bare = told.split("://").nth(1).unwrap();
            bare.split('/').next().unwrap().parse().unwrap()
        };
        let added: serde_json::Value = serde_json::from_str(&added).unwrap();
        let id = added["id"].as_str().unwrap();
        Self {
            grpc: address("organization grpc"),
            pages: address("organization pages"),
            metrics: address("metrics"),
            big: format!("/article/{}/{id}", honest.hub()),
            hub: serving.id(),
            member: member.site(),
            full: std::env::var("LIANBO_TEST_HOSTILE").is_ok_and(|size| size == "full"),
            name: ServerName::try_from(hub_name(honest.hub())).unwrap(),
            honest: Mutex::new(Some(honest)),
            configs,
            serving,
            _folder: folder,
        }
    }

    /// `small`, or `full` where everything runs at its full size.
    pub(super) fn size(&self, small: usize, full: usize) -> usize {
        if self.full { full } else { small }
    }

    /// A TLS connection to the port for sites.
    pub(super) async fn tls(&self, shown: Shown) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.grpc).await?;
        tcp.set_nodelay(true)?;
        let connector = TlsConnector::from(self.configs[shown as usize].clone());
        connector.connect(self.name.clone(), tcp).await
    }

    /// How long the hub's process has computed so far, the system on its behalf included.
    pub(super) fn worked(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.hub)).unwrap();
        // The name, in brackets, may hold anything; utime and stime are the 12th and 13th behind it (proc_pid_stat(5)).
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|it| it.parse::<u64>().unwrap()).sum();
        Duration::from_millis(1_000 * ticks / rustix::param::clock_ticks_per_second())
    }

    /// Stops the hub in order: after all that, it still can.
    pub(super) async fn close(self) {
        assert!(self.serving.terminate().await.success());
    }
}

fn config(pki: &ClientPki) -> Arc<ClientConfig> {
    let key = pki.certified_key().unwrap();
    let clock = Arc::new(SystemClock);
    Arc::new(joined_config(&pki.ca, watch::channel(key).1, clock).unwrap())
}

/// A certificate of `issuer` that lasts a day; whoever shows it believes `believed`.
fn certify(issuer: &Ca, believed: &Ca, site: SiteId, from_ms: i64) -> ClientPki {
    let (csr, key) = new_csr(site).unwrap();
    let day = Duration::from_hours(24);
    let chain = issuer.issue_client(&csr, site.into(), from_ms, day, &mut rand::rng()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    ClientPki { ca: believed.certificate().clone(), chain, key }
}
