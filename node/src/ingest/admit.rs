//! Whether an entry may come in at all over the link it came by: audience, author, membership, key. Pure.

use super::{Origin, Reason, Refusal, Verified};
use crate::scope::{may_read, may_rise};

/// What link, audience and key say to one entry. `known`: its key is bound to its site; `revoked`: its site
/// no longer belongs.
pub(super) fn refuse(
    item: &Verified,
    origin: Origin,
    known: bool,
    revoked: bool,
) -> Option<Refusal> {
    let log = item.head.log;
    let refusal = |reason, message: &str| {
        Some(Refusal { place: Some((log, item.head.seq)), reason, message: message.to_owned() })
    };
    match origin {
        Origin::Own => {}
        Origin::Below { site, ceiling, refill } => {
            if !may_rise(ceiling, log.audience) {
                return refusal(
                    Reason::Audience,
                    "this entry is for a narrower scope than the link carries",
                );
            }
            if site != log.site && !refill {
                return refusal(Reason::NotYours, "a site pushes its own entries only");
            }
            if revoked && !refill {
                return refusal(
                    Reason::Revoked,
                    "this site was revoked; ask the hub for a new invitation",
                );
            }
        }
        Origin::Above { reader } => {
            if !may_read(reader, log.site, log.audience) {
                return refusal(
                    Reason::Audience,
                    "the hub sent an entry that is not for this site",
                );
            }
        }
    }
    if !known {
        return refusal(Reason::UnknownKey, "the key of this entry is not bound to its site");
    }
    None
}
