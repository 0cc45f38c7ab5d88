//! Which files a node wants of its hub, and which it owes it: noted from the views, entry by entry.

use std::ops::RangeInclusive;

use crate::args;
use crate::content::journal::LIVE;
use crate::entry::{Hash, SiteId};
use crate::scope::Scope;
use crate::store::{StoreError, Tx};

/// A file the hub is to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gift {
    /// The file.
    pub blob: Hash,
    /// Its length.
    pub size: u64,
    /// The author's site.
    pub site: SiteId,
    /// The site of the entry that names it.
    pub carrier_site: SiteId,
    /// That entry.
    pub carrier_hash: Hash,
    /// Attempts that failed.
    pub tries: u64,
}

/// Notes what entries after position `after` name: files that are not here are wanted, files of the site `own` are
/// owed to the hub.
pub async fn note(tx: &mut Tx, own: SiteId, after: i64) -> Result<(), StoreError> {
    let wants = format!(
        "INSERT INTO blob_wants (blob, site, size) SELECT DISTINCT r.blob, r.site, r.size \
         FROM blob_refs r WHERE r.position > $1 AND {LIVE} AND NOT EXISTS \
           (SELECT 1 FROM blobs b WHERE b.hash = r.blob AND b.site = r.site AND b.held_ms IS NOT NULL) \
         ON CONFLICT (blob, site) DO NOTHING"
    );
    tx.execute(&wants, args![after]).await?;
    let owed = "INSERT INTO blob_gifts (blob, carrier_hash) SELECT r.blob, r.carrier_hash \
                FROM blob_refs r WHERE r.position > $1 AND r.carrier_site = $2 \
                ON CONFLICT (blob, carrier_hash) DO NOTHING";
    tx.execute(owed, args![after, own]).await?;
    Ok(())
}

/// The position of the last entry that names a file.
pub async fn last_naming(tx: &mut Tx) -> Result<i64, StoreError> {
    let row = tx.optional("SELECT COALESCE(MAX(position), 0) FROM blob_refs", args![]).await?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// The hub lost data: it is given again what it was given, and what is here of its own entries.
pub async fn give_again(tx: &mut Tx, hub: SiteId) -> Result<(), StoreError> {
    tx.execute("UPDATE blob_gifts SET given = 0, tries = 0, next_ms = 0", args![]).await?;
    let back = "INSERT INTO blob_gifts (blob, carrier_hash) SELECT r.blob, r.carrier_hash \
                FROM blob_refs r WHERE r.carrier_site = $1 ON CONFLICT (blob, carrier_hash) DO NOTHING";
    tx.execute(back, args![hub]).await?;
    Ok(())
}

/// The smallest file of a size in `sizes` that is here and due to be given: of entries that the hub has acknowledged or wrote
/// itself, and that cross a link of `ceiling`.
pub async fn next_gift(
    tx: &mut Tx,
    hub: SiteId,
    ceiling: Scope,
    now: i64,
    sizes: RangeInclusive<u64>,
) -> Result<Option<Gift>, StoreError> {
    let sql = format!(
        "SELECT r.blob, r.size, r.site, r.carrier_site, r.carrier_hash, g.tries FROM blob_gifts g \
         JOIN blob_refs r ON r.blob = g.blob AND r.carrier_hash = g.carrier_hash \
         JOIN blobs b ON b.hash = r.blob AND b.site = r.site AND b.held_ms IS NOT NULL \
         JOIN entries e ON e.position = r.position \
         WHERE g.given = 0 AND g.next_ms <= $1 AND r.scope >= $2 \
         AND (r.carrier_site = $3 OR EXISTS \
           (SELECT 1 FROM risen s WHERE s.log = e.log AND s.seq >= e.seq)) \
         AND r.size >= $4 AND r.size <= $5 AND {LIVE} ORDER BY r.size, r.blob LIMIT 1"
    );
    let values = args![now, ceiling, hub, *sizes.start(), *sizes.end()];
    let row = tx.optional(&sql, values).await?;
    row.map(|row| {
        Ok(Gift {
            blob: row.get(0)?,
            size: row.get(1)?,
            site: row.get(2)?,
            carrier_site: row.get(3)?,
            carrier_hash: row.get(4)?,
            tries: row.get(5)?,
        })
    })
    .transpose()
}

/// The hub has it; or, with `again_ms`, did not take it and is asked again not before then.
pub async fn note_gift(tx: &mut Tx, gift: &Gift, again_ms: Option<i64>) -> Result<(), StoreError> {
    let (blob, carrier) = (gift.blob, gift.carrier_hash);
    match again_ms {
        None => {
            let sql = "UPDATE blob_gifts SET given = 1 WHERE blob = $1 AND carrier_hash = $2";
            tx.execute(sql, args![blob, carrier]).await?;
        }
        Some(again_ms) => {
            let sql = "UPDATE blob_gifts SET tries = tries + 1, next_ms = $3 \
                       WHERE blob = $1 AND carrier_hash = $2";
            tx.execute(sql, args![blob, carrier, again_ms]).await?;
        }
    }
    Ok(())
}

/// The live entry through which to ask the hub for a file of `site`: the hub's own, if there is one.
pub async fn carrier(
    tx: &mut Tx,
    hub: SiteId,
    blob: Hash,
    site: SiteId,
    size: u64,
) -> Result<Option<(SiteId, Hash)>, StoreError> {
    let sql = format!(
        "SELECT r.carrier_site, r.carrier_hash FROM blob_refs r \
         WHERE r.blob = $1 AND r.site = $2 AND r.size = $3 AND {LIVE} \
         ORDER BY CASE WHEN r.carrier_site = $4 THEN 0 ELSE 1 END, r.position DESC LIMIT 1"
    );
    let row = tx.optional(&sql, args![blob, site, size, hub]).await?;
    row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

/// Forgets what was noted of files that no live entry names any more.
pub async fn forget_withdrawn(tx: &mut Tx) -> Result<(), StoreError> {
    let wants = format!(
        "DELETE FROM blob_wants WHERE NOT EXISTS (SELECT 1 FROM blob_refs r \
           WHERE r.blob = blob_wants.blob AND r.site = blob_wants.site AND {LIVE})"
    );
    tx.execute(&wants, args![]).await?;
    let gifts = format!(
        "DELETE FROM blob_gifts WHERE NOT EXISTS (SELECT 1 FROM blob_refs r \
           WHERE r.blob = blob_gifts.blob AND r.carrier_hash = blob_gifts.carrier_hash AND {LIVE})"
    );
    tx.execute(&gifts, args![]).await?;
    Ok(())
}
