//! Keeps what polls brought: articles through the door, and in the same transaction what is remembered of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use lianbo_node::clock::SharedClock;
use lianbo_node::content::{article, column};
use lianbo_node::entry::{RecordId, SiteId};
use lianbo_node::ingest::{Door, IngestError, NotingPlan, Planned};
use metrics::counter;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::decide::{Answer, Known, Polled, Taken, decide};
use super::state::{self, Registry};

/// Keeps polls. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    pub(super) door: Door,
    pub(super) registry: Registry,
    /// The hub itself, whose articles these become.
    pub(super) site: SiteId,
    pub(super) clock: SharedClock,
}

impl Keeper {
    /// Keeps a batch; when this returns, all of it is on the disk. An error is the hub's, no source's.
    pub(super) async fn keep(&self, batch: Vec<Taken>) -> Result<Vec<Polled>, IngestError> {
        let batch = Arc::new(batch);
        let polled = match self.write(batch.clone()).await {
            // One source's articles must not keep those of others out.
            Err(IngestError::Rule(_)) if batch.len() > 1 => self.one_by_one(&batch).await?,
            Err(IngestError::Rule(refusal)) => {
                let failed = Answer::Failed {
                    error: format!("its articles are refused: {refusal}"),
                    blocked: false,
                    retry_after_ms: None,
                };
                let batch = batch.iter().cloned().map(|it| Taken { answer: failed.clone(), ..it });
                self.write(Arc::new(batch.collect())).await?
            }
            kept => kept?,
        };
        for (before, after) in batch.iter().zip(&polled) {
            tell(before, after);
        }
        Ok(polled)
    }

    async fn one_by_one(&self, batch: &[Taken]) -> Result<Vec<Polled>, IngestError> {
        let mut polled = Vec::with_capacity(batch.len());
        for taken in batch {
            polled.extend(Box::pin(self.keep(vec![taken.clone()])).await?);
        }
        Ok(polled)
    }

    async fn write(&self, batch: Arc<Vec<Taken>>) -> Result<Vec<Polled>, IngestError> {
        let now = self.clock.now();
        let articles = |taken: &Taken| matches!(&taken.answer, Answer::Read { candidates, .. } if !candidates.is_empty());
        if !batch.iter().any(articles) {
            let decided = decide(&batch, &Known::default(), now);
            self.registry.save(&decided.polls).await?;
            return Ok(decided.polled);
        }
        let site = self.site;
        let (tell, told) = oneshot::channel();
        let plan: NotingPlan = Box::new(move |tx| {
            Box::pin(async move {
                let mut known = Known::default();
                let columns: BTreeSet<&String> =
                    batch.iter().map(|it| &it.watched.source.column).collect();
                for slug in columns {
                    if column::get(tx, site, slug).await?.is_some_and(|it| !it.closed) {
                        known.open.insert(slug.clone());
                    }
                }
                known.seen =
                    state::seen(tx, items(&batch).map(|(source, id, _)| (source, id))).await?;
                let fresh =
                    items(&batch).filter(|(_, id, content)| known.seen.get(id) != Some(content));
                let fresh: Vec<RecordId> = fresh.map(|(_, id, _)| id).collect();
                known.told = article::told(tx, site, &fresh).await?;
                let decided = decide(&batch, &known, now);
                let (seen, polls) = (decided.seen, decided.polls);
                // Whoever asked may have gone; what is written is written.
                drop(tell.send(decided.polled));
                Ok(Planned {
                    drafts: decided.drafts,
                    note: Some(Box::new(move |tx| {
                        Box::pin(async move { state::note(tx, &seen, &polls).await })
                    })),
                })
            })
        });
        self.door.write_noting(plan).await?;
        told.await.map_err(|_| IngestError::Stopping)
    }
}

/// Every item of a batch: its source, the article, a hash of what it says.
fn items(batch: &[Taken]) -> impl Iterator<Item = (&str, RecordId, lianbo_node::entry::Hash)> {
    batch.iter().flat_map(|taken| {
        let candidates = match &taken.answer {
            Answer::Read { candidates, .. } => candidates.as_slice(),
            _ => &[],
        };
        candidates
            .iter()
            .map(|it| (taken.watched.source.source.as_str(), it.article.id, it.content))
    })
}

/// Counts, and says once when a source comes to stand otherwise.
fn tell(before: &Taken, after: &Polled) {
    counter!("lianbo_source_polls_total", "standing" => after.standing.as_str()).increment(1);
    for (outcome, count) in
        [("new", after.new), ("changed", after.changed), ("skipped", after.skipped)]
    {
        if count > 0 {
            counter!("lianbo_source_items_total", "outcome" => outcome).increment(count as u64);
        }
    }
    if before.watched.poll.standing == after.standing {
        return;
    }
    let (source, standing) = (&after.source, after.standing.as_str());
    if after.standing.alarms() {
        warn!(source, standing, items = after.items, error = %after.error, "a source needs looking after");
    } else if before.watched.poll.standing.alarms() {
        info!(source, standing, items = after.items, "a source is well again");
    }
}
