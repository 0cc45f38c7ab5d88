//! A hub's signed word on when it first held entries of others: caps their claimed dates (rule 6).

use crate::entry::{Hash, SiteId};

/// Most sightings in one record.
pub const MAX_SIGHTINGS: usize = 512;

/// When a hub first held entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstSeen {
    /// What was seen.
    pub sightings: Vec<Sighting>,
}

/// One entry, seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its author.
    pub site: SiteId,
    /// Its hash.
    pub hash: Hash,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}
