//! A node that has joined and is empty.

use std::net::SocketAddr;
use std::path::Path;

use lianbo_node::config::{
    self, BlobsConfig, HubLink, LogConfig, MetricsConfig, NodeConfig, PagesConfig, UnitConfig,
    default_database,
};
use lianbo_node::journal::Meta;
use lianbo_node::lifecycle::{KEY_FILE, Site, set_up};
use lianbo_node::scope::Scope;
use lianbo_node::store::Store;
use lianbo_node::web::Imprint;

use super::county::{County, FREE, Member, address};

/// Makes its data folder, for a hub that is reached at `at`. What is in `lianbo.toml` is returned.
pub(super) async fn join(
    folder: &Path,
    county: &County,
    member: &Member,
    at: SocketAddr,
) -> anyhow::Result<NodeConfig> {
    member.pki.save(folder)?;
    std::fs::write(folder.join(KEY_FILE), member.identity.to_pem().as_bytes())?;
    let config = NodeConfig {
        database: default_database(),
        unit: UnitConfig { code: "unit".to_owned(), name: "单位".to_owned() },
        hub: HubLink {
            url: format!("https://{at}"),
            site: county.identity.site.to_string(),
            name: "测试县".to_owned(),
            ceiling: Scope::Organization,
            proxy: None,
            blob_kib_per_second: 0,
        },
        pages: PagesConfig { address: FREE, ..PagesConfig::default() },
        blobs: BlobsConfig::default(),
        identity: Imprint::default(),
        metrics: MetricsConfig { address: FREE },
        log: LogConfig::default(),
    };
    config::save(folder, &config)?;
    let store = Store::open(&address(folder)).await?;
    let meta = Meta::generate(member.identity.site, &mut rand::rng());
    let hub = (county.identity.site, county.identity.public());
    set_up(&store, &meta, member.identity.public(), hub).await?;
    store.close().await;
    Ok(config)
}

/// Opens the site in a folder.
pub(super) async fn open(folder: &Path) -> anyhow::Result<Site> {
    Ok(Site::open(folder, &address(folder)).await?)
}
