//! Reading entries back from the journal, for the queries of all kinds.

use std::collections::BTreeSet;

use crate::args;
use crate::content::Record;
use crate::content::retraction::Target;
use crate::content::site::narrowed;
use crate::entry::{Entry, EntryError, Head, LogId, RecordId, SiteId};
use crate::scope::{Audience, Reader, may_read};
use crate::store::{Row, StoreError, Tx};
use crate::wire;

/// Why a record could not be found by the beginning of its id.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Not hexadecimal, empty or too long.
    #[error("{0:?} is not the beginning of an id: give up to 32 hexadecimal digits")]
    NotAnId(String),
    /// Nothing begins so.
    #[error("nothing here has an id that begins with {0}")]
    Nothing(String),
    /// Several begin so.
    #[error("several ids begin with {0}: give more of it")]
    Ambiguous(String),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The first and the last id that begin with the hexadecimal digits of `prefix`.
pub(super) fn id_range(prefix: &str) -> Result<(RecordId, RecordId), FindError> {
    let bound = |digit: &str| {
        let missing = 32usize.checked_sub(prefix.len())?;
        RecordId::from_hex(&format!("{prefix}{}", digit.repeat(missing)))
    };
    match (prefix.is_empty(), bound("0"), bound("f")) {
        (false, Some(first), Some(last)) => Ok((first, last)),
        _ => Err(FindError::NotAnId(prefix.to_owned())),
    }
}

/// The one record of those found by a prefix.
pub(super) fn only(
    prefix: &str,
    mut found: Vec<(SiteId, RecordId)>,
) -> Result<(SiteId, RecordId), FindError> {
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(FindError::Nothing(prefix.to_owned())),
        (Some(_), false) => Err(FindError::Ambiguous(prefix.to_owned())),
    }
}

/// The entry at `position`, as it was received, with its head.
pub(super) async fn entry_at(tx: &mut Tx, position: i64) -> Result<(Entry, Head), StoreError> {
    let row = tx
        .optional("SELECT head, signature, body FROM entries WHERE position = $1", args![position])
        .await?
        .ok_or(StoreError::Corrupt("a view names a position the journal does not have"))?;
    let entry = Entry { head: row.get(0)?, signature: row.get(1)?, body: row.get(2)? };
    let head = wire::decode_head(&entry.head).map_err(|_| damaged())?;
    Ok((entry, head))
}

/// The article or notice carried at `position`: the record itself, or the one inside a release.
pub(super) async fn record_at(tx: &mut Tx, position: i64) -> Result<Record, StoreError> {
    let (entry, _) = entry_at(tx, position).await?;
    let body = entry.body.ok_or(StoreError::Corrupt("a view rests on an entry without a body"))?;
    match decode(&body) {
        Ok(Some(Record::Release(release))) => Ok(release.record),
        Ok(Some(record)) => Ok(record),
        _ => Err(damaged()),
    }
}

/// The entries at these positions that have a body, with what they say, in no order.
pub(super) async fn records_at(
    tx: &mut Tx,
    positions: &[i64],
) -> Result<Vec<(i64, Entry, Head, Record)>, StoreError> {
    let keys = positions.iter().map(|position| args![*position]).collect();
    let sql = "SELECT position, head, signature, body FROM entries WHERE position IN ({keys})";
    let mut found = Vec::new();
    for row in tx.select_in(sql, keys).await? {
        let entry = Entry { head: row.get(1)?, signature: row.get(2)?, body: row.get(3)? };
        let head = wire::decode_head(&entry.head).map_err(|_| damaged())?;
        let record = entry.body.as_ref().map(decode).transpose().map_err(|_| damaged())?;
        if let Some(Some(record)) = record {
            found.push((row.get(0)?, entry, head, record));
        }
    }
    Ok(found)
}

fn decode(body: &bytes::Bytes) -> Result<Option<Record>, EntryError> {
    wire::decode_record(body)
}

fn damaged() -> StoreError {
    StoreError::Corrupt("an entry that does not decode")
}

/// Columns for [`target`], of `entries e JOIN logs l`.
pub(super) const TARGET: &str =
    "l.site, l.incarnation, l.scope, l.addressee, l.lane, e.seq, e.hash";

/// Names the entry of a row that begins with [`TARGET`].
pub(super) fn target(row: &Row) -> Result<Target, StoreError> {
    let audience = Audience { scope: row.get(2)?, addressee: row.get(3)? };
    let log = LogId { site: row.get(0)?, incarnation: row.get(1)?, audience, lane: row.get(4)? };
    Ok(Target { log, seq: row.get(5)?, hash: row.get(6)? })
}

/// Of rows `r` that carry an article or a notice: neither the revision, nor all revisions of the record, nor the
/// release it came in is withdrawn. Asked at every reading, so it holds even if the retraction came first.
pub(super) const LIVE: &str = "\
    NOT EXISTS (SELECT 1 FROM retracted_entries x WHERE x.site = r.site AND x.hash = r.hash) \
    AND NOT EXISTS (SELECT 1 FROM retracted_records x WHERE x.site = r.site AND x.record = r.id) \
    AND NOT EXISTS (SELECT 1 FROM retracted_entries x \
        WHERE x.site = r.carrier_site AND x.hash = r.carrier_hash)";

/// Of the same rows, those that `reader`, whose ceiling is `$1` and whose site is `$2`, may see. As to audiences it only
/// narrows what is fetched: [`crate::scope::may_read`] is asked for every row besides.
pub(super) fn visible(reader: Reader) -> String {
    let mut sql =
        "r.scope >= $1 AND (length(r.addressee) = 0 OR r.addressee = $2 OR r.carrier_site = $2)"
            .to_owned();
    sql.push_str(&narrowed(reader, "r.carrier_site"));
    sql
}

/// The tables whose rows carry a record.
const CARRIERS: [&str; 2] = ["article_revisions", "notices"];

/// All entries by which the author itself told this article or notice, and that are not withdrawn: what
/// a retraction of it names. A target's audience is in its log; each audience wants a retraction of its own.
/// Releases are not among them: they are withdrawn by their releaser (see [`crate::content::release::stale`]).
pub async fn live_targets(
    tx: &mut Tx,
    site: SiteId,
    id: RecordId,
) -> Result<Vec<Target>, StoreError> {
    let mut targets = Vec::new();
    for table in CARRIERS {
        let sql = format!(
            "SELECT {TARGET} FROM {table} r \
             JOIN entries e ON e.position = r.position JOIN logs l ON l.log = e.log \
             WHERE r.site = $1 AND r.id = $2 AND r.carrier_hash = r.hash AND {LIVE} \
             ORDER BY r.position"
        );
        for row in tx.all(&sql, args![site, id]).await? {
            targets.push(target(&row)?);
        }
    }
    Ok(targets)
}

/// The author's own current entry of an article or notice, told to more than one site, with its position: what
/// a release takes further.
pub async fn current_entry(
    tx: &mut Tx,
    site: SiteId,
    id: RecordId,
) -> Result<Option<(Entry, Head, i64)>, StoreError> {
    for table in CARRIERS {
        let sql = format!(
            "SELECT r.position FROM {table} r \
             WHERE r.site = $1 AND r.id = $2 AND r.carrier_hash = r.hash \
             AND length(r.addressee) = 0 AND {LIVE} \
             ORDER BY r.lamport DESC, r.hash DESC LIMIT 1"
        );
        if let Some(row) = tx.optional(&sql, args![site, id]).await? {
            let position = row.get(0)?;
            let (entry, head) = entry_at(tx, position).await?;
            return Ok(Some((entry, head, position)));
        }
    }
    Ok(None)
}

/// The one record in `table` that `reader` may see and whose id begins with `prefix`.
pub(super) async fn find(
    tx: &mut Tx,
    table: &str,
    reader: Reader,
    prefix: &str,
) -> Result<(SiteId, RecordId), FindError> {
    let (first, last) = id_range(prefix)?;
    let sql = format!(
        "SELECT r.site, r.id, r.carrier_site, r.scope, r.addressee FROM {table} r \
         WHERE {} AND r.id >= $3 AND r.id <= $4 AND {LIVE}",
        visible(reader)
    );
    let mut found = BTreeSet::new();
    for row in tx.all(&sql, args![reader.ceiling, reader.site, first, last]).await? {
        let audience = Audience { scope: row.get(3)?, addressee: row.get(4)? };
        if may_read(reader, row.get(2)?, audience) {
            found.insert((row.get(0)?, row.get(1)?));
        }
    }
    only(prefix, found.into_iter().collect())
}
