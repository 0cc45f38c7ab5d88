//! The door: what is kept, what is refused and why, on both engines.

mod chain;
mod own;
mod refusals;

use lianbo_node::ingest::{Outcome, Reason};

/// The reason of a refusal.
fn reason(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Refused(refusal) => Some(refusal.reason),
        _ => None,
    }
}
