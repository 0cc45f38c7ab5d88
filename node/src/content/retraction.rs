//! 撤稿: an author withdraws its own entries. Always wins, even if it arrives first (rule 3).

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::args;
use crate::content::Folding;
use crate::content::journal::LIVE;
use crate::content::rules::{RuleError, ensure};
use crate::content::views::{Type, View, reduce};
use crate::entry::{Hash, Head, Lane, LogId, RecordId, SiteId};
use crate::scope::{Audience, Reader, Scope, may_read};
use crate::store::{StoreError, Tx};

/// Most entries one retraction may name.
pub const MAX_TARGETS: usize = 256;

/// Withdraws entries of the author's own site, in any incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retraction {
    /// The withdrawn entries.
    pub targets: Vec<Target>,
    /// The withdrawn article or notice: all its revisions, known or not, go with it.
    pub record: Option<RecordId>,
    /// Why, as readers may be told.
    pub reason: String,
}

/// One entry, named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its log.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

/// A retraction as readers see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RetractionView {
    /// The retraction's own hash.
    pub hash: Hash,
    /// Whose entries it withdraws.
    pub site: SiteId,
    /// How far it travels.
    pub scope: Scope,
    /// The one site it is for, if it is direct.
    pub addressee: Option<SiteId>,
    /// The withdrawn article or notice, if one was named.
    pub record: Option<RecordId>,
    /// How many entries it names.
    pub targets: i64,
    /// Why.
    pub reason: String,
    /// Its place in this site's journal: whoever has read the control lane up to there has applied it.
    pub position: i64,
}

pub(super) const VIEWS: &[View] = &[
    View {
        table: "retractions",
        shared: &[
            ("hash", Type::Bytes),
            ("site", Type::Bytes),
            ("scope", Type::Int),
            ("addressee", Type::Bytes),
            ("record", Type::Bytes),
            ("targets", Type::Int),
            ("reason", Type::Text),
            ("lamport", Type::Int),
        ],
        local: &[("position", Type::Int)],
        live: None,
    },
    View {
        table: "retracted_entries",
        shared: &[
            ("site", Type::Bytes),
            ("hash", Type::Bytes),
            ("lamport", Type::Int),
            ("retraction", Type::Bytes),
        ],
        local: &[],
        live: None,
    },
    View {
        table: "retracted_records",
        shared: &[
            ("site", Type::Bytes),
            ("record", Type::Bytes),
            ("lamport", Type::Int),
            ("retraction", Type::Bytes),
        ],
        local: &[],
        live: None,
    },
];

/// The pure rules: its own site's entries only, and none of the control lane, so that no retraction, enrolment or
/// revocation is ever taken back this way (rule 3).
pub(super) fn check(head: &Head, retraction: &Retraction) -> Result<(), RuleError> {
    for target in &retraction.targets {
        ensure(target.log.site == head.log.site, "a site withdraws only its own entries")?;
        ensure(
            target.log.lane == Lane::Content,
            "entries of the control lane, retractions among them, cannot be withdrawn",
        )?;
    }
    Ok(())
}

pub(super) async fn fold(
    tx: &mut Tx,
    items: &[(&Folding<'_>, &Retraction)],
) -> Result<(), StoreError> {
    let all = items
        .iter()
        .map(|(item, it)| {
            let log = &item.head.log;
            args![
                item.hash,
                log.site,
                log.audience.scope,
                log.audience.addressee,
                it.record.map_or_else(Vec::new, |record| record.0.to_vec()),
                it.targets.len() as u64,
                &it.reason,
                item.head.lamport,
                item.position,
            ]
        })
        .collect();
    tx.insert_many(
        "INSERT INTO retractions (hash, site, scope, addressee, record, targets, reason, lamport, position)",
        "ON CONFLICT (hash) DO NOTHING",
        all,
    )
    .await?;
    let entries = items.iter().flat_map(|(item, it)| {
        let (site, rank) = (item.head.log.site, (item.head.lamport, item.hash));
        it.targets.iter().map(move |target| {
            let row = args![site, target.hash, rank.0, rank.1];
            ((site, target.hash), Reverse(rank), row)
        })
    });
    tx.insert_many(
        "INSERT INTO retracted_entries (site, hash, lamport, retraction)",
        "ON CONFLICT (site, hash) DO UPDATE \
         SET lamport = excluded.lamport, retraction = excluded.retraction \
         WHERE (excluded.lamport, excluded.retraction) \
             < (retracted_entries.lamport, retracted_entries.retraction)",
        reduce(entries),
    )
    .await?;
    let records = items.iter().filter_map(|(item, it)| {
        let (site, rank, record) = (item.head.log.site, (item.head.lamport, item.hash), it.record?);
        Some(((site, record), Reverse(rank), args![site, record, rank.0, rank.1]))
    });
    tx.insert_many(
        "INSERT INTO retracted_records (site, record, lamport, retraction)",
        "ON CONFLICT (site, record) DO UPDATE \
         SET lamport = excluded.lamport, retraction = excluded.retraction \
         WHERE (excluded.lamport, excluded.retraction) \
             < (retracted_records.lamport, retracted_records.retraction)",
        reduce(records),
    )
    .await
}

/// The retractions `reader` may see, the newest here first, at most `limit`.
pub async fn list(
    tx: &mut Tx,
    reader: Reader,
    limit: i64,
) -> Result<Vec<RetractionView>, StoreError> {
    let rows = tx
        .all(
            "SELECT hash, site, scope, addressee, record, targets, reason, position FROM retractions \
             WHERE scope >= $1 AND (length(addressee) = 0 OR addressee = $2 OR site = $2) \
             ORDER BY position DESC LIMIT $3",
            args![reader.ceiling, reader.site, limit],
        )
        .await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let record: Vec<u8> = row.get(4)?;
        let view = RetractionView {
            hash: row.get(0)?,
            site: row.get(1)?,
            scope: row.get(2)?,
            addressee: row.get(3)?,
            record: RecordId::from_slice(&record),
            targets: row.get(5)?,
            reason: row.get(6)?,
            position: row.get(7)?,
        };
        let audience = Audience { scope: view.scope, addressee: view.addressee };
        if may_read(reader, view.site, audience) {
            views.push(view);
        }
    }
    Ok(views)
}

/// Position of the latest retraction; 0 without any.
pub async fn latest(tx: &mut Tx) -> Result<i64, StoreError> {
    let row = tx.optional("SELECT MAX(position) FROM retractions", args![]).await?;
    Ok(row.map(|row| row.get(0)).transpose()?.flatten().unwrap_or(0))
}

/// Entries with so few places for each of them are looked up as one range: many a place in a statement costs more than what
/// lies between them.
const CLOSE: usize = 2;

/// An entry that is held: its author, its hash, its place in the journal.
pub type Held = (SiteId, Hash, i64);

/// Which of these entries are withdrawn, by hash or by the record they carry: such an entry travels without its
/// body, as does a release whose original is withdrawn. Ask for entries of the content lane only; those
/// of the control lane always travel whole, whatever a retraction claims.
pub async fn withdrawn(
    tx: &mut Tx,
    entries: &[Held],
) -> Result<HashSet<(SiteId, Hash)>, StoreError> {
    let by_name = entries.iter().map(|(site, hash, _)| args![*site, *hash]).collect();
    let mut rows = tx
        .select_in(
            "SELECT x.site, x.hash FROM ({keys}) k \
             JOIN retracted_entries x ON x.site = k.column1 AND x.hash = k.column2",
            by_name,
        )
        .await?;
    // By their places: entries that follow each other lie side by side there, and not by their hashes.
    let places = || entries.iter().map(|(_, _, position)| *position);
    let (first, last) = (places().min().unwrap_or(0), places().max().unwrap_or(0));
    let close = usize::try_from(last - first).is_ok_and(|gap| gap < CLOSE * entries.len());
    for table in ["article_revisions", "notices"] {
        let select =
            format!("SELECT r.carrier_site, r.carrier_hash FROM {table} r WHERE NOT ({LIVE})");
        rows.extend(if close {
            let sql = format!("{select} AND r.position BETWEEN $1 AND $2");
            tx.all(&sql, args![first, last]).await?
        } else {
            let sql = format!("{select} AND r.position IN ({{keys}})");
            tx.select_in(&sql, places().map(|position| args![position]).collect()).await?
        });
    }
    let mut withdrawn = HashSet::new();
    for row in rows {
        withdrawn.insert((row.get(0)?, row.get(1)?));
    }
    // What lies between them was not asked about.
    Ok(entries
        .iter()
        .map(|(site, hash, _)| (*site, *hash))
        .filter(|name| withdrawn.contains(name))
        .collect())
}

/// Why an article or notice that `reader` asks for is not there: the reason its author gave in a retraction
/// that the reader may see. `None` if there is none, or none for this reader.
pub async fn reason(
    tx: &mut Tx,
    reader: Reader,
    site: SiteId,
    record: RecordId,
) -> Result<Option<String>, StoreError> {
    let rows = tx
        .all(
            "SELECT reason, scope, addressee FROM retractions WHERE site = $1 AND record = $2 \
             ORDER BY lamport, hash",
            args![site, record],
        )
        .await?;
    for row in rows {
        if may_read(reader, site, Audience { scope: row.get(1)?, addressee: row.get(2)? }) {
            return row.get(0).map(Some);
        }
    }
    Ok(None)
}
