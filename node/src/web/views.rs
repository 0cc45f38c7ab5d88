//! Counts how often articles are read, without a word on who reads: no cookie, no address, no time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use tracing::warn;

use crate::content::article::{Read, add_views, forget_views};
use crate::content::retraction;
use crate::entry::{RecordId, SiteId};
use crate::store::{Store, StoreError};

/// How often what was counted is kept; a crash loses no more than that.
const EVERY: Duration = Duration::from_secs(5);
/// Articles counted between two times, at most; what is read beyond is not counted.
const MOST: usize = 10_000;
/// Parts of the names that programs give themselves which read everything.
const PROGRAMS: [&str; 4] = ["bot", "spider", "crawl", "slurp"];

/// A route's word, among the extensions of its answer: whoever gets this reads that article.
#[derive(Clone, Copy, Debug)]
pub(super) struct Viewed(pub(super) SiteId, pub(super) RecordId);

/// What was read since it was last kept. Cheap to clone; all listeners of a site share one.
#[derive(Clone, Debug, Default)]
pub struct Views(Arc<Mutex<HashMap<Read, u64>>>);

impl Views {
    /// Counts one reading.
    pub(super) fn count(&self, read: Read) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = counts.len() < MOST;
        match counts.entry(read) {
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(place) if room => {
                place.insert(1);
            }
            Entry::Vacant(_) => {}
        }
    }

    /// Keeps what is counted every few seconds, until `stop` and then once more.
    pub async fn run(self, store: Store, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut every = tokio::time::interval(EVERY);
        let mut swept = None;
        loop {
            let last = tokio::select! {
                () = &mut stop => true,
                _ = every.tick() => false,
            };
            if let Err(error) = self.keep(&store, &mut swept).await {
                warn!(%error, "what was read could not be counted; trying again");
            }
            if last {
                return;
            }
        }
    }

    /// Keeps what is counted; forgets what was withdrawn since the journal's position `swept`.
    pub(super) async fn keep(
        &self,
        store: &Store,
        swept: &mut Option<i64>,
    ) -> Result<(), StoreError> {
        let latest = retraction::latest(&mut store.read().await?).await?;
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if counts.is_empty() && *swept == Some(latest) {
            return Ok(());
        }
        let kept = async {
            let mut tx = store.write().await?;
            add_views(&mut tx, counts.iter().map(|(read, count)| (*read, *count))).await?;
            // After the counting: what was withdrawn may have been read before.
            if *swept != Some(latest) {
                forget_views(&mut tx).await?;
            }
            tx.commit().await
        };
        let kept = kept.await;
        if kept.is_ok() {
            *swept = Some(latest);
        } else {
            let mut again = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (read, count) in counts {
                *again.entry(read).or_default() += count;
            }
        }
        kept
    }
}

/// Whether a program asks that reads everything, by its own word.
pub(super) fn is_program(headers: &HeaderMap) -> bool {
    let name = headers.get(USER_AGENT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let name = name.to_ascii_lowercase();
    PROGRAMS.iter().any(|part| name.contains(part))
}
