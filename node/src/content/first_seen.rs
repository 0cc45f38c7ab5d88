//! A hub's signed word on when it first held entries of others: caps their claimed dates (rule 6).

use std::cmp::Reverse;

use crate::args;
use crate::content::Folding;
use crate::content::journal::LIVE;
use crate::content::rules::{RuleError, ensure};
use crate::content::views::{Type, View, reduce};
use crate::entry::{Hash, Head, SiteId};
use crate::scope::Audience;
use crate::store::{StoreError, Tx};

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

pub(super) const VIEWS: &[View] = &[View {
    table: "first_seen",
    shared: &[
        ("site", Type::Bytes),
        ("hash", Type::Bytes),
        ("scope", Type::Int),
        ("at_ms", Type::Int),
    ],
    local: &[],
    live: None,
}];

/// The pure rules.
pub(super) fn check(head: &Head) -> Result<(), RuleError> {
    ensure(
        head.log.audience.addressee.is_none(),
        "what was seen first is not told to one site alone",
    )
}

pub(super) async fn fold(
    tx: &mut Tx,
    items: &[(&Folding<'_>, &FirstSeen)],
) -> Result<(), StoreError> {
    let sightings = items.iter().flat_map(|(item, it)| {
        let scope = item.head.log.audience.scope;
        it.sightings.iter().map(move |seen| {
            let row = args![seen.site, seen.hash, scope, seen.at_ms];
            ((seen.site, seen.hash, scope), Reverse(seen.at_ms), row)
        })
    });
    tx.insert_many(
        "INSERT INTO first_seen (site, hash, scope, at_ms)",
        "ON CONFLICT (site, hash, scope) DO UPDATE SET at_ms = excluded.at_ms \
         WHERE excluded.at_ms < first_seen.at_ms",
        reduce(sightings),
    )
    .await
}

/// An article of another site of which no hub has said when it saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Its author.
    pub site: SiteId,
    /// Its hash.
    pub hash: Hash,
    /// The audience in which to say so: its own.
    pub audience: Audience,
    /// When this site got it.
    pub received_ms: i64,
    /// Where it stands in the journal.
    pub position: i64,
}

/// The articles of other sites that came after position `after` as their authors' own entries, for more
/// than one site, and have no sighting yet, withdrawn ones left out: a hub's duty. In order of arrival, at most `limit`.
pub async fn unseen(
    tx: &mut Tx,
    own: SiteId,
    after: i64,
    limit: i64,
) -> Result<Vec<Unseen>, StoreError> {
    let sql = format!(
        "SELECT r.site, r.hash, r.scope, r.addressee, r.received_ms, r.position \
         FROM article_revisions r \
         WHERE r.position > $1 AND r.site <> $2 AND r.carrier_hash = r.hash \
         AND length(r.addressee) = 0 AND {LIVE} AND NOT EXISTS ( \
           SELECT 1 FROM first_seen f \
           WHERE f.site = r.site AND f.hash = r.hash AND f.scope >= r.scope) \
         ORDER BY r.position LIMIT $3"
    );
    tx.all(&sql, args![after, own, limit])
        .await?
        .iter()
        .map(|row| {
            Ok(Unseen {
                site: row.get(0)?,
                hash: row.get(1)?,
                audience: Audience { scope: row.get(2)?, addressee: row.get(3)? },
                received_ms: row.get(4)?,
                position: row.get(5)?,
            })
        })
        .collect()
}
