//! `lianbo.toml` in the data folder, and `LIANBO_*` variables over it. The only reader of the environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::blobs::{Blobs, Limits};
use crate::scope::Scope;
use crate::sync::blobs::Night;
use crate::web::Imprint;

/// The file's name in the data folder.
pub const FILE: &str = "lianbo.toml";
/// Prefix of variables that override the file: `LIANBO_DATABASE`, `LIANBO_LOG__FORMAT`.
const PREFIX: &str = "LIANBO_";
/// Variables with this prefix belong to the tests of this program.
const TEST_PREFIX: &str = "LIANBO_TEST_";
/// Names the data folder, in which the file is: no setting of the file.
const DATA: &str = "LIANBO_DATA";

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no data folder here.
    #[error(
        "{0} holds no {FILE}: is this the data folder? Make one with `init` (hub) or `join` (node)"
    )]
    Missing(PathBuf),
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file, or a variable over it, does not say what it must.
    #[error("{path}: {message}")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong and where.
        message: String,
    },
}

/// How a node is set up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// `sqlite:PATH`, relative to the data folder.
    #[serde(default = "default_database")]
    pub database: String,
    /// Who runs this site.
    pub unit: UnitConfig,
    /// The hub above.
    pub hub: HubLink,
    /// Files that come with articles.
    #[serde(default)]
    pub blobs: BlobsConfig,
    /// The pages for people.
    #[serde(default)]
    pub pages: PagesConfig,
    /// Who answers for the pages.
    #[serde(default)]
    pub identity: Imprint,
    /// Figures for monitoring.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// The log on stderr.
    #[serde(default)]
    pub log: LogConfig,
}

/// Who runs a site.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnitConfig {
    /// Code of the unit under its hub.
    pub code: String,
    /// Name of the unit on pages.
    pub name: String,
}

/// The link upward.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HubLink {
    /// `https://HOST:PORT` of the hub's gRPC listener.
    pub url: String,
    /// Id of the hub's site, in hexadecimal.
    pub site: String,
    /// Name of the hub's unit.
    pub name: String,
    /// The narrowest scope this site may hold, as the hub decided.
    pub ceiling: Scope,
    /// `http://[USER:PASSWORD@]HOST:PORT` of an HTTP CONNECT proxy on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Kibibytes of files a second over this link, each way; 0 for no bound.
    #[serde(default)]
    pub blob_kib_per_second: u32,
}

/// Files that come with articles.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlobsConfig {
    /// Largest file, in mebibytes.
    pub max_blob_mib: u32,
    /// All files together, in gibibytes.
    pub quota_gib: u32,
    /// Largest file that is fetched without being asked for, in mebibytes.
    pub eager_mib: u32,
    /// The hours in which larger ones are fetched too.
    pub night: Night,
}

impl Default for BlobsConfig {
    fn default() -> Self {
        Self { max_blob_mib: 2048, quota_gib: 50, eager_mib: 8, night: Night::DEFAULT }
    }
}

impl BlobsConfig {
    /// Where the files of a data folder are.
    pub fn open(&self, folder: &Path) -> Blobs {
        let limits = Limits {
            blob: u64::from(self.max_blob_mib) << 20,
            all: u64::from(self.quota_gib) << 30,
            site: u64::MAX,
        };
        Blobs::in_folder(folder, limits)
    }

    /// Largest file that is fetched without being asked for, in bytes.
    pub fn eager(&self) -> u64 {
        u64::from(self.eager_mib) << 20
    }
}

/// The address under which people know pages, as `https://HOST[:PORT]`: what stands behind it is a reverse proxy, as a
/// rule, and does not know it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PagesUrl(String);

impl PagesUrl {
    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PagesUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let url = url::Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
        });
        match url {
            Some(url) => Ok(Self(url.as_str().trim_end_matches('/').to_owned())),
            None => Err(format!("{text:?} is no address of pages: write https://HOST")),
        }
    }
}

impl From<PagesUrl> for String {
    fn from(url: PagesUrl) -> Self {
        url.0
    }
}

/// Pages for people.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PagesConfig {
    /// Where they are served.
    pub address: SocketAddr,
    /// What an anonymous reader of them sees.
    pub scope: Scope,
    /// Under which address people know them; feeds name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<PagesUrl>,
}

impl Default for PagesConfig {
    fn default() -> Self {
        // This machine only: a node is opened to its LAN on purpose, and never by accident.
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 7380)),
            scope: Scope::Organization,
            url: None,
        }
    }
}

/// Figures for monitoring, in Prometheus' text format.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Where they are served; they tell more than pages do, so keep it on loopback.
    pub address: SocketAddr,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 7390)) }
    }
}

/// The log on stderr.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// Which lines: `info`, or per module as in `info,lianbo_node::link=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The default of `database`.
pub fn default_database() -> String {
    "sqlite:lianbo.db".to_owned()
}

/// Reads the configuration of a data folder, with the environment over it.
pub fn load<T: DeserializeOwned>(folder: &Path) -> Result<T, ConfigError> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load_with(folder, variables)
}

/// As [`load`], from given variables.
pub fn load_with<T: DeserializeOwned>(
    folder: &Path,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let path = folder.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ConfigError::Missing(folder.to_owned()));
        }
        Err(source) => return Err(ConfigError::File { path, source }),
    };
    let invalid = |message: String| ConfigError::Invalid { path: path.clone(), message };
    let mut table: toml::Table = text.parse().map_err(|error| invalid(format!("{error}")))?;
    for (name, value) in variables {
        if let Some(key) = name.strip_prefix(PREFIX)
            && !name.starts_with(TEST_PREFIX)
            && name != DATA
        {
            set(&mut table, key, value)
                .map_err(|()| invalid(format!("{name} does not name a setting of this file")))?;
        }
    }
    table.try_into().map_err(|error| invalid(format!("{error}")))
}

/// A variable over a setting, for commands that make the file: `LIANBO_DATABASE`. Not to be written into it.
pub fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Sets `A__B` to `value` in table `a`, key `b`.
fn set(table: &mut toml::Table, key: &str, value: String) -> Result<(), ()> {
    let key = key.to_lowercase();
    match key.split_once("__") {
        None => {
            let value = match value.parse::<toml::Value>() {
                Ok(
                    parsed @ (toml::Value::Integer(_)
                    | toml::Value::Boolean(_)
                    | toml::Value::Array(_)),
                ) => parsed,
                _ => toml::Value::String(value),
            };
            table.insert(key, value);
            Ok(())
        }
        Some((outer, inner)) => {
            let entry = table
                .entry(outer.to_owned())
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            set(entry.as_table_mut().ok_or(())?, inner, value)
        }
    }
}

/// The host of pages: the one people know them under, or the address they stand at, if that is one.
pub fn host(known: Option<&PagesUrl>, address: SocketAddr) -> String {
    let known = known.and_then(|url| url::Url::parse(url.as_str()).ok());
    match known.as_ref().and_then(url::Url::host_str) {
        Some(host) => host.to_owned(),
        None if address.ip().is_unspecified() => String::new(),
        None => address.ip().to_string(),
    }
}

/// Writes a configuration file into a data folder.
pub fn save<T: Serialize>(folder: &Path, config: &T) -> Result<(), ConfigError> {
    let path = folder.join(FILE);
    let text = toml::to_string_pretty(config)
        .map_err(|error| ConfigError::Invalid { path: path.clone(), message: error.to_string() })?;
    // 0640: a proxy's password may stand in it.
    crate::link::tls::write_file(&path, text.as_bytes(), 0o640)
        .map_err(|source| ConfigError::File { path, source })
}

/// The address of the database, with a relative SQLite path put into the data folder.
pub fn database_address(folder: &Path, database: &str) -> String {
    match database.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite:{}", folder.join(path).display()),
        None => database.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[unit]\ncode='v'\nname='村'\n[hub]\nurl='https://h:1'\nsite='00'\nname='县'\nceiling='organization'\n";

    fn folder(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        folder
    }

    fn vars(list: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        let list: Vec<_> = list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        list.into_iter()
    }

    #[test]
    fn variables_override_the_file_and_defaults_fill_it_up() {
        let folder = folder(TEXT);
        let variables = vars(&[
            ("LIANBO_LOG__FORMAT", "json"),
            ("LIANBO_PAGES__ADDRESS", "0.0.0.0:80"),
            ("LIANBO_TEST_POSTGRES", "ignored"),
            ("LIANBO_DATA", "ignored"),
            ("OTHER", "ignored"),
        ]);
        let config: NodeConfig = load_with(folder.path(), variables).unwrap();
        assert_eq!(config.log.format, LogFormat::Json);
        assert_eq!(config.pages.address.port(), 80);
        assert_eq!(config.database, "sqlite:lianbo.db");
    }

    #[test]
    fn mistakes_are_named_with_the_file() {
        let missing = load_with::<NodeConfig>(Path::new("/nonexistent"), vars(&[])).unwrap_err();
        assert!(matches!(missing, ConfigError::Missing(_)));
        for (text, variables, told) in [
            ("colour = 1", vec![], "colour"),
            ("[unit", vec![], "line 1"),
            (TEXT, vec![("LIANBO_PAGES__COLOUR", "red")], "colour"),
            (TEXT, vec![("LIANBO_HUB__CEILING", "secret")], "secret"),
            (TEXT, vec![("LIANBO_PAGES__URL", "village.example")], "https://HOST"),
            (TEXT, vec![("LIANBO_PAGES__URL", "https://village.example/a")], "https://HOST"),
            (TEXT, vec![("LIANBO_PAGES__URL", "file:///etc/passwd")], "https://HOST"),
        ] {
            let folder = folder(text);
            let error = load_with::<NodeConfig>(folder.path(), vars(&variables)).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(told) && message.contains(FILE), "{message}");
        }
    }

    #[test]
    fn a_saved_file_reads_back() {
        let folder = folder(TEXT);
        let config: NodeConfig = load_with(folder.path(), vars(&[])).unwrap();
        save(folder.path(), &config).unwrap();
        let again: NodeConfig = load_with(folder.path(), vars(&[])).unwrap();
        assert_eq!(format!("{config:?}"), format!("{again:?}"));
    }
}
