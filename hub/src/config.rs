//! `lianbo.toml` of a hub. Read and written by [`lianbo_node::config`], which puts `LIANBO_*` over it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use lianbo_node::blobs::{BlobError, Blobs, Bucket, Limits, Secret};
use lianbo_node::config::{LogConfig, MetricsConfig, PagesUrl, UnitConfig, default_database};
use lianbo_node::scope::Scope;
use lianbo_node::web::Imprint;
use serde::{Deserialize, Serialize};

/// How a hub is set up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// `sqlite:PATH`, relative to the data folder, or `postgres://USER[:PASSWORD]@HOST/NAME`.
    #[serde(default = "default_database")]
    pub database: String,
    /// Further DNS names and IP addresses by which sites and readers reach this hub: they go into its
    /// server certificate.
    #[serde(default)]
    pub names: Vec<String>,
    /// How many days a site's certificate, and the hub's own, are good for. They renew by themselves.
    #[serde(default = "default_certificate_days")]
    pub certificate_days: u16,
    /// Who runs this hub.
    pub unit: UnitConfig,
    /// Where it listens, network by network.
    #[serde(default)]
    pub listen: ListenConfig,
    /// Who answers for the pages.
    #[serde(default)]
    pub identity: Imprint,
    /// Files that come with articles.
    #[serde(default)]
    pub blobs: BlobsConfig,
    /// Figures for monitoring.
    #[serde(default = "default_metrics")]
    pub metrics: MetricsConfig,
    /// Sources that are polled.
    #[serde(default)]
    pub sources: SourcesConfig,
    /// The log on stderr.
    #[serde(default)]
    pub log: LogConfig,
}

/// How sources (采集源) are asked. Which ones there are is told by `lianbo-hub source`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourcesConfig {
    /// Networks that are not the public internet and hold sources all the same, such as `10.0.0.0/8`.
    pub networks: Vec<IpNet>,
    /// `http://[USER:PASSWORD@]HOST:PORT` of a proxy on the way to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Seconds between two questions to one host.
    pub pace_seconds: u16,
    /// Questions at a time.
    pub at_once: u8,
}

impl Default for SourcesConfig {
    fn default() -> Self {
        Self { networks: Vec::new(), proxy: None, pace_seconds: 2, at_once: 16 }
    }
}

/// How a harvester is set up: the other end of a hub's outlet.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HarvestConfig {
    /// Who this is, in the hub's words.
    pub harvester: HarvesterConfig,
    /// Whose articles are taken over.
    pub hub: HarvestedConfig,
    /// The log on stderr.
    #[serde(default)]
    pub log: LogConfig,
}

/// Who harvests.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HarvesterConfig {
    /// Id the hub gave, in hexadecimal.
    pub id: String,
    /// Code the hub knows it by.
    pub code: String,
    /// Name the hub knows it by.
    pub name: String,
}

/// Whose articles are taken over.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HarvestedConfig {
    /// `https://HOST:PORT` of a gRPC listener of the hub.
    pub url: String,
    /// Id of the hub's site, in hexadecimal.
    pub site: String,
    /// The key the hub signs with, in hexadecimal: for those who check signed entries.
    pub key: String,
    /// Name of the hub's unit.
    pub name: String,
    /// `http://[USER:PASSWORD@]HOST:PORT` of an HTTP CONNECT proxy on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// Where a hub listens: one pair of addresses for each network it stands in. What is left out is not served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// 部内: the department's own LAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal: Option<Listener>,
    /// 专网: the county organisation private network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<Listener>,
    /// 互联网.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<Listener>,
}

/// The addresses of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// Where sites connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<SocketAddr>,
    /// Where people read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<SocketAddr>,
    /// Under which address people know these pages; feeds and what harvesters get name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages_url: Option<PagesUrl>,
}

/// Files that come with articles.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlobsConfig {
    /// Where they are kept: `folder`, in the data folder, or `s3://BUCKET/PREFIX`.
    pub store: String,
    /// `http(s)://HOST[:PORT]` of the S3-compatible store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Key id at the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// The key; better given as `LIANBO_BLOBS__SECRET_KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<Secret>,
    /// Largest file, in mebibytes.
    pub max_blob_mib: u32,
    /// All files together, in gibibytes.
    pub quota_gib: u32,
    /// The files of one site's articles, in gibibytes.
    pub site_quota_gib: u32,
    /// Kibibytes of files a second to and from one site; 0 for no bound.
    pub kib_per_second: u32,
}

impl Default for BlobsConfig {
    fn default() -> Self {
        Self {
            store: "folder".to_owned(),
            endpoint: None,
            region: None,
            access_key: None,
            secret_key: None,
            max_blob_mib: 2048,
            quota_gib: 500,
            site_quota_gib: 50,
            kib_per_second: 0,
        }
    }
}

impl BlobsConfig {
    /// Where the files of a data folder are.
    pub fn open(&self, folder: &Path) -> Result<Blobs, BlobError> {
        let limits = Limits {
            blob: u64::from(self.max_blob_mib) << 20,
            all: u64::from(self.quota_gib) << 30,
            site: u64::from(self.site_quota_gib) << 30,
        };
        if self.store == "folder" {
            return Ok(Blobs::in_folder(folder, limits));
        }
        let bucket = Bucket {
            url: self.store.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
        };
        Blobs::in_bucket(folder, &bucket, limits)
    }
}

impl ListenConfig {
    /// What a new hub gets: all three networks on this machine alone. A hub is opened to a network on
    /// purpose, and never by accident.
    pub fn loopback() -> Self {
        let at = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        let listener =
            |n: u16| Some(Listener { grpc: at(7340 + n), pages: at(7380 + n), pages_url: None });
        Self { internal: listener(1), organization: listener(2), public: listener(3) }
    }

    /// The addresses in one network.
    pub fn of(&self, scope: Scope) -> Option<&Listener> {
        match scope {
            Scope::Internal => self.internal.as_ref(),
            Scope::Organization => self.organization.as_ref(),
            Scope::Public => self.public.as_ref(),
        }
    }
}

impl HubConfig {
    /// How a new hub is set up.
    pub fn new(unit: UnitConfig, database: String) -> Self {
        Self {
            database,
            names: Vec::new(),
            certificate_days: default_certificate_days(),
            unit,
            listen: ListenConfig::loopback(),
            identity: Imprint::default(),
            blobs: BlobsConfig::default(),
            metrics: default_metrics(),
            sources: SourcesConfig::default(),
            log: LogConfig::default(),
        }
    }

    /// How long a certificate is good for.
    pub fn certificate_validity(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.certificate_days.max(1)))
    }
}

fn default_certificate_days() -> u16 {
    30
}

/// Not the node's port: both may run on one machine.
fn default_metrics() -> MetricsConfig {
    MetricsConfig { address: SocketAddr::from(([127, 0, 0, 1], 7391)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lianbo_node::config;

    #[test]
    fn a_new_hubs_file_reads_back_and_variables_open_a_listener() {
        let folder = tempfile::tempdir().unwrap();
        let unit = UnitConfig { code: "county".into(), name: "清源县委组织部".into() };
        config::save(folder.path(), &HubConfig::new(unit, default_database())).unwrap();
        let variables =
            [("LIANBO_LISTEN__PUBLIC__GRPC", "0.0.0.0:443"), ("LIANBO_NAMES", "[\"hub.example\"]")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let read: HubConfig = config::load_with(folder.path(), variables.into_iter()).unwrap();
        assert_eq!(read.listen.of(Scope::Internal), ListenConfig::loopback().of(Scope::Internal));
        let public = read.listen.of(Scope::Public).unwrap();
        assert_eq!(public.grpc.unwrap().to_string(), "0.0.0.0:443");
        assert_eq!(public.pages, ListenConfig::loopback().public.unwrap().pages);
        assert_eq!(read.names, ["hub.example"]);
        assert_eq!(read.certificate_validity(), Duration::from_hours(720));
    }

    #[test]
    fn a_network_that_is_left_out_is_not_served() {
        let text = "[unit]\ncode='county'\nname='县'\n[listen.organization]\ngrpc='[::]:7342'\n";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(config::FILE), text).unwrap();
        let read: HubConfig = config::load_with(folder.path(), std::iter::empty()).unwrap();
        assert_eq!(read.listen.of(Scope::Public), None);
        assert_eq!(read.listen.of(Scope::Organization).unwrap().pages, None);
    }
}
