//! How much of each log somebody holds, and the difference of two such lists. Pure.

use std::collections::BTreeMap;

use crate::entry::{Hash, LogId};

/// Everything up to `seq` is held, and `hash` names the entry there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Height {
    /// Sequence of the last entry without a gap.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Heights of many logs.
pub type Heights = BTreeMap<LogId, Height>;

/// What comparing two lists of heights of one author's logs shows, seen from the side that asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Ours holds at least as much everywhere, as far as heights can tell.
    Ahead,
    /// Theirs holds more of these logs: we lost data.
    Behind(Vec<LogId>),
    /// Same place, different entry: two machines wrote the same log.
    Forked(Vec<LogId>),
}

/// Compares the heights a log's one writer claims (`ours`) with those its reader holds (`theirs`).
/// A fork is the graver finding and hides a loss.
pub fn compare(ours: &Heights, theirs: &Heights) -> Comparison {
    let mut behind = Vec::new();
    let mut forked = Vec::new();
    for (log, held) in theirs {
        match ours.get(log) {
            Some(claim) if claim.seq == held.seq && claim.hash != held.hash => forked.push(*log),
            Some(claim) if claim.seq >= held.seq => {}
            _ => behind.push(*log),
        }
    }
    if !forked.is_empty() {
        Comparison::Forked(forked)
    } else if !behind.is_empty() {
        Comparison::Behind(behind)
    } else {
        Comparison::Ahead
    }
}

/// What the holder of `theirs` has to send so that `ours` is complete: for each log of theirs that
/// goes further, the sequence we hold already (0 for none). Each is to be sent from the next one on.
pub fn lacking(ours: &Heights, theirs: &Heights) -> BTreeMap<LogId, u64> {
    theirs
        .iter()
        .filter_map(|(log, held)| {
            let have = ours.get(log).map_or(0, |height| height.seq);
            (held.seq > have).then_some((*log, have))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Incarnation, Lane, SiteId};
    use crate::scope::{Audience, Scope};

    fn log(site: u8) -> LogId {
        LogId {
            site: SiteId([site; 16]),
            incarnation: Incarnation([0; 16]),
            audience: Audience::all(Scope::Public),
            lane: Lane::Content,
        }
    }

    fn heights(list: &[(u8, u64, u8)]) -> Heights {
        list.iter()
            .map(|&(site, seq, hash)| (log(site), Height { seq, hash: Hash([hash; 32]) }))
            .collect()
    }

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let ours = heights(&[(1, 5, 0), (2, 3, 0)]);
        let theirs = heights(&[(1, 5, 0), (2, 7, 0), (3, 1, 0)]);
        assert_eq!(lacking(&ours, &theirs), BTreeMap::from([(log(2), 3), (log(3), 0)]));
        assert_eq!(lacking(&theirs, &ours), BTreeMap::new());
    }

    #[test]
    fn a_writer_that_lost_data_and_a_clone_are_told_apart() {
        let held = heights(&[(1, 5, 9)]);
        assert_eq!(compare(&heights(&[(1, 5, 9)]), &held), Comparison::Ahead);
        assert_eq!(compare(&heights(&[(1, 6, 1)]), &held), Comparison::Ahead);
        assert_eq!(compare(&heights(&[(1, 4, 1)]), &held), Comparison::Behind(vec![log(1)]));
        assert_eq!(compare(&heights(&[]), &held), Comparison::Behind(vec![log(1)]));
        assert_eq!(compare(&heights(&[(1, 5, 8)]), &held), Comparison::Forked(vec![log(1)]));
    }
}
