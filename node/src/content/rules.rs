//! Which records may stand under which heads. Everything here is asked by the door before it keeps an entry.

use std::collections::{BTreeSet, HashSet};

use crate::content::{Record, article, first_seen, harvester, receipt, release, retraction, site};
use crate::entry::{EntryError, Head, PublicKey, SiteId};
use crate::store::{StoreError, Tx};

/// A record breaks a rule of its kind. It never passes by trying again, unless the views learn more first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Such a head may not carry such a record.
    #[error("{0}")]
    Broken(&'static str),
    /// A signature inside the record does not hold.
    #[error("a signature inside the record does not hold")]
    BadSignature,
}

impl From<EntryError> for RuleError {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Malformed(what) => Self::Broken(what),
            EntryError::BadSignature => Self::BadSignature,
            EntryError::Upgrade(_) => {
                Self::Broken("signed in a way newer than this program: upgrade it")
            }
        }
    }
}

/// Refuses unless `holds`.
pub(super) fn ensure(holds: bool, rule: &'static str) -> Result<(), RuleError> {
    if holds { Ok(()) } else { Err(RuleError::Broken(rule)) }
}

/// Whether such a head may carry such a record. Pure; the signatures inside the record are verified
/// here, so call it outside any lock.
pub fn check(head: &Head, record: &Record) -> Result<(), RuleError> {
    ensure(head.log.lane == record.lane(), "the record does not belong in this lane")?;
    match record {
        Record::Incarnation(_) | Record::Column(_) | Record::Notice(_) => Ok(()),
        Record::Article(it) => article::check(head, it),
        Record::Enrolment(it) => site::check_enrolment(head, it),
        Record::KeyChange(it) => site::check_key_change(head, it),
        Record::Revocation(_) => site::check_revocation(head),
        Record::Retraction(it) => retraction::check(head, it),
        Record::FirstSeen(_) => first_seen::check(head),
        Record::Harvester(_) => harvester::check(head),
        Record::Receipt(it) => receipt::check(head, it),
        Record::Release(it) => release::check(head, it),
    }
}

/// The rules that need the views, for a whole batch: one answer per item. `pins` are the sites trusted as
/// hubs: this site if it is one, and its hub. Enrolments, revocations and first-seen records count only
/// from these, as do releases of another site's entries; and where the original's site is known, its key
/// must be bound to it, here or earlier in the batch.
pub async fn check_known(
    tx: &mut Tx,
    pins: &BTreeSet<SiteId>,
    items: &[(&Head, &Record)],
) -> Result<Vec<Option<RuleError>>, StoreError> {
    let originals: BTreeSet<SiteId> = items
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Release(it) => Some(it.head.log.site),
            _ => None,
        })
        .collect();
    let mut bound: HashSet<(SiteId, PublicKey)> = HashSet::new();
    if !originals.is_empty() {
        bound.extend(site::keys(tx, &originals).await?);
    }
    let mut answers = Vec::with_capacity(items.len());
    for (head, record) in items {
        let author = head.log.site;
        let by_hub = pins.contains(&author);
        let answer = match record {
            Record::Enrolment(it) => {
                let answer = ensure(by_hub, "only a hub this site belongs to enrols");
                if answer.is_ok() && originals.contains(&it.site) {
                    bound.insert((it.site, it.key));
                }
                answer
            }
            Record::KeyChange(it) => {
                if bound.contains(&(author, head.key)) {
                    bound.insert((author, it.key));
                }
                Ok(())
            }
            Record::Harvester(_) => {
                ensure(by_hub, "only a hub this site belongs to lets harvesters in")
            }
            Record::Revocation(_) => ensure(by_hub, "only a hub this site belongs to revokes"),
            Record::FirstSeen(_) => {
                ensure(by_hub, "only a hub this site belongs to says what it saw first")
            }
            Record::Release(it) => {
                let original = it.head.log.site;
                ensure(
                    by_hub || original == author,
                    "only a hub this site belongs to releases entries of others",
                )
                .and_then(|()| {
                    let known = bound.iter().any(|(site, _)| *site == original);
                    ensure(
                        !known || bound.contains(&(original, it.head.key)),
                        "the released entry is signed with a key its site does not have",
                    )
                })
            }
            _ => Ok(()),
        };
        answers.push(answer.err());
    }
    Ok(answers)
}
