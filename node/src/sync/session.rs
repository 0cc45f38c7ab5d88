//! What a node does after a Hello, as a pure state machine: fed with answers, it says the next step.

use std::collections::BTreeMap;

use crate::entry::{LogId, SiteId};
use crate::heights::Heights;
use crate::scope::Scope;

/// How a hub answered a Hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Go on from the cursors.
    Resume,
    /// Read anew, by heights.
    Snapshot,
    /// The hub lost data.
    HubRolledBack,
    /// This site lost data.
    RolledBack,
    /// Two machines wrote the same log.
    Forked,
    /// No protocol in common.
    Upgrade,
}

/// A Hello's answer, decoded.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How to go on.
    pub outcome: Outcome,
    /// For people.
    pub message: String,
    /// Who answered.
    pub hub: SiteId,
    /// What the hub holds of this site's logs.
    pub yours: Heights,
    /// What may cross the link.
    pub ceiling: Scope,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Offering,
    Refilling,
    Running,
    Ended,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Offer every height held, and wait for what is wanted.
    Offer,
    /// Stop signing; pull everything, own entries too, until nothing is left; then begin a new incarnation.
    Refill {
        /// Why, for people.
        message: String,
    },
    /// Push and follow. `by_heights`: without cursors, naming what is held.
    Run {
        /// Begin without cursors.
        by_heights: bool,
        /// What else to push: logs of any author above these sequences.
        wanted: BTreeMap<LogId, u64>,
    },
    /// Begin again with a Hello.
    Greet,
    /// Nothing can be done until somebody acts.
    GiveUp(String),
}

/// The peer did something the protocol does not allow now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message out of its order.
    #[error("the hub sent a message out of order")]
    OutOfOrder,
    /// Another site answers in the hub's place.
    #[error("another site answers in the hub's place")]
    OtherHub,
    /// It speaks of logs that are not ours.
    #[error("the hub speaks of logs that were not named")]
    NotOurs,
}

/// One session with a hub.
#[derive(Clone, Debug)]
pub struct Session {
    own: SiteId,
    hub: SiteId,
    state: State,
}

impl Session {
    /// Before the Hello.
    pub fn new(own: SiteId, hub: SiteId) -> Self {
        Self { own, hub, state: State::Greeting }
    }

    /// The Hello was answered. `doubt`: this side knows better that its data are not the latest: they
    /// were restored, or an entry the hub holds of this incarnation is not ours.
    pub fn answered(&mut self, answer: &Answer, doubt: bool) -> Result<Step, Violation> {
        if self.state != State::Greeting {
            return Err(self.end(Violation::OutOfOrder));
        }
        if answer.hub != self.hub {
            return Err(self.end(Violation::OtherHub));
        }
        if answer.yours.keys().any(|log| log.site != self.own) {
            return Err(self.end(Violation::NotOurs));
        }
        let outcome = if doubt && answer.outcome != Outcome::Upgrade {
            Outcome::Forked
        } else {
            answer.outcome
        };
        let run = |by_heights| Step::Run { by_heights, wanted: BTreeMap::new() };
        let (state, step) = match outcome {
            Outcome::Resume => (State::Running, run(false)),
            Outcome::Snapshot => (State::Running, run(true)),
            Outcome::HubRolledBack => (State::Offering, Step::Offer),
            Outcome::RolledBack | Outcome::Forked => {
                (State::Refilling, Step::Refill { message: answer.message.clone() })
            }
            Outcome::Upgrade => (State::Ended, Step::GiveUp(answer.message.clone())),
        };
        self.state = state;
        Ok(step)
    }

    /// The offer was answered: `wanted` are the sequences the hub holds already. `offered` is what was named.
    pub fn wanted(
        &mut self,
        wanted: BTreeMap<LogId, u64>,
        offered: &Heights,
    ) -> Result<Step, Violation> {
        if self.state != State::Offering {
            return Err(self.end(Violation::OutOfOrder));
        }
        if wanted.keys().any(|log| !offered.contains_key(log)) {
            return Err(self.end(Violation::NotOurs));
        }
        self.state = State::Running;
        Ok(Step::Run { by_heights: true, wanted })
    }

    /// Everything was refilled and a new incarnation begun.
    pub fn refilled(&mut self) -> Result<Step, Violation> {
        if self.state != State::Refilling {
            return Err(self.end(Violation::OutOfOrder));
        }
        self.state = State::Greeting;
        Ok(Step::Greet)
    }

    fn end(&mut self, violation: Violation) -> Violation {
        self.state = State::Ended;
        violation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Hash, Incarnation, Lane};
    use crate::heights::Height;
    use crate::scope::Audience;

    const OWN: SiteId = SiteId([1; 16]);
    const HUB: SiteId = SiteId([2; 16]);

    fn answer(outcome: Outcome) -> Answer {
        Answer {
            outcome,
            message: "why".into(),
            hub: HUB,
            yours: Heights::new(),
            ceiling: Scope::Organization,
        }
    }

    fn heights(site: SiteId) -> Heights {
        let log = LogId {
            site,
            incarnation: Incarnation([1; 16]),
            audience: Audience::all(Scope::Public),
            lane: Lane::Content,
        };
        Heights::from([(log, Height { seq: 3, hash: Hash([0; 32]) })])
    }

    #[test]
    fn every_outcome_has_its_step() {
        let step = |outcome| Session::new(OWN, HUB).answered(&answer(outcome), false).unwrap();
        let run = |by_heights| Step::Run { by_heights, wanted: BTreeMap::new() };
        assert_eq!(step(Outcome::Resume), run(false));
        assert_eq!(step(Outcome::Snapshot), run(true));
        assert_eq!(step(Outcome::HubRolledBack), Step::Offer);
        let refill = Step::Refill { message: "why".into() };
        assert_eq!(step(Outcome::RolledBack), refill);
        assert_eq!(step(Outcome::Forked), refill);
        assert_eq!(step(Outcome::Upgrade), Step::GiveUp("why".into()));
        let diverged = Session::new(OWN, HUB).answered(&answer(Outcome::Resume), true).unwrap();
        assert_eq!(diverged, refill);
    }

    #[test]
    fn messages_out_of_order_end_the_session() {
        let mut session = Session::new(OWN, HUB);
        assert_eq!(session.refilled(), Err(Violation::OutOfOrder));
        assert_eq!(
            session.answered(&answer(Outcome::Resume), false),
            Err(Violation::OutOfOrder),
            "an ended session stays ended"
        );
        let mut session = Session::new(OWN, HUB);
        session.answered(&answer(Outcome::Resume), false).unwrap();
        assert_eq!(session.wanted(BTreeMap::new(), &Heights::new()), Err(Violation::OutOfOrder));
        let mut session = Session::new(OWN, HUB);
        session.answered(&answer(Outcome::RolledBack), false).unwrap();
        assert_eq!(session.refilled(), Ok(Step::Greet));
        assert!(session.answered(&answer(Outcome::Resume), false).is_ok());
    }

    #[test]
    fn a_hub_cannot_speak_for_another_or_ask_for_what_was_not_offered() {
        let mut other = answer(Outcome::Resume);
        other.hub = OWN;
        assert_eq!(Session::new(OWN, HUB).answered(&other, false), Err(Violation::OtherHub));
        let mut foreign = answer(Outcome::Resume);
        foreign.yours = heights(HUB);
        assert_eq!(Session::new(OWN, HUB).answered(&foreign, false), Err(Violation::NotOurs));
        let mut session = Session::new(OWN, HUB);
        session.answered(&answer(Outcome::HubRolledBack), false).unwrap();
        let wanted: BTreeMap<_, _> = heights(OWN).into_keys().map(|log| (log, 0)).collect();
        assert_eq!(
            session.clone().wanted(wanted.clone(), &Heights::new()),
            Err(Violation::NotOurs)
        );
        let step = session.wanted(wanted.clone(), &heights(OWN)).unwrap();
        assert_eq!(step, Step::Run { by_heights: true, wanted });
    }
}
