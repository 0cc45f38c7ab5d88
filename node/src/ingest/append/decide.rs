//! What becomes of each entry of a batch, and what of their logs; nothing is changed yet.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Appender, LogState};
use crate::args;
use crate::content;
use crate::entry::{Hash, LogId};
use crate::ingest::admit::refuse;
use crate::ingest::{Origin, Outcome, Refusal, Verified};
use crate::store::StoreError;

/// Entries already held at the places a batch touches.
#[derive(Default)]
struct Held(HashMap<(i64, u64), Vec<HeldEntry>>);

struct HeldEntry {
    hash: Hash,
    previous: Option<Hash>,
    position: i64,
    received_ms: i64,
    bodiless: bool,
}

impl Held {
    fn at(&self, log: i64, seq: u64) -> &[HeldEntry] {
        self.0.get(&(log, seq)).map_or(&[], Vec::as_slice)
    }
}

/// What a batch will change, decided before anything is changed.
#[derive(Default)]
pub(super) struct Decision {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) accepted: Vec<usize>,
    /// Entries held without a body, whose body came now: (position, when its head came, index).
    pub(super) filled: Vec<(i64, i64, usize)>,
    pub(super) forks: BTreeSet<(i64, u64)>,
    pub(super) logs: HashMap<LogId, LogState>,
    /// Logs whose gaps may have closed, or one of whose branches may have become the longest.
    pub(super) climbing: BTreeSet<LogId>,
}

impl Appender<'_> {
    /// Decides on entries, all of which may lean on what is folded already and on those before them.
    pub(super) async fn decide(
        &mut self,
        segment: &[(Verified, Origin)],
    ) -> Result<Decision, StoreError> {
        self.load_logs(segment.iter().map(|(item, _)| item.head.log)).await?;
        let refused = self.refusals(segment).await?;
        let mut held = self.held(segment).await?;
        let mut decision = Decision::default();
        let mut position = self.end.position;
        for (index, ((item, _), refused)) in segment.iter().zip(refused).enumerate() {
            if let Some(refusal) = refused {
                decision.outcomes.push(Outcome::Refused(refusal));
                continue;
            }
            let log = item.head.log;
            let state = decision.logs.entry(log).or_insert(self.logs[&log]);
            let (id, seq) = (state.id, item.head.seq);
            if let Some(same) = held.at(id, seq).iter().find(|it| it.hash == item.hash) {
                if same.bodiless && item.entry.body.is_some() {
                    decision.filled.push((same.position, same.received_ms, index));
                }
                decision.outcomes.push(Outcome::Known);
                continue;
            }
            // Signed twice in this place, or in the one before: held, or named by a neighbour.
            let here = !held.at(id, seq).is_empty()
                || held.at(id, seq + 1).iter().any(|it| it.previous != Some(item.hash));
            let before = held.at(id, seq - 1);
            let below =
                !before.is_empty() && !before.iter().any(|it| Some(it.hash) == item.head.previous);
            decision.forks.extend(here.then_some((id, seq)));
            decision.forks.extend(below.then_some((id, seq - 1)));
            state.forked |= here || below;
            position += 1;
            let bodiless = item.entry.body.is_none();
            let entry = HeldEntry {
                hash: item.hash,
                previous: item.head.previous,
                position,
                received_ms: self.now,
                bodiless,
            };
            held.0.entry((id, seq)).or_default().push(entry);
            if seq == state.height + 1 && item.head.previous == state.tip {
                state.height = seq;
                state.tip = Some(item.hash);
            }
            state.top = state.top.max(seq);
            state.lamport = state.lamport.max(item.head.lamport);
            if state.top > state.height || state.forked {
                decision.climbing.insert(log);
            }
            decision.accepted.push(index);
            decision.outcomes.push(Outcome::Accepted(position));
        }
        Ok(decision)
    }

    /// Looks up what is held at the places of these entries and beside them, where anything can be.
    async fn held(&mut self, segment: &[(Verified, Origin)]) -> Result<Held, StoreError> {
        let (mut places, mut tips) = (HashSet::new(), HashMap::new());
        for (item, _) in segment {
            let LogState { id, height, tip, top, forked, .. } = self.logs[&item.head.log];
            let seq = item.head.seq;
            for beside in seq - 1..=(seq + 1).min(top) {
                match tip {
                    // What a log usually goes on from is known without a look.
                    Some(tip) if beside < seq && beside == height && !forked => {
                        tips.insert((id, beside), tip);
                    }
                    _ => {
                        places.insert((id, beside));
                    }
                }
            }
        }
        let mut held = Held::default();
        for (place, hash) in tips {
            if !places.contains(&place) {
                let tip = HeldEntry {
                    hash,
                    previous: None,
                    position: 0,
                    received_ms: 0,
                    bodiless: false,
                };
                held.0.entry(place).or_default().push(tip);
            }
        }
        let keys: Vec<_> = places.into_iter().map(|(log, seq)| args![log, seq]).collect();
        let sql = "SELECT e.log, e.seq, e.hash, e.previous, e.position, e.received_ms, \
                   CAST(CASE WHEN e.body IS NULL THEN 1 ELSE 0 END AS BIGINT) \
                   FROM ({keys}) k JOIN entries e ON e.log = k.column1 AND e.seq = k.column2";
        for row in self.tx.select_in(sql, keys).await? {
            let entry = HeldEntry {
                hash: row.get(2)?,
                previous: row.get(3)?,
                position: row.get(4)?,
                received_ms: row.get(5)?,
                bodiless: row.get(6)?,
            };
            held.0.entry((row.get(0)?, row.get(1)?)).or_default().push(entry);
        }
        Ok(held)
    }

    /// One refusal or none per entry: keys, audience, rules.
    async fn refusals(
        &mut self,
        segment: &[(Verified, Origin)],
    ) -> Result<Vec<Option<Refusal>>, StoreError> {
        let pairs: BTreeSet<_> =
            segment.iter().map(|(item, _)| (item.head.log.site, item.head.key)).collect();
        let unpinned: Vec<_> = pairs.difference(&self.pins.keys).copied().collect();
        let bound = content::site::bound(self.tx, &unpinned).await?;
        let below = segment.iter().any(|(_, origin)| matches!(origin, Origin::Below { .. }));
        let revoked = if below { content::site::revoked(self.tx).await? } else { BTreeSet::new() };
        let mut refused: Vec<Option<Refusal>> = segment
            .iter()
            .map(|(item, origin)| {
                let key = (item.head.log.site, item.head.key);
                let known = self.pins.keys.contains(&key) || bound.contains(&key);
                refuse(item, *origin, known, revoked.contains(&item.head.log.site))
            })
            .collect();
        let (indices, records): (Vec<_>, Vec<_>) = segment
            .iter()
            .enumerate()
            .filter(|(index, _)| refused[*index].is_none())
            .filter_map(|(index, (item, _))| Some((index, (&item.head, item.record.as_ref()?))))
            .unzip();
        let broken = content::check_known(self.tx, &self.pins.hubs, &records).await?;
        for (index, broken) in indices.into_iter().zip(broken) {
            if let Some(error) = broken {
                let head = &segment[index].0.head;
                let place = Some((head.log, head.seq));
                refused[index] = Some(Refusal { place, ..error.into() });
            }
        }
        Ok(refused)
    }
}
