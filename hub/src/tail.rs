//! The end of the journal in memory, read once at most and encoded once for however many follow it.
//!
//! Bounded: it holds the last few segments. A follower that is further behind reads the journal.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

use crate::alike::{Alike, Class, Page};

/// Bytes of memory the tail's segments take.
const BUDGET: usize = 8 * 1024 * 1024;
/// Bytes of one segment, before compression.
const SEGMENT: usize = 1024 * 1024;

/// Rest after the journal could not be read.
const AGAIN: Duration = Duration::from_secs(1);

/// Some entries at the end of the journal.
#[derive(Debug)]
struct Segment {
    /// The position before its first entry.
    after: i64,
    /// Where it ends.
    end: End,
    items: Box<[Item]>,
    /// What it takes in memory.
    bytes: usize,
    direct: bool,
    authors: Box<[SiteId]>,
    lanes: Box<[Lane]>,
}

impl Segment {
    fn new(after: i64, end: End, items: Vec<Item>) -> Self {
        let authors: BTreeSet<SiteId> = items.iter().map(|item| item.log.site).collect();
        let lanes: BTreeSet<Lane> = items.iter().map(|item| item.log.lane).collect();
        let of_items: usize = items.iter().map(Item::memory).sum();
        Self {
            after,
            end,
            bytes: size_of::<Self>()
                + of_items
                + size_of::<SiteId>() * authors.len()
                + size_of::<Lane>() * lanes.len(),
            direct: items.iter().any(|item| item.log.audience.addressee.is_some()),
            authors: authors.into_iter().collect(),
            lanes: lanes.into_iter().collect(),
            items: items.into(),
        }
    }

    /// Whether something in it concerns this very reader, and not all of its class alike.
    fn concerns(&self, filter: &Filter) -> bool {
        let own = |site| self.authors.binary_search(&site).is_ok();
        self.direct || filter.reader.site.is_some_and(own)
    }
}

/// Some segments, each where the one before it ends.
#[derive(Debug, Default)]
struct Segments {
    list: VecDeque<Arc<Segment>>,
    bytes: usize,
}

impl Segments {
    /// Adds one; the first go where all would take too much.
    fn push(&mut self, segment: Segment) {
        self.bytes += segment.bytes;
        self.list.push_back(Arc::new(segment));
        while self.bytes > BUDGET && self.list.len() > 1 {
            self.bytes -= self.list.pop_front().map_or(0, |oldest| oldest.bytes);
        }
    }

    /// The one that begins there.
    fn after(&self, position: i64) -> Option<Arc<Segment>> {
        let found = self.list.binary_search_by_key(&position, |segment| segment.after);
        found.ok().map(|index| self.list[index].clone())
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
    segments: Mutex<Segments>,
    /// What many read alike, of the segments and of the journal.
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

    /// What `filter` lets through of what follows `after` here, encoded, and where that ends. Encoded once for all readers
    /// of a class, unless something in it concerns this very reader. `None` if it is not here any more, or goes beyond
    /// `upto`: the journal has it.
    pub(crate) fn page(
        &self,
        filter: &Filter,
        class: &Class,
        after: i64,
        upto: i64,
    ) -> Option<Page> {
        let segment = self.segment(after).filter(|it| it.end.position <= upto)?;
        let encoded = || (encode(segment.items.iter(), filter), segment.end);
        if !segment.lanes.contains(&filter.lane) {
            return Some((None, segment.end));
        }
        if segment.concerns(filter) {
            return Some(encoded());
        }
        let page = self.alike.place(class, after, segment.end.position);
        // Looked for again now that there is a place: what is withdrawn meanwhile clears the segments first, then places.
        self.segment(after)?;
        Some(page.get().cloned().unwrap_or_else(|| {
            let encoded = encoded();
            // Two threads may do so at a time, and both come to the same.
            drop(page.set(encoded.clone()));
            encoded
        }))
    }

    fn segment(&self, after: i64) -> Option<Arc<Segment>> {
        self.segments().after(after)
    }

    fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
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
            let segment = Segment::new(after, end, items);
            {
                let mut segments = self.segments();
                if withdraws {
                    // Bodies in here may be withdrawn by now: who is behind reads the journal instead.
                    *segments = Segments::default();
                    self.alike.clear();
                }
                segments.push(segment);
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
    use lianbo_node::entry::{Entry, Hash, Incarnation, LogId};
    use lianbo_node::scope::{Audience, Reader, Scope};
    use lianbo_node::store::testing::TestDatabase;

    use super::*;

    /// A segment of one entry with so large a body, at its own position.
    fn segment(position: i64, body: usize) -> Segment {
        let entry =
            Entry { head: Bytes::new(), signature: Bytes::new(), body: Some(vec![0; body].into()) };
        let log = LogId {
            site: SiteId([1; 16]),
            incarnation: Incarnation([0; 16]),
            audience: Audience::all(Scope::Public),
            lane: Lane::Content,
        };
        let hash = Hash([0; 32]);
        let item = Item { position, log, seq: 1, hash, slug: None, entry };
        Segment::new(position - 1, End { position, rolling: hash }, vec![item])
    }

    #[test]
    fn many_small_segments_take_no_more_memory_than_few_large_ones() {
        let least = size_of::<Segment>() + size_of::<Item>();
        for body in [1, SEGMENT] {
            let mut segments = Segments::default();
            (1..=100_000 / i64::try_from(body.min(1_000)).unwrap())
                .for_each(|position| segments.push(segment(position, body)));
            let count = segments.list.len();
            assert!(count > 1 && count * (least + body) <= BUDGET, "{count} of {body}");
            let first = segments.list[0].after;
            assert!(first > 0 && segments.after(first - 1).is_none());
            assert!(segments.after(first).is_some_and(|it| it.after == first));
        }
    }

    #[tokio::test]
    async fn who_is_of_a_class_is_given_the_same_bytes_and_the_author_none() {
        let database = TestDatabase::sqlite().await;
        let tail = Tail::open(&database.store).await.unwrap();
        tail.segments().push(segment(1, 100));
        let filter = |site| Filter {
            reader: Reader::site(SiteId([site; 16]), Scope::Public, Scope::Public),
            trunk: SiteId([1; 16]),
            lane: Lane::Content,
            subscriptions: Vec::new(),
            refill: false,
        };
        let page = |site| {
            let filter = filter(site);
            tail.page(&filter, &Class::of(&filter), 0, 1).map(|(frame, _)| frame)
        };
        let (one, other) = (page(2).flatten().unwrap(), page(3).flatten().unwrap());
        assert_eq!(one.as_ptr(), other.as_ptr());
        assert_eq!(page(1), Some(None), "the author has it");
        let reader = filter(2);
        assert!(tail.page(&reader, &Class::of(&reader), 0, 0).is_none(), "it goes beyond");
        let of_other_lane = Filter { lane: Lane::Control, ..filter(2) };
        assert_eq!(tail.page(&of_other_lane, &Class::of(&of_other_lane), 0, 1).unwrap().0, None);
        *tail.segments() = Segments::default();
        assert_eq!(page(2), None);
    }

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
