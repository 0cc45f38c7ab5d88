//! Refusals for the wire.

use lianbo_node::ingest::{Reason, Refusal};
use lianbo_node::wire::log_to_proto;
use lianbo_proto::v1;

/// A refusal as the peer hears it.
pub(super) fn refusal_to_proto(refusal: &Refusal) -> v1::Refusal {
    let reason = match refusal.reason {
        Reason::Malformed => v1::RefusalReason::Malformed,
        Reason::BadSignature => v1::RefusalReason::BadSignature,
        Reason::Upgrade => v1::RefusalReason::Upgrade,
        Reason::UnknownKey => v1::RefusalReason::UnknownKey,
        Reason::Revoked => v1::RefusalReason::Revoked,
        Reason::Audience => v1::RefusalReason::Audience,
        Reason::Rule => v1::RefusalReason::Rule,
        Reason::NotYours => v1::RefusalReason::NotYours,
    };
    v1::Refusal {
        log: refusal.place.as_ref().map(|(log, _)| log_to_proto(log)),
        seq: refusal.place.map_or(0, |(_, seq)| seq),
        reason: reason.into(),
        message: refusal.message.clone(),
    }
}
