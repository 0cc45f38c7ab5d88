//! Polls sources: many at a time, each host in peace, what comes together kept together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use lianbo_node::clock::SharedClock;
use lianbo_node::cores::Cores;
use lianbo_node::entry::{Hash, SiteId};
use lianbo_node::ingest::{Door, IngestError};
use rand::RngExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use url::Url;

use super::candidate::candidates;
use super::decide::{Answer, Polled, Taken};
use super::feed::{self, FeedError};
use super::fetch::{self, BadProxy, Body, FetchError, Fetcher};
use super::guard::Guard;
use super::keep::Keeper;
use super::schedule::Marks;
use super::source::Source;
use super::state::{Registry, Watched};
use crate::config::SourcesConfig;

/// Sources that are on their way at a time, most of them waiting for their host's turn.
const WAITING: usize = 256;
/// Answers that wait to be kept; more wait at their fetchers.
const ANSWERS: usize = 32;
/// Articles that are kept in one transaction, about.
const TOGETHER: usize = 1024;
/// Hosts whose last turn is remembered.
const HOSTS: usize = 10_000;

/// Polls sources. Cheap to clone; clones share the turns of hosts.
#[derive(Clone, Debug)]
pub struct Poller {
    fetcher: Fetcher,
    keeper: Keeper,
    /// Time between two questions to one host.
    pace: Duration,
    turns: Arc<Mutex<HashMap<String, Instant>>>,
    /// Questions at a time.
    at_once: Arc<Semaphore>,
    /// Where answers are read.
    cores: Cores,
}

impl Poller {
    /// Polls for the hub `site`, through its door, as it is set up.
    pub fn new(
        registry: Registry,
        door: Door,
        site: SiteId,
        clock: SharedClock,
        config: &SourcesConfig,
    ) -> Result<Self, BadProxy> {
        Ok(Self {
            fetcher: Fetcher::new(Guard::new(&config.networks), config.proxy.as_deref())?,
            keeper: Keeper { door, registry, site, clock },
            pace: Duration::from_secs(config.pace_seconds.into()),
            turns: Arc::default(),
            at_once: Arc::new(Semaphore::new(usize::from(config.at_once.max(1)))),
            cores: Cores::default(),
        })
    }

    /// Polls these sources, each once; how each poll went, as they came in. What fails is the source's failure;
    /// an error is the hub's, and then the polls not told of did not happen.
    ///
    /// Dropped, it stops asking; what was on its way into the store is kept or not, as a whole.
    pub async fn poll(&self, sources: Vec<Watched>) -> Result<Vec<Polled>, IngestError> {
        let (sender, mut answers) = mpsc::channel(ANSWERS);
        let asking = async move {
            let asked =
                stream::iter(sources).map(|watched| self.ask(watched)).buffer_unordered(WAITING);
            let mut asked = std::pin::pin!(asked);
            while let Some(taken) = asked.next().await {
                if sender.send(taken).await.is_err() {
                    break;
                }
            }
        };
        // It ends at the hub's first error: whoever still asks learns that nobody listens.
        let keeping = async move {
            let mut polled = Vec::new();
            while let Some(batch) = batch(&mut answers).await {
                polled.extend(self.keeper.keep(batch).await?);
            }
            Ok(polled)
        };
        tokio::join!(asking, keeping).1
    }

    /// Asks one source.
    async fn ask(&self, watched: Watched) -> Taken {
        let random = rand::rng().random();
        let answer = match self.turn(&watched.source.url).await {
            Ok(_permit) => self.answer(&watched).await,
            Err(closed) => failed(closed.to_string()),
        };
        Taken { watched, answer, random }
    }

    /// Waits for the host's turn, then for a place among those that ask.
    async fn turn(
        &self,
        url: &str,
    ) -> Result<tokio::sync::SemaphorePermit<'_>, tokio::sync::AcquireError> {
        if !self.pace.is_zero() {
            let host = Url::parse(url).ok().and_then(|it| it.host_str().map(ToOwned::to_owned));
            let at = {
                let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                if turns.len() > HOSTS {
                    turns.retain(|_, next| *next > now);
                }
                let next = turns.entry(host.unwrap_or_default()).or_insert(now);
                let at = (*next).max(now);
                *next = at + self.pace;
                at
            };
            tokio::time::sleep_until(at).await;
        }
        self.at_once.acquire().await
    }

    async fn answer(&self, watched: &Watched) -> Answer {
        let fetched = self.fetcher.fetch(&watched.source.url, &watched.poll).await;
        let body = match fetched {
            Ok(fetch::Answer::Unchanged) => return Answer::Unchanged(None),
            Ok(fetch::Answer::Body(body)) => body,
            Err(FetchError::Busy { status, retry_after_ms }) => {
                let error = FetchError::Busy { status, retry_after_ms }.to_string();
                return Answer::Failed { error, blocked: false, retry_after_ms };
            }
            Err(error) => {
                let blocked = matches!(error, FetchError::Blocked(_));
                return Answer::Failed { error: error.to_string(), blocked, retry_after_ms: None };
            }
        };
        let (source, last) = (watched.source.clone(), watched.poll.clone());
        let last = last.body.filter(|_| last.url == source.url);
        let (site, now) = (self.keeper.site, self.keeper.clock.now());
        let reading = self.cores.begin(move || read(body, &source, last, site, now)).await;
        reading.await.unwrap_or_else(|_| failed("the feed cannot be read".to_owned()))
    }
}

/// What a body says; `last` is the hash of the last good one. Takes time.
fn read(body: Body, source: &Source, last: Option<Hash>, site: SiteId, now: i64) -> Answer {
    let Body { bytes, charset, etag, modified, url } = body;
    let hash = Hash(*blake3::hash(&bytes).as_bytes());
    let marks = Marks { etag, modified, body: Some(hash) };
    if last == Some(hash) {
        return Answer::Unchanged(Some(marks));
    }
    match feed::parse(bytes, charset.as_deref(), &url) {
        Ok(feed) => {
            let (candidates, skipped) = candidates(feed, source, site, now);
            Answer::Read { marks, candidates, skipped }
        }
        Err(error) => {
            let blocked = error == FeedError::Challenge;
            Answer::Failed { error: error.to_string(), blocked, retry_after_ms: None }
        }
    }
}

fn failed(error: String) -> Answer {
    Answer::Failed { error, blocked: false, retry_after_ms: None }
}

/// Whatever has come in, up to a size; `None` at the end.
async fn batch(answers: &mut mpsc::Receiver<Taken>) -> Option<Vec<Taken>> {
    let articles = |taken: &Taken| match &taken.answer {
        Answer::Read { candidates, .. } => candidates.len(),
        _ => 0,
    };
    let first = answers.recv().await?;
    let mut count = articles(&first);
    let mut batch = vec![first];
    while count < TOGETHER && batch.len() < WAITING {
        let Ok(next) = answers.try_recv() else { break };
        count += articles(&next);
        batch.push(next);
    }
    Some(batch)
}
