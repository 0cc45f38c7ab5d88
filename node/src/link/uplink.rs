//! The link itself: connects, greets, runs what the greeting says, and begins again when it breaks.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lianbo_proto::v1::sync_client::SyncClient;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustls::sign::CertifiedKey;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tracing::{info, warn};

use super::connect::{Connector, Proxy, endpoint};
use super::files::Lane;
use super::tls::{ClientPki, joined_config};
use super::{FilesPolicy, LinkError};
use crate::blobs::Blobs;
use crate::clock::{Clock, FlooredClock, SharedClock};
use crate::entry::SiteId;
use crate::identity::Identity;
use crate::ingest::Door;
use crate::journal::{self, LinkState, Meta};
use crate::lifecycle::Site;
use crate::scope::Scope;
use crate::store::{Store, StoreError};
use crate::sync::backoff::Backoff;
use crate::sync::session::{Session, Step};
use crate::wire::MAX_FRAME;

/// How long making a connection may take, handshake and proxy included.
const CONNECT: Duration = Duration::from_secs(20);
/// How often a silent connection is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A node's link to its hub.
#[derive(Debug)]
pub struct Uplink {
    pub(super) store: Store,
    pub(super) door: Door,
    pub(super) identity: Arc<Identity>,
    pub(super) clock: Arc<FlooredClock>,
    pub(super) folder: PathBuf,
    /// The hub's site.
    pub(super) hub: SiteId,
    /// The narrowest scope this site may hold, as its hub decided when it joined.
    pub(super) ceiling: Scope,
    pub(super) key: watch::Sender<Arc<CertifiedKey>>,
    pub(super) blobs: Blobs,
    pub(super) policy: FilesPolicy,
    pub(super) up: Lane,
    pub(super) down: Lane,
    /// The hub has taken entries: their files may follow.
    pub(super) taken: Notify,
    dial: Dial,
    rng: Mutex<StdRng>,
}

/// Makes a connection to the hub.
pub struct Dial(Box<dyn Fn() -> BoxFuture<'static, Result<Channel, LinkError>> + Send + Sync>);

impl Dial {
    /// Through a function: for networks that are simulated.
    pub fn new(
        dial: impl Fn() -> BoxFuture<'static, Result<Channel, LinkError>> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(dial))
    }

    fn over(endpoint: Endpoint, connector: Connector) -> Self {
        Self::new(move || {
            let (endpoint, connector) = (endpoint.clone(), connector.clone());
            Box::pin(async move {
                endpoint.connect_with_connector(connector).await.map_err(LinkError::Connect)
            })
        })
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial")
    }
}

/// What one round of [`Uplink::sync_once`] moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Drained {
    /// Entries sent up.
    pub pushed: usize,
    /// Entries that came down and were new.
    pub pulled: usize,
    /// Files that went or came.
    pub files: usize,
}

/// How a session ended without an error.
pub(super) enum Ended {
    /// Begin again at once: something changed that a new Hello has to tell.
    Again,
    /// Everything was moved.
    Drained(Drained),
}

impl Uplink {
    /// The link of a site that has joined `hub` at `url` (`https://HOST:PORT`), with the certificate in
    /// its data folder.
    pub fn new(
        site: &Site,
        hub: SiteId,
        ceiling: Scope,
        url: &str,
        proxy: Option<&str>,
    ) -> Result<Self, LinkError> {
        let pki = ClientPki::load(&site.folder)?.ok_or_else(|| {
            LinkError::GiveUp("the data folder holds no certificate; join the hub again".to_owned())
        })?;
        // The hub made the certificate, so it is at least that late, whatever the clock here says.
        let floor = pki.info().map_err(super::tls::PkiError::from)?.not_before_ms;
        let clock = Arc::new(FlooredClock::new(site.clock.clone(), floor));
        let key = watch::Sender::new(pki.certified_key()?);
        let shared: SharedClock = clock.clone();
        let config = joined_config(&pki.ca, key.subscribe(), shared)?;
        let proxy = proxy.map(Proxy::parse).transpose()?;
        let connector = Connector::new(Arc::new(config), Some(hub), proxy, CONNECT);
        let endpoint = endpoint(url)?
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024);
        Ok(Self {
            store: site.store.clone(),
            door: site.door.clone(),
            identity: site.identity.clone(),
            clock,
            folder: site.folder.clone(),
            hub,
            ceiling,
            key,
            blobs: site.blobs.clone(),
            policy: FilesPolicy::default(),
            up: Lane::new(&FilesPolicy::default()),
            down: Lane::new(&FilesPolicy::default()),
            taken: Notify::new(),
            dial: Dial::over(endpoint, connector),
            rng: Mutex::new(StdRng::from_rng(&mut rand::rng())),
        })
    }

    /// The same link over another way to connect, its waits drawn from `seed`: for simulations.
    #[must_use]
    pub fn simulated(self, dial: Dial, seed: u64) -> Self {
        Self { dial, rng: Mutex::new(StdRng::seed_from_u64(seed)), ..self }
    }

    /// The same link with other rules for files.
    #[must_use]
    pub fn with_files(self, policy: FilesPolicy) -> Self {
        let (up, down) = (Lane::new(&policy), Lane::new(&policy));
        Self { policy, up, down, ..self }
    }

    /// Keeps the link up until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => break,
                ended = self.session(false, &mut backoff) => ended,
            };
            let Err(error) = ended else { continue };
            self.note(&format!("disconnected: {error}")).await;
            let wait = backoff.next(self.random(), error.retry_after());
            warn!(%error, retry_ms = wait.as_millis(), "the link to the hub is down");
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.note("disconnected: stopped").await;
    }

    /// Moves everything there is to move, both ways, and ends. One attempt: the caller decides whether to
    /// try again.
    pub async fn sync_once(&self) -> Result<Drained, LinkError> {
        let mut backoff = Backoff::default();
        loop {
            match Box::pin(self.session(true, &mut backoff)).await? {
                Ended::Again => {}
                Ended::Drained(drained) => {
                    self.note("disconnected: everything was moved").await;
                    return Ok(drained);
                }
            }
        }
    }

    pub(super) fn random(&self) -> f64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random()
    }

    pub(super) fn client(channel: Channel) -> SyncClient<Channel> {
        let largest = MAX_FRAME + 64 * 1024;
        SyncClient::new(channel)
            .max_decoding_message_size(largest)
            .max_encoding_message_size(largest)
    }

    /// One connection, from the greeting to its end.
    async fn session(&self, once: bool, backoff: &mut Backoff) -> Result<Ended, LinkError> {
        let channel = (self.dial.0)().await?;
        if self.renew_if_due(&channel).await? {
            // The new certificate is shown by the next connection.
            return Ok(Ended::Again);
        }
        let mut client = Self::client(channel.clone());
        let mut session = Session::new(self.identity.site, self.hub);
        let mut refilled = false;
        loop {
            let greeting = self.greet(&mut client).await?;
            let mut step = session.answered(&greeting.answer, greeting.doubt).map_err(violated)?;
            if step == Step::Offer {
                step = self.offer(&mut client, &mut session, &greeting).await?;
            }
            match step {
                Step::Run { by_heights, wanted } => {
                    self.note("connected").await;
                    backoff.reset();
                    info!(hub = %self.hub, ceiling = %greeting.answer.ceiling, "linked to the hub");
                    if once {
                        let drained = self.drain(client, &greeting, wanted, by_heights).await?;
                        let files = self.files(channel, true).await?;
                        return Ok(Ended::Drained(Drained { files, ..drained }));
                    }
                    return tokio::select! {
                        pushed = self.push(client.clone(), &greeting, wanted, false) => pushed.map(|_| Ended::Again),
                        followed = self.follow(client.clone(), &greeting, by_heights) => followed,
                        moved = self.files(channel.clone(), false) => moved.map(|_| Ended::Again),
                        renewed = self.renew_when_due(&channel) => renewed.map(|()| Ended::Again),
                    };
                }
                Step::Refill { message } if refilled => return Err(LinkError::GiveUp(message)),
                Step::Refill { message } => {
                    refilled = true;
                    self.refill(&mut client, &greeting, &message).await?;
                    session.refilled().map_err(violated)?;
                }
                Step::GiveUp(message) => return Err(LinkError::GiveUp(message)),
                Step::Greet | Step::Offer => {
                    return Err(LinkError::Protocol("a step out of order".to_owned()));
                }
            }
        }
    }

    /// Writes down how the link stands, for `status`.
    async fn note(&self, state: &str) {
        let link = LinkState { state: state.to_owned(), at_ms: self.clock.now() };
        let noted = async {
            let mut tx = self.store.write().await?;
            journal::set_link_state(&mut tx, &link).await?;
            tx.commit().await
        };
        let noted: Result<(), StoreError> = noted.await;
        if let Err(error) = noted {
            warn!(%error, "how the link stands could not be written down");
        }
    }

    pub(super) fn shared_clock(&self) -> SharedClock {
        self.clock.clone()
    }

    pub(super) async fn meta(&self) -> Result<Meta, StoreError> {
        Meta::load(&mut self.store.read().await?)
            .await?
            .ok_or(StoreError::Corrupt("table meta is empty"))
    }
}

fn violated(violation: crate::sync::session::Violation) -> LinkError {
    LinkError::Protocol(violation.to_string())
}
