//! Who belongs: enrolment, keys, revocation, new lives of a site's data.

mod fold;
mod front;
mod query;
mod units;

pub use front::{at_once, set_at_once};
pub use query::{SiteView, all, bound, by_code, get, invite_spent, revoked};

pub(super) use fold::{VIEWS, fold_enrolments, fold_key_changes, fold_revocations, spend};
pub(super) use front::narrowed;
pub(super) use query::{keys, names};
pub use units::{UnitHere, units};

use crate::content::rules::{RuleError, ensure};
use crate::content::{BadText, check_line};
use crate::entry::{Head, LogId, PublicKey, RecordId, SiteId};
use crate::heights::Height;
use crate::identity::verify_key_proof;
use crate::scope::{Audience, Scope};

/// First entry of a site's new life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncarnationStart {
    /// Heads of the site's earlier logs, as far as known.
    pub continues: Vec<(LogId, Height)>,
}

/// A unit's site joins beneath a hub, or the hub binds its own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The enrolled site.
    pub site: SiteId,
    /// Its key.
    pub key: PublicKey,
    /// Who runs it.
    pub unit: Unit,
    /// The narrowest scope it may hold.
    pub ceiling: Scope,
    /// The invitation it spent; `None` for a hub's own.
    pub invite: Option<RecordId>,
    /// The record by which a hub binds its own key.
    pub hub: bool,
}

impl Enrolment {
    /// The audience of an enrolment: whoever may come to hold entries of that site has to know its
    /// keys. The tree of units is known within the private network, a hub to everybody.
    pub fn audience(&self) -> Audience {
        Audience::all(if self.hub { Scope::Public } else { self.ceiling.max(Scope::Organization) })
    }
}

/// 单位: the organisation that runs a site, and its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Unit {
    /// Unique under the hub: lower-case letters, digits and hyphens.
    pub code: String,
    /// Name on screens.
    pub name: String,
    /// Code of the unit above; empty at the top.
    pub parent: String,
}

impl Unit {
    /// Checks codes and name.
    pub fn check(&self) -> Result<(), BadText> {
        check_code(&self.code)?;
        if !self.parent.is_empty() {
            check_code(&self.parent)?;
        }
        check_line(&self.name, 100, true, "a unit's name has 1 to 100 characters")
    }
}

/// Checks the short name of a unit or a column as it stands in addresses.
pub fn check_code(code: &str) -> Result<(), BadText> {
    let fits = (1..=64).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !code.starts_with('-');
    if fits {
        Ok(())
    } else {
        Err(BadText(
            "a code has 1 to 64 lower-case letters, digits and hyphens, and does not begin with a hyphen",
        ))
    }
}

/// The author's site takes a further key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The further key.
    pub key: PublicKey,
    /// Signature by that key over the site id (see [`crate::identity::verify_key_proof`]).
    pub proof: bytes::Bytes,
}

/// A site or a harvester no longer belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The site; or a harvester, whose id then stands for a site's.
    pub site: SiteId,
    /// Why.
    pub reason: String,
}

/// The pure rules of an enrolment.
pub(super) fn check_enrolment(head: &Head, enrolment: &Enrolment) -> Result<(), RuleError> {
    told_to_all(head)?;
    ensure(
        !enrolment.hub || enrolment.site == head.log.site,
        "only a hub itself says that it is one",
    )
}

/// The pure rules of a key change. Verifies the new key's proof.
pub(super) fn check_key_change(head: &Head, change: &KeyChange) -> Result<(), RuleError> {
    told_to_all(head)?;
    Ok(verify_key_proof(head.log.site, change.key, &change.proof)?)
}

/// The pure rules of a revocation.
pub(super) fn check_revocation(head: &Head) -> Result<(), RuleError> {
    told_to_all(head)
}

/// Who belongs is everybody's business.
pub(super) fn told_to_all(head: &Head) -> Result<(), RuleError> {
    ensure(
        head.log.audience.addressee.is_none(),
        "who belongs, and with which keys, is not told to one site alone",
    )
}
