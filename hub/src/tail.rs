//! The end of the journal in memory, read once at most and encoded once for however many follow it.
//!
//! Bounded: it holds the last few segments. A follower that is further behind reads the journal.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lianbo_node::content::{self, Record};
use lianbo_node::entry::{Lane, SiteId};
use lianbo_node::journal::{self, End, Fresh, Item};
use lianbo_node::store::{Store, StoreError, Tx};
use lianbo_node::sync::filter::Filter;
use lianbo_node::wire::{decode_record, encode_frame_of};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::alike::{Alike, Class};

/// Bytes of entries the tail holds.
const BUDGET: usize = 16 * 1024 * 1024;
/// Bytes of one segment, before compression.
const SEGMENT: usize = 1024 * 1024;

/// Rest after the journal could not be read.
const AGAIN: Duration = Duration::from_secs(1);

/// Some entries at the end of the journal.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The position before its first entry.
    pub(crate) after: i64,
    /// Where it ends.
    pub(crate) end: End,
    items: Vec<Item>,
    bytes: usize,
    direct: bool,
    authors: BTreeSet<SiteId>,
    frames: Mutex<HashMap<Class, Option<Bytes>>>,
}

impl Segment {
    fn new(after: i64, end: End, items: Vec<Item>) -> Self {
        Self {
            after,
            end,
            bytes: items.iter().map(|item| item.entry.size()).sum(),
            direct: items.iter().any(|item| item.log.audience.addressee.is_some()),
            authors: items.iter().map(|item| item.log.site).collect(),
            items,
            frames: Mutex::default(),
        }
    }

    /// What `filter` lets through, encoded; `None` if that is nothing. Encoded once for all readers of a
    /// class, unless an entry in it concerns this very reader.
    pub(crate) fn frame(&self, filter: &Filter, class: &Class) -> Option<Bytes> {
        let personal =
            self.direct || filter.reader.site.is_some_and(|site| self.authors.contains(&site));
        if personal {
            return encode(self.items.iter(), filter);
        }
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.entry(*class).or_insert_with(|| encode(self.items.iter(), filter)).clone()
    }
}

/// Encodes what a filter lets through.
pub(crate) fn encode<'a>(items: impl Iterator<Item = &'a Item>, filter: &Filter) -> Option<Bytes> {
    let entries: Vec<_> = items
        .filter(|item| filter.lets(&item.log, item.slug.as_deref()))
        .map(|item| &item.entry)
        .collect();
    if entries.is_empty() {
        return None;
    }
    Some(encode_frame_of(entries.into_iter()))
}

/// The end of the journal, and who waits for it.
#[derive(Debug)]
pub(crate) struct Tail {
    segments: Mutex<VecDeque<Arc<Segment>>>,
    /// What those who are behind read alike.
    pub(crate) alike: Alike,
    end: watch::Sender<End>,
    membership: watch::Sender<i64>,
}

impl Tail {
    /// A tail that begins at the present end of the journal.
    pub(crate) async fn open(store: &Store) -> Result<Self, StoreError> {
        let end = journal::end(&mut store.read().await?).await?;
        Ok(Self {
            segments: Mutex::default(),
            alike: Alike::default(),
            end: watch::Sender::new(end),
            membership: watch::Sender::new(end.position),
        })
    }

    /// The end that followers may read up to.
    pub(crate) fn end(&self) -> watch::Receiver<End> {
        self.end.subscribe()
    }

    /// Wakes those who wait for the end: something else has changed that they have to look at.
    pub(crate) fn wake(&self) {
        self.end.send_modify(|_| {});
    }

    /// Changes whenever entries arrived that may say who belongs.
    pub(crate) fn membership(&self) -> watch::Receiver<i64> {
        self.membership.subscribe()
    }

    /// The segment that begins after `position`, if it is still here.
    pub(crate) fn segment(&self, position: i64) -> Option<Arc<Segment>> {
        let segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        segments.iter().rev().find(|segment| segment.after == position).cloned()
    }

    /// Follows the journal until `stop`, or until the door, which stops too, was the first to; then wakes whoever waits.
    /// What is fresh is not read again.
    pub(crate) async fn run(
        &self,
        store: Store,
        fresh: Fresh,
        mut journal_end: watch::Receiver<i64>,
        stop: CancellationToken,
    ) {
        fresh.want();
        loop {
            let upto = *journal_end.borrow_and_update();
            let failed = self.read_on(&store, &fresh, upto).await.err();
            if let Some(error) = &failed {
                warn!(%error, "the end of the journal could not be read; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = journal_end.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(AGAIN), if failed.is_some() => {}
            }
        }
        self.wake();
    }

    async fn read_on(&self, store: &Store, fresh: &Fresh, upto: i64) -> Result<(), StoreError> {
        loop {
            let begin = *self.end.borrow();
            let after = begin.position;
            if after >= upto {
                return Ok(());
            }
            let mut tx = store.read().await?;
            let mut items = fresh.take_after(after, SEGMENT);
            let mut end = items.iter().fold(begin, |end, item| end.after(item.hash));
            if items.is_empty() {
                (items, end) = journal::all_after(&mut tx, after, SEGMENT).await?;
            }
            strip_withdrawn(&mut tx, &mut items).await?;
            drop(tx);
            if end.position == after {
                return Ok(());
            }
            let control: Vec<_> =
                items.iter().filter(|it| it.log.lane == Lane::Control).map(said).collect();
            let withdraws = control.iter().any(|it| matches!(it, Some(Record::Retraction(_))));
            let membership = control
                .iter()
                .any(|it| !matches!(it, Some(Record::Retraction(_) | Record::FirstSeen(_))));
            let segment = Arc::new(Segment::new(after, end, items));
            {
                let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
                if withdraws {
                    // Bodies in here may be withdrawn by now: who is behind reads the journal instead.
                    segments.clear();
                    self.alike.clear();
                }
                segments.push_back(segment);
                let mut bytes: usize = segments.iter().map(|segment| segment.bytes).sum();
                while bytes > BUDGET && segments.len() > 1 {
                    bytes -= segments.pop_front().map_or(0, |oldest| oldest.bytes);
                }
            }
            self.end.send_replace(end);
            if membership {
                self.membership.send_replace(end.position);
            }
        }
    }
}

/// What an entry says; `None` where this program does not understand it.
fn said(item: &Item) -> Option<Record> {
    item.entry.body.as_ref().and_then(|body| decode_record(body).ok().flatten())
}

/// Takes the bodies out of entries that are withdrawn: they travel head-only, so that chains stay whole.
pub(crate) async fn strip_withdrawn(tx: &mut Tx, items: &mut [Item]) -> Result<(), StoreError> {
    let held: Vec<_> = items
        .iter()
        .filter(|item| item.log.lane == Lane::Content)
        .map(|item| (item.log.site, item.hash, item.position))
        .collect();
    if held.is_empty() {
        return Ok(());
    }
    let withdrawn = content::retraction::withdrawn(tx, &held).await?;
    for item in items {
        if withdrawn.contains(&(item.log.site, item.hash)) {
            item.entry.body = None;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lianbo_node::store::testing::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn whoever_stops_first_those_who_wait_are_woken() {
        let database = TestDatabase::sqlite().await;
        let (stop, by_the_door) = (CancellationToken::new(), CancellationToken::new());
        stop.cancel();
        for (stop, door_goes) in [(stop, false), (by_the_door, true)] {
            let tail = Tail::open(&database.store).await.unwrap();
            let (door, journal_end) = watch::channel(0);
            let door = (!door_goes).then_some(door);
            let waits = tail.end();
            tail.run(database.store.clone(), Fresh::default(), journal_end, stop).await;
            assert!(waits.has_changed().unwrap(), "door gone: {door_goes}");
            drop(door);
        }
    }
}
