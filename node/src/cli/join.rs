//! `join`: this machine becomes a unit's site beneath a hub.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::{Fresh, Global, Output, advise, input};
use crate::clock::SystemClock;
use crate::config::{
    self, BlobsConfig, HubLink, LogConfig, MetricsConfig, NodeConfig, PagesConfig, UnitConfig,
};
use crate::identity::Identity;
use crate::journal::Meta;
use crate::lifecycle::{self, KEY_FILE};
use crate::link::connect::Proxy;
use crate::link::join::{JoinError, Joined, join};
use crate::link::tls::{TlsProblem, write_file};
use crate::link::token::Token;
use crate::store::Store;

/// Join a hub with the one-time token its operator made (`lianbo-hub invite`).
#[derive(Clone, Debug, Args)]
pub struct Command {
    /// Address of the hub's gRPC listener: https://HOST:PORT
    url: String,
    /// The token, or - to read it from stdin so that it never stands in the list of processes
    token: String,
    /// A file whose first line is the HTTP CONNECT proxy on the way: `http://[USER:PASSWORD@]HOST:PORT`
    /// (or set `LIANBO_HUB__PROXY`, then and for every command)
    #[arg(long, value_name = "FILE")]
    proxy_file: Option<PathBuf>,
}

impl Command {
    /// Runs it. A join that fails leaves the folder as it was.
    pub async fn run(self, global: &Global) -> anyhow::Result<()> {
        let folder = &global.data;
        let token = match self.token.as_str() {
            "-" => input::secret("token: ")?.parse::<Token>(),
            text => text.parse(),
        };
        let token = token.map_err(|error| advise(error, ASK))?;
        // From a file it is kept in lianbo.toml; from the environment it stays there.
        let kept = self.proxy_file.as_deref().map(input::secret_file).transpose()?;
        let kept = kept.map(|text| text.to_string());
        let proxy = config::variable("LIANBO_HUB__PROXY").or_else(|| kept.clone());
        let proxy = proxy.as_deref().map(Proxy::parse).transpose()?;
        let mut fresh = Fresh::claim(folder)?;
        let database = config::default_database();
        let used = config::variable("LIANBO_DATABASE").unwrap_or_else(|| database.clone());
        let address = config::database_address(folder, &used);
        fresh.database(&address)?;
        // Opened before the token is spent: a disk that cannot hold it must not cost a token.
        let store = Store::open(&address).await?;
        let clock = Arc::new(SystemClock);
        let identity = Identity::generate(&mut rand::rng());
        let joined = join(&self.url, &token, identity, proxy, clock).await.map_err(advice)?;
        let config = NodeConfig {
            database,
            unit: UnitConfig { code: joined.unit_code.clone(), name: joined.unit_name.clone() },
            hub: HubLink {
                url: self.url,
                site: joined.hub_site.to_string(),
                name: joined.hub_name.clone(),
                ceiling: joined.ceiling,
                blob_kib_per_second: 0,
                proxy: kept,
            },
            blobs: BlobsConfig::default(),
            pages: PagesConfig::default(),
            identity: crate::web::Imprint::default(),
            metrics: MetricsConfig::default(),
            log: LogConfig::default(),
        };
        keep(folder, &store, &joined, &config).await.map_err(|error| {
            let what =
                error.context("the hub took this site in, but it could not be written down here");
            advise(what, "ask the hub's operator to revoke this unit and to make a new token")
        })?;
        store.close().await;
        fresh.keep();
        said(Output { json: global.json }, folder, &joined)
    }
}

/// What to do about a token that does not do.
pub const ASK: &str =
    "if that does not help, ask the hub's operator for a new token (lianbo-hub invite)";

async fn keep(
    folder: &Path,
    store: &Store,
    joined: &Joined,
    config: &NodeConfig,
) -> anyhow::Result<()> {
    let path = folder.join(KEY_FILE);
    write_file(&path, joined.identity.to_pem().as_bytes(), 0o600)
        .with_context(|| format!("cannot write {}", path.display()))?;
    joined.pki.save(folder)?;
    let meta = Meta::generate(joined.identity.site, &mut rand::rng());
    let hub = (joined.hub_site, joined.hub_key);
    lifecycle::set_up(store, &meta, joined.identity.public(), hub).await?;
    Ok(config::save(folder, config)?)
}

fn said(out: Output, folder: &Path, joined: &Joined) -> anyhow::Result<()> {
    let value = serde_json::json!({
        "site": joined.identity.site,
        "unit_code": joined.unit_code,
        "unit_name": joined.unit_name,
        "ceiling": joined.ceiling,
        "hub_site": joined.hub_site,
        "hub_name": joined.hub_name,
        "data": folder,
    });
    out.either(&value, || {
        let serve = format!("lianbo-node serve --data {}", folder.display());
        super::output::facts(&[
            ("site", joined.identity.site.to_string()),
            ("unit", format!("{} {}", joined.unit_code, joined.unit_name)),
            ("ceiling", joined.ceiling.to_string()),
            ("hub", format!("{} {}", joined.hub_name, joined.hub_site)),
            ("next", serve),
        ])
    })
}

/// A join that failed, with what to do about it.
pub fn advice(error: JoinError) -> anyhow::Error {
    let next = match &error {
        JoinError::Unreachable { .. } => {
            "see that the address and port are right, that the hub serves, and that no firewall stands \
             between; the token is still good"
        }
        JoinError::Proxy { .. } => {
            "see that the proxy's address, user and password are right and that it allows CONNECT to \
             the hub's port; the token is still good"
        }
        JoinError::Tls { source: TlsProblem::WrongCa, .. } => {
            "use the address that came with this token; the token is still good"
        }
        JoinError::Tls { source: TlsProblem::Clock { .. }, .. } => {
            "set the clock, then use the same token again"
        }
        JoinError::Broken(_) => {
            "try the same token again; if it turns out to be spent, ask the hub's operator to revoke \
             this unit and to make a new one"
        }
        _ => return error.into(),
    };
    super::advise(error, next).into()
}
