//! Connections to the hub, as a node makes them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lianbo_node::clock::SystemClock;
use lianbo_node::entry::SiteId;
use lianbo_node::link::connect::{Connector, endpoint};
use lianbo_node::link::tls::{ClientPki, joined_config};
use lianbo_proto::v1::sync_client::SyncClient;
use tokio::sync::watch;
use tonic::transport::Channel;

/// Longest a connection may take: many are made at once.
const PATIENCE: Duration = Duration::from_mins(1);
const LARGEST: usize = 8 * 1024 * 1024;

/// Connects with a certificate.
pub(super) async fn connect(
    hub: SiteId,
    address: SocketAddr,
    pki: &ClientPki,
) -> anyhow::Result<SyncClient<Channel>> {
    let key = watch::channel(pki.certified_key()?).1;
    let config = Arc::new(joined_config(&pki.ca, key, Arc::new(SystemClock))?);
    let connector = Connector::new(config, Some(hub), None, PATIENCE);
    let channel = endpoint(&format!("https://{address}"))?
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .connect_with_connector(connector)
        .await?;
    Ok(SyncClient::new(channel)
        .max_decoding_message_size(LARGEST)
        .max_encoding_message_size(LARGEST))
}
