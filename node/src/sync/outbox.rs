//! What goes up: which own entries the hub has yet to take. Pure; fed with heights and answers.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{LogId, SiteId};
use crate::heights::Heights;

/// Follows what was sent and what was answered on one stream.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// Whose logs go first within a lane: the hub's, for they bind the others' keys.
    first: Option<SiteId>,
    /// Sent on this stream, or held by the hub when it began: nothing up to here is sent again.
    sent: BTreeMap<LogId, u64>,
    /// Logs that wait: the hub cannot take them now.
    waiting: BTreeSet<LogId>,
    /// What each frame under way carries, oldest first.
    flight: std::collections::VecDeque<BTreeMap<LogId, u64>>,
}

/// The hub answered something that was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An answer without a frame.
    #[error("the hub answered a push that was not made")]
    Unasked,
    /// An acknowledgement of a log of which nothing was sent.
    #[error("the hub acknowledged entries of a log that was not sent")]
    NotSent,
}

impl Outbox {
    /// A stream to `hub` begins, which holds these logs up to these sequences.
    pub fn begin(hub: SiteId, held: impl IntoIterator<Item = (LogId, u64)>) -> Self {
        Self { first: Some(hub), sent: held.into_iter().collect(), ..Self::default() }
    }

    /// The hub's branch of this log is not ours: everything of it is sent, so that it holds both.
    pub fn resend(&mut self, log: LogId) {
        self.sent.insert(log, 0);
    }

    /// The next log to send of, and above which sequence: control before content. `held` is what there is.
    pub fn next(&self, held: &Heights) -> Option<(LogId, u64)> {
        held.iter()
            .filter(|(log, _)| !self.waiting.contains(log))
            .filter_map(|(log, height)| {
                let sent = self.sent.get(log).copied().unwrap_or(0);
                (height.seq > sent).then_some((*log, sent))
            })
            .min_by_key(|(log, _)| (log.lane, Some(log.site) != self.first, *log))
    }

    /// A frame went out that carries these logs up to these sequences.
    pub fn sent(&mut self, frame: BTreeMap<LogId, u64>) {
        for (log, seq) in &frame {
            let sent = self.sent.entry(*log).or_default();
            *sent = (*sent).max(*seq);
        }
        self.flight.push_back(frame);
    }

    /// Frames without an answer.
    pub fn in_flight(&self) -> usize {
        self.flight.len()
    }

    /// The oldest frame was answered; `acked` are the hub's heights of its logs.
    pub fn answered(&mut self, acked: &Heights) -> Result<(), Violation> {
        let frame = self.flight.pop_front().ok_or(Violation::Unasked)?;
        // A height may be beyond what was sent: another machine may write the same log, or others may give
        // a hub back what it lost.
        if acked.keys().all(|log| frame.contains_key(log)) {
            Ok(())
        } else {
            Err(Violation::NotSent)
        }
    }

    /// The hub cannot take this log now (its key is unknown there, or the hub is too old for it).
    pub fn wait(&mut self, log: LogId) {
        self.waiting.insert(log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Hash, Incarnation, Lane};
    use crate::heights::Height;
    use crate::scope::{Audience, Scope};

    const HUB: SiteId = SiteId([9; 16]);

    fn log(lane: Lane) -> LogId {
        LogId {
            site: SiteId([1; 16]),
            incarnation: Incarnation([1; 16]),
            audience: Audience::all(Scope::Public),
            lane,
        }
    }

    fn heights(list: &[(Lane, u64)]) -> Heights {
        list.iter().map(|&(lane, seq)| (log(lane), Height { seq, hash: Hash([0; 32]) })).collect()
    }

    #[test]
    fn control_goes_first_and_nothing_goes_twice() {
        let held = heights(&[(Lane::Control, 2), (Lane::Content, 5)]);
        let mut outbox = Outbox::begin(HUB, [(log(Lane::Content), 3)]);
        assert_eq!(outbox.next(&held), Some((log(Lane::Control), 0)));
        outbox.sent(BTreeMap::from([(log(Lane::Control), 2)]));
        assert_eq!(outbox.next(&held), Some((log(Lane::Content), 3)));
        outbox.sent(BTreeMap::from([(log(Lane::Content), 5)]));
        assert_eq!(outbox.next(&held), None);
        assert_eq!(outbox.in_flight(), 2);
        outbox.answered(&heights(&[(Lane::Control, 2)])).unwrap();
        outbox.answered(&heights(&[(Lane::Content, 5)])).unwrap();
        assert_eq!(outbox.in_flight(), 0);
    }

    #[test]
    fn the_hubs_own_logs_go_first_within_a_lane() {
        let hubs = LogId { site: HUB, ..log(Lane::Control) };
        let mut held = heights(&[(Lane::Control, 1), (Lane::Content, 1)]);
        held.insert(hubs, Height { seq: 1, hash: Hash([0; 32]) });
        assert_eq!(Outbox::begin(HUB, []).next(&held), Some((hubs, 0)));
    }

    #[test]
    fn a_hub_that_answers_what_was_not_asked_is_caught() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.answered(&Heights::new()), Err(Violation::Unasked));
        outbox.sent(BTreeMap::from([(log(Lane::Content), 1)]));
        let mut further = outbox.clone();
        assert_eq!(further.answered(&heights(&[(Lane::Content, 2)])), Ok(()));
        assert_eq!(outbox.answered(&heights(&[(Lane::Control, 1)])), Err(Violation::NotSent));
    }

    #[test]
    fn a_log_that_waits_holds_up_no_other_and_a_fork_is_sent_whole() {
        let held = heights(&[(Lane::Control, 1), (Lane::Content, 1)]);
        let mut outbox = Outbox::default();
        outbox.wait(log(Lane::Control));
        assert_eq!(outbox.next(&held), Some((log(Lane::Content), 0)));
        let mut forked = Outbox::begin(HUB, held.iter().map(|(log, height)| (*log, height.seq)));
        assert_eq!(forked.next(&held), None);
        forked.resend(log(Lane::Content));
        assert_eq!(forked.next(&held), Some((log(Lane::Content), 0)));
    }
}
