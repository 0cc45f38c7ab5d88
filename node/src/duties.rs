//! What a node signs by itself: that a notice has been delivered. Derived from the views, so that a crash
//! between loses nothing.

pub mod files;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::SharedClock;
use crate::content::Record;
use crate::content::notice::{self, Undelivered};
use crate::content::receipt::{Receipt, Stage};
use crate::identity::Identity;
use crate::ingest::{Door, Draft, IngestError, Plan};
use crate::store::Store;

/// Receipts written at a time.
const LIMIT: i64 = 256;

/// Does the duties whenever the journal has grown, until `stop`.
pub async fn run(
    store: Store,
    door: Door,
    identity: std::sync::Arc<Identity>,
    clock: SharedClock,
    stop: CancellationToken,
) {
    let mut end = door.end();
    let mut after = 0;
    loop {
        end.borrow_and_update();
        match once(&store, &door, &identity, &clock, &mut after).await {
            Ok(_) | Err(IngestError::Fenced(_) | IngestError::Stopping) => {}
            Err(error) => warn!(%error, "receipts wait for the next entry"),
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = end.changed() => if changed.is_err() { break },
        }
    }
}

/// Says that the notices held here after position `after` have been delivered, and moves it on; how many
/// receipts that took.
pub async fn once(
    store: &Store,
    door: &Door,
    identity: &Identity,
    clock: &SharedClock,
    after: &mut i64,
) -> Result<usize, IngestError> {
    let own = identity.site;
    let mut count = 0;
    loop {
        // Looked at outside the door first: most of the time nothing is due.
        let from = *after;
        let due = notice::undelivered(&mut store.read().await?, own, from, LIMIT).await?;
        let Some(last) = due.last().map(|it| it.position) else { return Ok(count) };
        let at_ms = clock.now();
        let plan: Plan = Box::new(move |tx| {
            Box::pin(async move {
                let due = notice::undelivered(tx, own, from, LIMIT).await?;
                Ok(due.into_iter().map(|it| delivered(&it, at_ms)).collect())
            })
        });
        count += door.write_planned(plan).await?.len();
        *after = last;
    }
}

fn delivered(notice: &Undelivered, at_ms: i64) -> Draft {
    let receipt = Receipt {
        site: notice.site,
        notice: notice.notice,
        stage: Stage::Delivered,
        person: String::new(),
        at_ms,
    };
    Draft::new(notice.audience, Record::Receipt(receipt))
}
