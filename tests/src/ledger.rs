//! What is on a site's disk, read without the program's views: the ground of independent models.

use std::collections::{BTreeMap, BTreeSet};

use lianbo_node::entry::{Entry, Hash, LogId};
use lianbo_node::journal;
use lianbo_node::store::Store;
use lianbo_node::wire::decode_head;

/// The name of an entry: its place and its hash.
pub type Name = (LogId, u64, Hash);

/// The name that an entry's bytes have.
///
/// # Panics
/// If its head does not decode.
pub fn name(entry: &Entry) -> Name {
    let head = decode_head(&entry.head).expect("a kept head decodes");
    (head.log, head.seq, Hash(*blake3::hash(&entry.head).as_bytes()))
}

/// Every entry a site holds.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// In order of arrival.
    pub entries: Vec<Entry>,
    /// By name.
    pub names: BTreeSet<Name>,
}

impl Ledger {
    /// Reads the journal of `who`.
    ///
    /// # Panics
    /// If its positions are not dense, or anything is there twice.
    pub async fn read(store: &Store, who: &str) -> Self {
        let mut tx = store.read().await.expect("the store reads");
        let (mut entries, mut after) = (Vec::new(), 0);
        loop {
            let (page, _) = journal::all_after(&mut tx, after, 1 << 22).await.expect("a page");
            if page.is_empty() {
                break;
            }
            for item in page {
                after += 1;
                assert_eq!(item.position, after, "{who}: positions are not dense");
                entries.push(item.entry);
            }
        }
        let names: BTreeSet<Name> = entries.iter().map(name).collect();
        assert_eq!(names.len(), entries.len(), "{who}: held twice");
        Self { entries, names }
    }

    /// Whether it holds this entry.
    pub fn holds(&self, log: LogId, seq: u64, hash: Hash) -> bool {
        self.names.contains(&(log, seq, hash))
    }

    /// A log that has a gap or two entries at one place, where neither may be.
    pub fn broken(&self, of: impl Fn(&LogId) -> bool) -> Option<(LogId, u64)> {
        let mut tops: BTreeMap<LogId, u64> = BTreeMap::new();
        for (log, seq, _) in self.names.iter().filter(|(log, ..)| of(log)) {
            let top = tops.entry(*log).or_default();
            if *seq != *top + 1 {
                return Some((*log, *seq));
            }
            *top = *seq;
        }
        None
    }
}
