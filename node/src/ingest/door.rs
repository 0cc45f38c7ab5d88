//! The door itself: a task that takes whatever waits into one transaction.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::append::Appender;
use super::author;
use super::outcome::tally;
use super::{
    Checked, Draft, IngestError, NotingPlan, Origin, Outcome, Plan, Planned, Taken, Verified,
    Written,
};
use crate::clock::SharedClock;
use crate::entry::{Entry, Lane, LogId};
use crate::identity::Identity;
use crate::journal::{self, End, Fresh, Meta, Pins};
use crate::store::{Store, StoreError, Tx};

/// Submissions that may wait at the door; more wait at their senders (rule 9).
const QUEUE: usize = 256;
/// A transaction takes no more entries than this once it has some.
const GROUP_ENTRIES: usize = 4096;
/// How often the journal is looked at for what other processes wrote.
const POLL: Duration = Duration::from_millis(250);

/// After so many looks without work the store hands back what it kept in memory for writing: two seconds.
const REST: u8 = 8;

/// The way in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    queue: mpsc::Sender<Command>,
    end: watch::Receiver<i64>,
    fresh: Fresh,
}

/// The task behind a [`Door`]; run it once.
pub struct DoorTask {
    store: Store,
    identity: Arc<Identity>,
    clock: SharedClock,
    queue: mpsc::Receiver<Command>,
    end: watch::Sender<i64>,
    fresh: Fresh,
    /// Looks until the store may rest; none since it does.
    rest_in: Option<u8>,
}

impl std::fmt::Debug for DoorTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DoorTask").field("site", &self.identity.site).finish_non_exhaustive()
    }
}

/// What is asked of the door, and where the answer goes.
struct Command {
    ask: Ask,
    reply: Reply,
}

enum Ask {
    Take(Batch),
    Write(NotingPlan),
}

/// Entries of one submission, and how far its link has read once they are kept.
struct Batch {
    items: Vec<(Verified, Origin)>,
    cursor: Option<(Lane, Bytes)>,
}

enum Done {
    Taken(Taken),
    Written(Result<Vec<Written>, IngestError>),
}

type Reply = oneshot::Sender<Result<Done, IngestError>>;

impl Door {
    /// A door to `store`, and the task that has to run behind it.
    pub fn new(store: Store, identity: Arc<Identity>, clock: SharedClock) -> (Self, DoorTask) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let (end_sender, end) = watch::channel(0);
        let fresh = Fresh::default();
        let (door, end) = (Self { queue: sender, end, fresh: fresh.clone() }, end_sender);
        let task = DoorTask { store, identity, clock, queue, end, fresh, rest_in: None };
        (door, task)
    }

    /// Takes entries from elsewhere. When this returns, what was accepted is on the disk and folded.
    pub async fn take(&self, entries: Vec<Entry>, origin: Origin) -> Result<Taken, IngestError> {
        self.take_upto(entries, origin, None).await
    }

    /// As [`Door::take`]; keeps the cursor of the link they came over in the same transaction (rule 1).
    pub async fn take_upto(
        &self,
        entries: Vec<Entry>,
        origin: Origin,
        cursor: Option<(Lane, Bytes)>,
    ) -> Result<Taken, IngestError> {
        self.take_checked(Checked::of(entries).await, origin, cursor).await
    }

    /// As [`Door::take_upto`], of entries that were checked before.
    pub async fn take_checked(
        &self,
        checked: Checked,
        origin: Origin,
        cursor: Option<(Lane, Bytes)>,
    ) -> Result<Taken, IngestError> {
        let Checked { held, refused } = checked;
        let items = held.into_iter().map(|item| (item, origin)).collect();
        let Done::Taken(mut taken) = self.ask(Ask::Take(Batch { items, cursor })).await? else {
            return Err(IngestError::Stopping);
        };
        for (index, refusal) in refused {
            taken.outcomes.insert(index, Outcome::Refused(refusal));
        }
        counter!("lianbo_entries_total", "outcome" => "accepted")
            .increment(taken.accepted() as u64);
        let counts = tally(taken.refusals());
        for (reason, count) in &counts {
            counter!("lianbo_entries_total", "outcome" => *reason).increment(*count);
        }
        if !counts.is_empty() {
            warn!(?counts, ?origin, "entries refused at the door");
        }
        Ok(taken)
    }

    /// Writes what `plan` decides inside the transaction; all of it or nothing.
    pub async fn write_planned(&self, plan: Plan) -> Result<Vec<Written>, IngestError> {
        self.write_noting(Box::new(move |tx: &mut Tx| {
            Box::pin(async move { Ok(Planned { drafts: plan(tx).await?, note: None }) })
        }))
        .await
    }

    /// As [`Door::write_planned`]; keeps in the same transaction what the plan noted (rule 1).
    pub async fn write_noting(&self, plan: NotingPlan) -> Result<Vec<Written>, IngestError> {
        match self.ask(Ask::Write(plan)).await? {
            Done::Written(written) => written,
            Done::Taken(_) => Err(IngestError::Stopping),
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Done, IngestError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Command { ask, reply }).await.map_err(|_| IngestError::Stopping)?;
        answer.await.map_err(|_| IngestError::Stopping)?
    }

    /// Writes these drafts; all of them or none.
    pub async fn write(&self, drafts: Vec<Draft>) -> Result<Vec<Written>, IngestError> {
        self.write_planned(Box::new(move |_| Box::pin(async move { Ok(drafts) }))).await
    }

    /// The last position of the journal, whoever wrote it. A hint to look; what is read is the truth.
    pub fn end(&self) -> watch::Receiver<i64> {
        self.end.clone()
    }

    /// What this door let in lately: there before [`Door::end`] tells of it.
    pub fn fresh(&self) -> Fresh {
        self.fresh.clone()
    }
}

impl DoorTask {
    /// Runs until `stop`, then answers what waits and ends.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                command = self.queue.recv() => match command {
                    Some(command) => self.run_group(command).await,
                    None => break,
                },
                () = stop.cancelled() => {
                    self.queue.close();
                    while let Some(command) = self.queue.recv().await {
                        self.run_group(command).await;
                    }
                    break;
                }
                _ = poll.tick() => {
                    self.look().await;
                    self.rest().await;
                }
            }
        }
    }

    async fn rest(&mut self) {
        match self.rest_in {
            Some(0) => {
                self.rest_in = None;
                if let Err(error) = self.store.rest().await {
                    warn!(%error, "the store could not hand back its memory");
                }
            }
            looks => self.rest_in = looks.map(|looks| looks - 1),
        }
    }

    async fn look(&self) {
        let looked = async {
            let mut tx = self.store.read().await?;
            journal::end(&mut tx).await
        };
        match looked.await {
            Ok(end) => self.announce(end),
            Err(error) => warn!(%error, "the journal could not be looked at"),
        }
    }

    fn announce(&self, end: End) {
        self.end.send_if_modified(|known| {
            let further = end.position > *known;
            *known = end.position.max(*known);
            further
        });
    }

    async fn run_group(&mut self, first: Command) {
        self.rest_in = Some(REST);
        let mut asks = vec![first.ask];
        let mut replies = vec![first.reply];
        let mut entries = 0;
        while entries < GROUP_ENTRIES {
            let Ok(next) = self.queue.try_recv() else { break };
            entries += match &next.ask {
                Ask::Take(batch) => batch.items.len(),
                Ask::Write(_) => 1,
            };
            asks.push(next.ask);
            replies.push(next.reply);
        }
        let answers = match self.transact(asks).await {
            Ok((done, end)) => {
                self.announce(end);
                done.into_iter().map(Ok).collect()
            }
            Err(error) => {
                error!(%error, "a transaction failed; nothing of it was kept");
                replies.iter().map(|_| Err(error.clone())).collect::<Vec<_>>()
            }
        };
        for (reply, answer) in replies.into_iter().zip(answers) {
            if reply.send(answer).is_err() {
                debug!("whoever asked the door has gone; the data are kept");
            }
        }
    }

    /// One transaction for all that is asked. Its error is everybody's.
    async fn transact(&self, asks: Vec<Ask>) -> Result<(Vec<Done>, End), IngestError> {
        let mut tx = self.store.write().await?;
        let meta = Meta::load(&mut tx).await?.ok_or(StoreError::Corrupt("table meta is empty"))?;
        let pins = Pins::load(&mut tx).await?;
        let (now, appended) = (self.clock.now(), self.fresh.wanted());
        let mut appender = Appender::begin(&mut tx, &pins, now, appended).await?;
        let mut done = Vec::with_capacity(asks.len());
        let mut asks = asks.into_iter().peekable();
        while let Some(ask) = asks.next() {
            match ask {
                Ask::Write(plan) => {
                    let written = author::write(&mut appender, &meta, &self.identity, plan).await?;
                    done.push(Done::Written(written));
                }
                Ask::Take(batch) => {
                    let mut batches = vec![batch];
                    while let Some(Ask::Take(batch)) =
                        asks.next_if(|next| matches!(next, Ask::Take(_)))
                    {
                        batches.push(batch);
                    }
                    done.extend(take_batches(&mut appender, batches).await?);
                }
            }
        }
        let (end, appended) = (appender.end(), appender.appended());
        tx.commit().await?;
        self.fresh.keep(appended);
        Ok((done, end))
    }
}

/// Takes the entries of several submissions in one go.
async fn take_batches(
    appender: &mut Appender<'_>,
    batches: Vec<Batch>,
) -> Result<Vec<Done>, StoreError> {
    let mut shapes = Vec::with_capacity(batches.len());
    let mut items = Vec::new();
    let mut cursors = Vec::new();
    for mut batch in batches {
        let logs: Vec<LogId> = batch.items.iter().map(|(item, _)| item.head.log).collect();
        shapes.push(logs);
        items.append(&mut batch.items);
        cursors.extend(batch.cursor);
    }
    let outcomes = appender.take(items).await?;
    for (lane, cursor) in cursors {
        journal::save_cursor(appender.tx, lane, &cursor).await?;
    }
    let mut outcomes = outcomes.into_iter();
    Ok(shapes
        .into_iter()
        .map(|logs| {
            let outcomes: Vec<_> = outcomes.by_ref().take(logs.len()).collect();
            // Of a log whose entries were all refused nothing is told: its height may be none of the
            // peer's business (rule 2).
            let taken: BTreeSet<LogId> = logs
                .into_iter()
                .zip(&outcomes)
                .filter(|(_, outcome)| !matches!(outcome, Outcome::Refused(_)))
                .map(|(log, _)| log)
                .collect();
            let logs: Vec<_> = taken.into_iter().collect();
            Done::Taken(Taken { outcomes, heights: appender.heights(&logs) })
        })
        .collect())
}
