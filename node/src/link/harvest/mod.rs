//! 省级采集, the calling end: takes over what a hub publishes. A harvester is no site: it holds a certificate and a
//! cursor, and nothing else of a hub.

mod admit;

pub use admit::{Admitted, admit};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lianbo_proto::v1;
use lianbo_proto::v1::harvest_client::HarvestClient;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::Streaming;
use tonic::transport::Channel;
use tracing::info;

use super::LinkError;
use super::connect::{Connector, Proxy, endpoint};
use super::renew::{LOOK, is_due};
use super::tls::{CertInfo, ClientPki, PkiError, joined_config, new_csr};
use crate::clock::{Clock, FlooredClock, SharedClock};
use crate::content::article::Harvested;
use crate::entry::{HarvesterId, SiteId};
use crate::wire::told_from_proto;

/// How long making a connection may take, handshake and proxy included.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a page may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a silent connection is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Largest page taken, in bytes; a hub's are smaller.
const MAX_PAGE: usize = 8 * 1024 * 1024;

/// Where to go on from, and how.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The last cursor that was kept; empty to begin.
    pub cursor: Bytes,
    /// Most items of a page; 0 for the hub's own bound.
    pub limit: u32,
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What was published, revised or withdrawn. Kinds this program does not know are left out.
    pub items: Vec<Harvested>,
    /// Keep it once the items are kept.
    pub cursor: Bytes,
    /// More is waiting.
    pub more: bool,
    /// The cursor asked with could not be continued: this is the first page of everything.
    pub restarted: bool,
}

/// A harvester's way to its hub.
#[derive(Debug)]
pub struct HarvestLink {
    folder: PathBuf,
    url: String,
    hub: SiteId,
    proxy: Option<Proxy>,
    clock: SharedClock,
}

/// An open connection.
#[derive(Debug)]
pub struct Session {
    client: HarvestClient<Channel>,
    stream: Option<Streaming<v1::HarvestPage>>,
    /// The certificate it was made with.
    certificate: CertInfo,
    clock: Arc<FlooredClock>,
}

impl HarvestLink {
    /// To the hub `hub` at `url` (`https://HOST:PORT`), with the certificate in `folder`.
    pub fn new(
        folder: &Path,
        url: &str,
        hub: SiteId,
        proxy: Option<&str>,
        clock: SharedClock,
    ) -> Result<Self, LinkError> {
        let proxy = proxy.map(Proxy::parse).transpose()?;
        Ok(Self { folder: folder.to_owned(), url: url.to_owned(), hub, proxy, clock })
    }

    /// Connects; renews the certificate first if that is due.
    pub async fn connect(&self) -> Result<Session, LinkError> {
        let mut session = self.dial().await?;
        if is_due(&session.certificate, session.clock.now()) {
            self.renew(&mut session).await?;
            // The new certificate is shown by the next connection.
            session = self.dial().await?;
        }
        Ok(session)
    }

    fn pki(&self) -> Result<ClientPki, LinkError> {
        ClientPki::load(&self.folder)?.ok_or_else(|| {
            LinkError::GiveUp("the data folder holds no certificate; join the hub again".to_owned())
        })
    }

    async fn dial(&self) -> Result<Session, LinkError> {
        let pki = self.pki()?;
        let certificate = pki.info().map_err(PkiError::from)?;
        // The hub made the certificate, so it is at least that late, whatever the clock here says.
        let clock = Arc::new(FlooredClock::new(self.clock.clone(), certificate.not_before_ms));
        let own = tokio::sync::watch::channel(pki.certified_key()?).1;
        let config = joined_config(&pki.ca, own, clock.clone())?;
        let connector =
            Connector::new(Arc::new(config), Some(self.hub), self.proxy.clone(), CONNECT);
        let endpoint = endpoint(&self.url)?
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true);
        let channel =
            endpoint.connect_with_connector(connector).await.map_err(LinkError::Connect)?;
        let client = HarvestClient::new(channel).max_decoding_message_size(MAX_PAGE);
        Ok(Session { client, stream: None, certificate, clock })
    }

    async fn renew(&self, session: &mut Session) -> Result<(), LinkError> {
        let whose = |info: &CertInfo| info.harvester;
        let harvester: HarvesterId = whose(&session.certificate)
            .ok_or_else(|| LinkError::GiveUp("the certificate is no harvester's".to_owned()))?;
        let (csr, key_pem) = new_csr(harvester)?;
        let request = v1::HarvestRenewRequest { csr: csr.into() };
        let answer = within(session.client.renew(request)).await?.into_inner();
        let chain = answer.certificates.iter().map(|der| CertificateDer::from(der.to_vec()));
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
            .map_err(|error| LinkError::Protocol(error.to_string()))?;
        let pki = ClientPki { ca: self.pki()?.ca, chain: chain.collect(), key };
        let info = pki.info().map_err(PkiError::from)?;
        if whose(&info) != Some(harvester) {
            return Err(LinkError::Protocol("the hub certified somebody else".to_owned()));
        }
        pki.save(&self.folder)?;
        info!(not_after_ms = info.not_after_ms, "certificate renewed");
        Ok(())
    }
}

impl Session {
    /// One page.
    pub async fn list(&mut self, ask: &Ask) -> Result<Page, LinkError> {
        page(within(self.client.list(request(ask))).await?.into_inner())
    }

    /// Begins a stream of pages; [`Session::next`] has them.
    pub async fn follow(&mut self, ask: &Ask) -> Result<(), LinkError> {
        self.stream = Some(within(self.client.follow(request(ask))).await?.into_inner());
        Ok(())
    }

    /// The next page of the stream; `None` once the certificate is due, to connect anew.
    pub async fn next(&mut self) -> Result<Option<Page>, LinkError> {
        let stream = self.stream.as_mut().ok_or(LinkError::Ended)?;
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                message = stream.message() => return match message? {
                    Some(message) => page(message).map(Some),
                    None => Err(LinkError::Ended),
                },
                _ = look.tick() => if is_due(&self.certificate, self.clock.now()) {
                    return Ok(None);
                },
            }
        }
    }
}

async fn within<T>(call: impl Future<Output = Result<T, tonic::Status>>) -> Result<T, LinkError> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(LinkError::Protocol("it did not answer within a minute".to_owned())),
    }
}

fn request(ask: &Ask) -> v1::HarvestRequest {
    v1::HarvestRequest { cursor: ask.cursor.clone(), limit: ask.limit, entries: false }
}

fn page(message: v1::HarvestPage) -> Result<Page, LinkError> {
    let items = message.items.into_iter().filter_map(|item| told_from_proto(item).transpose());
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        cursor: message.cursor,
        more: message.more,
        restarted: message.restarted,
    })
}
