//! TLS between sites: rustls on ring, TLS 1.3, one private CA per hub, certificates short-lived and
//! replaced without a restart. Sessions are never resumed: each connection proves itself anew.

mod client;
mod connections;
mod cut;
mod files;
mod incoming;
mod info;
mod pki;
mod problem;
mod server;
mod stream;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{SignatureScheme, SupportedProtocolVersion};
use tokio::sync::watch;

use crate::clock::Clock;

pub use client::{SeenHub, joined_config, joining_config};
pub use connections::{Connections, Limits};
pub use files::{certificates_from_pem, pem_text, write_file};
pub use incoming::incoming;
pub use info::{
    BadCertificate, CertInfo, Peer, ca_fingerprint, certificate_info, hub_name, peer_uri,
};
pub use pki::{ClientPki, PkiError, new_csr};
pub use problem::TlsProblem;
pub use server::Acceptor;
pub use stream::{PeerInfo, ServerStream};

/// gRPC is HTTP/2 and nothing else.
const ALPN: &[u8] = b"h2";
/// Both ends are ours, so the older version with its own rules for client certificates is left out.
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// A key that TLS cannot use, or settings that contradict each other.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS: {0}")]
pub struct TlsSetup(#[from] pub rustls::Error);

/// A chain (leaf first) with its key, checked to belong together.
pub fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, TlsSetup> {
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider())?))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Our clock as rustls asks for it.
#[derive(Debug)]
struct TlsTime(Arc<dyn Clock>);

impl TimeProvider for TlsTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.now()))
    }
}

fn unix_time(ms: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

/// The certificate of the moment, at either end: a renewal takes effect with the next connection.
#[derive(Debug)]
struct Current(watch::Receiver<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.borrow().clone())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.borrow().clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
