//! Table `blob_wants`: files that are yet to come, and when to try again.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use crate::args;
use crate::entry::{Hash, SiteId};
use crate::store::{StoreError, Tx};

/// A file that entries held here name and that is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Hash of the file.
    pub hash: Hash,
    /// The site whose entries name it.
    pub site: SiteId,
    /// Its length, as the entry says.
    pub size: u64,
    /// Attempts that failed.
    pub tries: u64,
}

/// The next file of a size in `sizes` that is due by `now`: one asked for, or else the smallest that comes `by_itself`.
pub async fn next_want(
    tx: &mut Tx,
    now: i64,
    sizes: RangeInclusive<u64>,
    by_itself: u64,
) -> Result<Option<Want>, StoreError> {
    let sql = "SELECT blob, site, size, tries FROM blob_wants \
               WHERE next_ms <= $1 AND (asked = 1 OR size <= $2) \
               AND size >= $3 AND size <= $4 ORDER BY asked DESC, size, blob LIMIT 1";
    let values = args![now, by_itself, *sizes.start(), *sizes.end()];
    let row = tx.optional(sql, values).await?;
    row.map(|row| {
        Ok(Want { hash: row.get(0)?, site: row.get(1)?, size: row.get(2)?, tries: row.get(3)? })
    })
    .transpose()
}

/// Somebody asks for a file that is not here: it is next. Says whether that is news.
pub async fn ask(tx: &mut Tx, hash: Hash, site: SiteId, size: u64) -> Result<bool, StoreError> {
    let sql = "INSERT INTO blob_wants (blob, site, size, asked) VALUES ($1, $2, $3, 1) \
               ON CONFLICT (blob, site) DO UPDATE SET asked = 1, next_ms = 0 WHERE blob_wants.asked = 0";
    Ok(tx.execute(sql, args![hash, site, size]).await? > 0)
}

/// Which of these files somebody asked for.
pub async fn asked_for(
    tx: &mut Tx,
    names: &[(Hash, SiteId)],
) -> Result<HashSet<(Hash, SiteId)>, StoreError> {
    if names.is_empty() {
        return Ok(HashSet::new());
    }
    let keys = names.iter().map(|(hash, site)| args![*hash, *site]).collect();
    let sql = "SELECT w.blob, w.site FROM ({keys}) k \
               JOIN blob_wants w ON w.blob = k.column1 AND w.site = k.column2 WHERE w.asked = 1";
    let rows = tx.select_in(sql, keys).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// It is here, or nobody names it any more.
pub async fn forget_want(tx: &mut Tx, hash: Hash, site: SiteId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM blob_wants WHERE blob = $1 AND site = $2", args![hash, site]).await?;
    Ok(())
}

/// It did not come; not before `next_ms` again.
pub async fn note_failure(
    tx: &mut Tx,
    hash: Hash,
    site: SiteId,
    next_ms: i64,
) -> Result<(), StoreError> {
    let sql = "UPDATE blob_wants SET tries = tries + 1, next_ms = $3 WHERE blob = $1 AND site = $2";
    tx.execute(sql, args![hash, site, next_ms]).await?;
    Ok(())
}

/// How many files wait.
pub async fn waiting_count(tx: &mut Tx) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM blob_wants";
    tx.optional(sql, args![]).await?.map_or(Ok(0), |row| row.get(0))
}
