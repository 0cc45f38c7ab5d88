//! Entries that this process appended a moment ago, for who follows the journal in memory: it need not read them back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Item;

/// Most bytes of memory kept, the newest: who follows takes them at once, as a rule, and reads the journal where it did not.
const MOST: usize = 8 * 1024 * 1024;

/// These entries, in the order of the journal. Nothing is kept before somebody [wants](Self::want) them. Cheap to clone;
/// clones share them.
#[derive(Clone, Debug, Default)]
pub struct Fresh(Arc<Mutex<Option<Newest>>>);

/// The last of some entries.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Fresh {
    /// Keeps what is appended from now on.
    pub fn want(&self) {
        self.kept().get_or_insert_default();
    }

    /// Where to put what is about to be appended, if anybody wants it.
    pub(crate) fn wanted(&self) -> Option<Newest> {
        self.kept().is_some().then(Newest::default)
    }

    /// Keeps what is on the disk by now.
    pub(crate) fn keep(&self, appended: Newest) {
        if let Some(kept) = &mut *self.kept() {
            appended.items.into_iter().for_each(|item| kept.push(item));
        }
    }

    /// Takes out the entries that follow the position `after` without a gap, one at least, until they would have more than
    /// so many bytes. None where the first of them is not here: another process appended it, or it was too long ago.
    pub fn take_after(&self, mut after: i64, bytes: usize) -> Vec<Item> {
        let (mut taken, mut taken_bytes) = (Vec::new(), 0);
        let mut kept = self.kept();
        let Some(kept) = &mut *kept else { return taken };
        kept.forget_upto(after);
        while let Some(next) = kept.items.front() {
            taken_bytes += next.entry.size();
            if next.position != after + 1 || taken_bytes > bytes && !taken.is_empty() {
                break;
            }
            after = next.position;
            taken.extend(kept.pop());
        }
        taken
    }

    fn kept(&self) -> MutexGuard<'_, Option<Newest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newest {
    /// Adds one; the first go where they would be too many.
    pub(crate) fn push(&mut self, item: Item) {
        self.bytes += item.memory();
        self.items.push_back(item);
        while self.bytes > MOST {
            self.pop();
        }
    }

    /// Forgets what is at this position and before it: who follows reads that in the journal.
    pub(crate) fn forget_upto(&mut self, position: i64) {
        while self.items.front().is_some_and(|item| item.position <= position) {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes -= item.memory();
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::entry::{Entry, Hash, Incarnation, Lane, LogId, SiteId};
    use crate::scope::{Audience, Scope};

    fn item(position: i64, body: usize) -> Item {
        let entry =
            Entry { head: Bytes::new(), signature: Bytes::new(), body: Some(vec![0; body].into()) };
        let log = LogId {
            site: SiteId([1; 16]),
            incarnation: Incarnation([0; 16]),
            audience: Audience::all(Scope::Public),
            lane: Lane::Content,
        };
        Item { position, log, seq: 1, hash: Hash([0; 32]), slug: None, entry }
    }

    fn kept(positions: impl IntoIterator<Item = i64>, body: usize) -> Fresh {
        let fresh = Fresh::default();
        assert!(fresh.wanted().is_none());
        fresh.want();
        let mut appended = fresh.wanted().unwrap();
        positions.into_iter().for_each(|position| appended.push(item(position, body)));
        fresh.keep(appended);
        fresh
    }

    fn take(fresh: &Fresh, after: i64, bytes: usize) -> Vec<i64> {
        fresh.take_after(after, bytes).iter().map(|item| item.position).collect()
    }

    #[test]
    fn what_follows_without_a_gap_is_taken_once() {
        let fresh = kept([3, 4, 5, 8], 10);
        assert_eq!(take(&fresh, 1, 1_000), Vec::<i64>::new());
        assert_eq!(take(&fresh, 3, 1_000), [4, 5]);
        assert_eq!(take(&fresh, 3, 1_000), Vec::<i64>::new());
        assert_eq!(take(&fresh, 7, 1_000), [8]);
        assert_eq!(fresh.kept().as_ref().unwrap().bytes, 0);
    }

    #[test]
    fn no_more_is_taken_than_asked_for_and_one_at_least() {
        let fresh = kept(1..=4, 10);
        let two = 2 * item(1, 10).entry.size();
        assert_eq!(take(&fresh, 0, two), [1, 2]);
        assert_eq!(take(&fresh, 2, 1), [3]);
    }

    #[test]
    fn of_too_much_the_newest_is_kept() {
        let fresh = kept(1..=9, MOST / 8);
        let (first, bytes) = {
            let kept = fresh.kept();
            let kept = kept.as_ref().unwrap();
            (kept.items[0].position, kept.bytes)
        };
        assert!(first > 1 && bytes <= MOST, "{bytes} bytes from {first} on");
        assert_eq!(take(&fresh, 0, usize::MAX), Vec::<i64>::new());
        assert_eq!(take(&fresh, first - 1, usize::MAX), (first..=9).collect::<Vec<_>>());
    }
}
