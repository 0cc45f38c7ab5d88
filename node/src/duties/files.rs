//! Files that no live entry names any more go, here and at the hub; so do beginnings that nobody goes on with.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::blobs::{BlobError, Blobs};
use crate::clock::SharedClock;
use crate::content::files;
use crate::store::Store;

/// How often everything is looked at, retraction or not.
const LOOK: Duration = Duration::from_mins(10);
/// How long the beginning of a file waits for the rest.
const PARTIAL_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Files of one transaction.
const LIMIT: i64 = 64;

/// Lets files go whenever something was withdrawn, until `stop`.
pub async fn run(
    store: Store,
    blobs: Blobs,
    clock: SharedClock,
    mut end: watch::Receiver<i64>,
    stop: CancellationToken,
) {
    let mut look = tokio::time::interval(LOOK);
    let (mut seen, mut whole) = (-1, true);
    loop {
        end.borrow_and_update();
        let done = async {
            let upto = files::retracted_upto(&mut store.read().await?).await?;
            if upto > seen || whole {
                once(&store, &blobs, &clock).await?;
            }
            Ok::<_, BlobError>(upto)
        };
        match done.await {
            Ok(upto) => (seen, whole) = (upto, false),
            Err(error) => warn!(%error, "withdrawn files wait to be taken away"),
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = end.changed() => if changed.is_err() { break },
            _ = look.tick() => whole = true,
        }
    }
}

/// Lets go what nobody needs; how many files that were.
pub async fn once(store: &Store, blobs: &Blobs, clock: &SharedClock) -> Result<usize, BlobError> {
    let now = clock.now();
    let mut tx = store.write().await?;
    files::forget_withdrawn(&mut tx).await?;
    tx.commit().await?;
    let mut gone = 0;
    loop {
        // Looked at outside the lock first: most of the time there is nothing.
        if files::unneeded(&mut store.read().await?, now, 1).await?.is_empty() {
            break;
        }
        gone += blobs.collect(store, async |tx| files::unneeded(tx, now, LIMIT).await).await?;
    }
    let swept = blobs.sweep(now - PARTIAL_MS).await?;
    if gone + swept > 0 {
        info!(gone, swept, "files that nobody needs are gone");
    }
    Ok(gone)
}
