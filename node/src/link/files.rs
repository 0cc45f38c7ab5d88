//! Files: what entries name comes down, what own entries name goes up. In a lane of its own, below all entries: small
//! and large ones, up and down, at most one each at a time.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use lianbo_proto::v1;
use lianbo_proto::v1::blobs_client::BlobsClient;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracing::{debug, warn};

use super::{LinkError, RETRY_AFTER, Uplink};
use crate::blobs::{self, BlobError, Chunks, Part, Partial, Want, even};
use crate::clock::Clock;
use crate::content::files::{self, Gift};
use crate::entry::{Hash, SiteId};
use crate::journal::Edition;
use crate::store::StoreError;
use crate::sync::blobs::{Night, Pace, again, by_itself};

/// How often it is looked whether a file is due that nobody told of.
const LOOK: Duration = Duration::from_secs(2);
/// How long the hub may take for one message.
const STALL: Duration = Duration::from_mins(1);
/// Bytes of one message up.
const PIECE: usize = 64 * 1024;
/// After a failure that only people mend.
const LONG_MS: i64 = 60 * 60 * 1000;

/// Which files come by themselves, and how fast they move.
#[derive(Clone, Copy, Debug)]
pub struct FilesPolicy {
    /// Largest file that comes by itself at any time, in bytes.
    pub eager: u64,
    /// When larger ones come too.
    pub night: Night,
    /// Bytes a second, each way; 0 for no bound.
    pub per_second: u64,
}

impl Default for FilesPolicy {
    fn default() -> Self {
        Self { eager: 8 << 20, night: Night::DEFAULT, per_second: 0 }
    }
}

/// One direction of the link, whatever moves in it.
#[derive(Clone, Debug)]
pub(super) struct Lane(Arc<Mutex<Pace>>, Instant);

impl Lane {
    pub(super) fn new(policy: &FilesPolicy) -> Self {
        Self(Arc::new(Mutex::new(Pace::new(policy.per_second))), Instant::now())
    }

    /// Waits until so many bytes may go.
    async fn pass(&self, bytes: usize) {
        let wait = {
            let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            pace.take(bytes as u64, self.1.elapsed())
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// What moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    up: bool,
    large: bool,
}

impl Way {
    const ALL: [Self; 4] = [
        Self { up: true, large: false },
        Self { up: false, large: false },
        Self { up: true, large: true },
        Self { up: false, large: true },
    ];

    /// Small ones never wait behind a large one.
    fn sizes(self, eager: u64) -> RangeInclusive<u64> {
        if self.large { eager.saturating_add(1)..=u64::MAX >> 1 } else { 0..=eager }
    }
}

/// Why one file did not move. The link goes on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {}", .0.code().description(), .0.message())]
    Call(Box<Status>),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the hub stopped in the middle of it")]
    Cut,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Blob(error.into())
    }
}

impl Failure {
    fn retry_after(&self) -> Option<Duration> {
        let Self::Call(status) = self else { return None };
        let text = status.metadata().get(RETRY_AFTER)?.to_str().ok()?;
        text.parse().ok().map(Duration::from_millis)
    }

    /// Whether trying soon is of no use.
    fn lasts(&self) -> bool {
        match self {
            Self::Call(status) => {
                matches!(status.code(), Code::FailedPrecondition | Code::Unimplemented)
            }
            Self::Blob(error) => matches!(
                error,
                BlobError::TooLarge { .. }
                    | BlobError::Full { .. }
                    | BlobError::SiteFull { .. }
                    | BlobError::DiskFull { .. }
            ),
            Self::Cut => false,
        }
    }

    /// Whether the store here failed: the link ends, as with entries.
    fn of_store(self) -> Result<Self, LinkError> {
        match self {
            Self::Blob(BlobError::Store(error)) => Err(LinkError::Store(error)),
            other => Ok(other),
        }
    }
}

type Client = BlobsClient<Channel>;

impl Uplink {
    /// Moves files until the link breaks; or, if `once`, until none is due. Says how many moved.
    pub(super) async fn files(&self, channel: Channel, once: bool) -> Result<usize, LinkError> {
        let client = Client::new(channel).max_decoding_message_size(2 * PIECE);
        let mut end = self.door.end();
        let (mut noted, mut moved) = (0, 0);
        let mut busy: Vec<Way> = Vec::new();
        let mut under_way: FuturesUnordered<BoxFuture<'_, (Way, Result<bool, LinkError>)>> =
            FuturesUnordered::new();
        loop {
            end.borrow_and_update();
            noted = self.note_files(noted).await?;
            for way in Way::ALL {
                if !busy.contains(&way)
                    && let Some(transfer) = self.next_transfer(&client, way).await?
                {
                    busy.push(way);
                    under_way.push(Box::pin(async move { (way, transfer.await) }));
                }
            }
            if once && under_way.is_empty() {
                return Ok(moved);
            }
            tokio::select! {
                Some((way, done)) = under_way.next() => {
                    busy.retain(|it| *it != way);
                    moved += usize::from(done?);
                }
                changed = end.changed() => if changed.is_err() {
                    return Err(crate::ingest::IngestError::Stopping.into());
                },
                () = self.taken.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Writes down what new entries name.
    async fn note_files(&self, noted: i64) -> Result<i64, LinkError> {
        let last = files::last_naming(&mut self.store.read().await?).await?;
        if last > noted {
            let mut tx = self.store.write().await?;
            files::note(&mut tx, self.identity.site, noted).await?;
            tx.commit().await?;
        }
        Ok(last.max(noted))
    }

    async fn next_transfer(
        &self,
        client: &Client,
        way: Way,
    ) -> Result<Option<BoxFuture<'_, Result<bool, LinkError>>>, LinkError> {
        let (now, policy, client) = (self.clock.now(), self.policy, client.clone());
        let sizes = way.sizes(policy.eager);
        let mut tx = self.store.read().await?;
        if way.up {
            let gift = files::next_gift(&mut tx, self.hub, self.ceiling, now, sizes).await?;
            return Ok(gift.map(|gift| -> BoxFuture<'_, _> { Box::pin(self.give(client, gift)) }));
        }
        let largest = by_itself(now, policy.eager, policy.night);
        let want = blobs::next_want(&mut tx, now, sizes, largest).await?;
        Ok(want.map(|want| -> BoxFuture<'_, _> { Box::pin(self.fetch(client, want)) }))
    }

    /// Brings one file up; whether it went.
    async fn give(&self, client: Client, gift: Gift) -> Result<bool, LinkError> {
        let outcome = self.try_give(client, &gift).await;
        let again_ms = match outcome {
            Ok(()) => None,
            Err(failure) => Some(self.after(failure, gift.tries, &gift.blob)?),
        };
        let mut tx = self.store.write().await?;
        files::note_gift(&mut tx, &gift, again_ms).await?;
        tx.commit().await?;
        Ok(again_ms.is_none())
    }

    async fn try_give(&self, mut client: Client, gift: &Gift) -> Result<(), Failure> {
        let name = name(gift.carrier_site, gift.carrier_hash, gift.blob);
        let request = v1::StatBlobRequest { name: Some(name.clone()) };
        let stands = client.stat(request).await?.into_inner();
        if stands.whole {
            return Ok(());
        }
        let offset = stands.held.min(gift.size);
        let chunks = self.blobs.read(gift.blob, offset, gift.size).await?;
        let open = v1::PutBlobOpen { name: Some(name), offset };
        let open = v1::put_blob_request::Message::Open(open);
        let first = v1::PutBlobRequest { message: Some(open) };
        let rest = paced(even(chunks, PIECE), self.up.clone());
        client.put(futures_util::stream::once(async { first }).chain(rest)).await?;
        Ok(())
    }

    /// Fetches one file; whether it came.
    async fn fetch(&self, client: Client, want: Want) -> Result<bool, LinkError> {
        let Want { hash, site, size, tries } = want;
        let through =
            files::carrier(&mut self.store.read().await?, self.hub, hash, site, size).await?;
        let came = match through {
            // Withdrawn meanwhile.
            None => Ok(false),
            Some((carrier_site, entry)) => {
                let name = name(carrier_site, entry, hash);
                self.try_fetch(client, name, Part { hash, size, site }).await.map(|()| true)
            }
        };
        let mut tx = self.store.write().await?;
        let came = match came {
            Ok(came) => {
                blobs::forget_want(&mut tx, hash, site).await?;
                Edition::touch(&mut tx).await?;
                came
            }
            Err(failure) => {
                let next_ms = self.after(failure, tries, &hash)?;
                blobs::note_failure(&mut tx, hash, site, next_ms).await?;
                false
            }
        };
        tx.commit().await?;
        Ok(came)
    }

    async fn try_fetch(
        &self,
        mut client: Client,
        name: v1::BlobName,
        part: Part,
    ) -> Result<(), Failure> {
        // Held for another site's entries already: the hub is only asked whether it may show through these too.
        let known = blobs::length(&mut self.store.read().await?, part.hash).await?;
        if known == Some(part.size) {
            let request = v1::GetBlobRequest { name: Some(name), offset: part.size };
            client.get(request).await?;
            self.blobs.share(&self.store, part, self.clock.now()).await?;
            return Ok(());
        }
        self.blobs.room(&self.store, &part).await?;
        let mut partial = self.blobs.resume(part).await?;
        let request = v1::GetBlobRequest { name: Some(name), offset: partial.len() };
        let mut stream = client.get(request).await?.into_inner();
        let received = self.receive(&mut stream, &mut partial).await;
        if received.is_err() || !partial.is_whole() {
            partial.pause().await?;
            received?;
            return Err(Failure::Cut);
        }
        self.blobs.keep(&self.store, partial, self.clock.now(), true).await?;
        Ok(())
    }

    async fn receive(
        &self,
        stream: &mut tonic::Streaming<v1::BlobChunk>,
        partial: &mut Partial,
    ) -> Result<(), Failure> {
        while !partial.is_whole() {
            let message = tokio::time::timeout(STALL, stream.message()).await;
            let Some(chunk) = message.map_err(|_| Failure::Cut)?? else { return Ok(()) };
            self.down.pass(chunk.data.len()).await;
            partial.append(&chunk.data).await?;
        }
        Ok(())
    }

    /// When to try again after a failure.
    fn after(&self, failure: Failure, tries: u64, file: &Hash) -> Result<i64, LinkError> {
        let failure = failure.of_store()?;
        let now = self.clock.now();
        if failure.lasts() {
            warn!(%file, error = %failure, "a file does not move; trying again in an hour");
            return Ok(now.saturating_add(LONG_MS));
        }
        debug!(%file, error = %failure, tries, "a file did not move; trying again");
        Ok(again(now, tries, self.random(), failure.retry_after()))
    }
}

fn name(site: SiteId, entry: Hash, blob: Hash) -> v1::BlobName {
    let slice = bytes::Bytes::copy_from_slice;
    v1::BlobName { site: slice(&site.0), entry: slice(&entry.0), blob: slice(&blob.0) }
}

/// The pieces of a file, no faster than the lane lets them. One that cannot be read ends it, and the hub says that it is short.
fn paced(
    chunks: Chunks,
    lane: Lane,
) -> impl futures_util::Stream<Item = v1::PutBlobRequest> + Send + 'static {
    let readable = chunks.take_while(|chunk| {
        if let Err(error) = chunk {
            warn!(%error, "a file cannot be read to its end");
        }
        std::future::ready(chunk.is_ok())
    });
    readable.filter_map(|chunk| std::future::ready(chunk.ok())).then(move |data| {
        let lane = lane.clone();
        async move {
            lane.pass(data.len()).await;
            v1::PutBlobRequest { message: Some(v1::put_blob_request::Message::Data(data)) }
        }
    })
}
