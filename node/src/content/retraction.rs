//! 撤稿: an author withdraws its own entries. Always wins, even if it arrives first (rule 3).

use crate::entry::{Hash, LogId, RecordId};

/// Most entries one retraction may name.
pub const MAX_TARGETS: usize = 256;

/// Withdraws entries of the author's own site, in any incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retraction {
    /// The withdrawn entries.
    pub targets: Vec<Target>,
    /// The withdrawn article or notice: all its revisions, known or not, go with it.
    pub record: Option<RecordId>,
    /// Why, as readers may be told.
    pub reason: String,
}

/// One entry, named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its log.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}
