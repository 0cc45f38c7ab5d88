//! What many readers read alike: read once and encoded once. What is new goes to all at a time; after the hub, or a line,
//! was away, a whole county comes at a time; a thousand new nodes each begin with the same history.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lianbo_node::entry::{Hash, Lane};
use lianbo_node::journal::End;
use lianbo_node::scope::Scope;
use lianbo_node::store::StoreError;
use lianbo_node::sync::filter::Filter;
use tokio::sync::OnceCell;

/// Bytes of frames kept.
const BUDGET: usize = 16 * 1024 * 1024;
/// Pages kept; most are far smaller than what the budget leaves each.
const PAGES: usize = 512;

/// Readers that get the same bytes, but for what is theirs alone: what they wrote, and what is addressed to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    lane: Lane,
    ceiling: Scope,
    filter: Hash,
}

impl Class {
    /// The class of a filter's reader.
    pub(crate) fn of(filter: &Filter) -> Self {
        let digest = anybody(filter).digest();
        Self { lane: filter.lane, ceiling: filter.reader.ceiling, filter: digest }
    }
}

/// The filter of a reader's whole class: its own without itself.
pub(crate) fn anybody(filter: &Filter) -> Filter {
    let mut filter = filter.clone();
    filter.reader.site = None;
    filter
}

/// A frame, and where it ends.
pub(crate) type Page = (Option<Bytes>, End);

#[derive(Debug)]
struct Kept {
    class: Class,
    after: i64,
    /// The end of the journal as its first reader saw it.
    upto: i64,
    page: Arc<OnceCell<Page>>,
}

impl Kept {
    /// Whether it is what a reader gets that asks for `upto`. A page that was full stays what it is; one that
    /// ended with the journal goes no further than that.
    fn serves(&self, class: &Class, after: i64, upto: i64) -> bool {
        let full = || {
            let end = self.page.get().map(|(_, end)| end.position);
            end.is_some_and(|end| end < self.upto && end < upto)
        };
        self.class == *class && self.after == after && (self.upto == upto || full())
    }

    fn bytes(&self) -> usize {
        self.page.get().and_then(|(frame, _)| frame.as_ref()).map_or(0, Bytes::len)
    }
}

/// Pages lately read. Bounded, by bytes and by number.
#[derive(Debug, Default)]
pub(crate) struct Alike(Mutex<VecDeque<Kept>>);

impl Alike {
    /// The page after `after` for readers of `class`, if need be by `reading` it; who asks meanwhile waits.
    pub(crate) async fn get(
        &self,
        class: &Class,
        after: i64,
        upto: i64,
        reading: impl Future<Output = Result<Page, StoreError>>,
    ) -> Result<Page, StoreError> {
        let page = self.place(class, after, upto);
        page.get_or_try_init(|| reading).await.cloned()
    }

    /// Where that page is, or is to be put.
    pub(crate) fn place(&self, class: &Class, after: i64, upto: i64) -> Arc<OnceCell<Page>> {
        let mut kept = self.kept();
        // What was put there last is what most ask for.
        if let Some(found) = kept.iter().rev().find(|it| it.serves(class, after, upto)) {
            return found.page.clone();
        }
        kept.retain(|it| it.class != *class || it.after != after);
        let mut bytes: usize = kept.iter().map(Kept::bytes).sum();
        while bytes > BUDGET || kept.len() >= PAGES {
            bytes -= kept.pop_front().map_or(0, |oldest| oldest.bytes());
        }
        let page = Arc::<OnceCell<Page>>::default();
        kept.push_back(Kept { class: *class, after, upto, page: page.clone() });
        page
    }

    /// Bodies in here may be withdrawn by now: the journal is read anew.
    pub(crate) fn clear(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use lianbo_node::entry::SiteId;
    use lianbo_node::scope::Reader;

    use super::*;

    fn class(ceiling: Scope) -> Class {
        Class::of(&Filter {
            reader: Reader::site(SiteId([2; 16]), ceiling, ceiling),
            trunk: SiteId([1; 16]),
            lane: Lane::Content,
            subscriptions: Vec::new(),
            refill: false,
        })
    }

    fn page(position: i64, bytes: usize) -> Page {
        (Some(vec![0; bytes].into()), End { position, rolling: Hash([0; 32]) })
    }

    async fn ends_at(alike: &Alike, class: Class, upto: i64, fresh: i64) -> i64 {
        let read = async { Ok(page(fresh, 10)) };
        alike.get(&class, 0, upto, read).await.unwrap().1.position
    }

    #[tokio::test]
    async fn a_page_is_read_once_for_a_class_and_never_for_another() {
        let (alike, class, other) =
            (Alike::default(), class(Scope::Organization), class(Scope::Public));
        assert_eq!(ends_at(&alike, class, 9, 7).await, 7);
        assert_eq!(ends_at(&alike, class, 9, 8).await, 7);
        assert_eq!(ends_at(&alike, other, 9, 8).await, 8);
    }

    #[tokio::test]
    async fn what_ended_with_the_journal_is_read_anew_when_that_has_grown_and_what_was_full_is_not()
    {
        let (alike, class) = (Alike::default(), class(Scope::Organization));
        assert_eq!(ends_at(&alike, class, 9, 9).await, 9);
        assert_eq!(ends_at(&alike, class, 12, 11).await, 11);
        assert_eq!(ends_at(&alike, class, 20, 20).await, 11);
        assert_eq!(ends_at(&alike, class, 10, 10).await, 10, "it never goes beyond what was asked");
    }

    #[tokio::test]
    async fn a_failed_read_is_tried_again_and_cleared_pages_are_gone() {
        let (alike, class) = (Alike::default(), class(Scope::Organization));
        let failed = alike.get(&class, 0, 9, async { Err(StoreError::Corrupt("a test")) }).await;
        assert!(failed.is_err());
        assert_eq!(ends_at(&alike, class, 9, 5).await, 5);
        alike.clear();
        assert_eq!(ends_at(&alike, class, 9, 6).await, 6);
    }

    #[tokio::test]
    async fn neither_bytes_nor_pages_pile_up() {
        let (alike, class) = (Alike::default(), class(Scope::Organization));
        for after in 0..100 {
            let large = async { Ok(page(after + 1, 1024 * 1024)) };
            alike.get(&class, after, 1000, large).await.unwrap();
        }
        let bytes: usize = alike.kept().iter().map(Kept::bytes).sum();
        assert!(bytes <= BUDGET + 1024 * 1024, "{bytes}");
        for after in 0..2000 {
            alike.get(&class, after, 1000, async { Ok(page(after, 1)) }).await.unwrap();
        }
        assert!(alike.kept().len() <= PAGES);
    }
}
