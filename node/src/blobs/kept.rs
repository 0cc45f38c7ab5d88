//! Table `blobs`: which files are held, and which sites are known to have had them.

use std::collections::HashMap;

use crate::args;
use crate::entry::{Hash, SiteId};
use crate::store::{StoreError, Tx};

/// A file that is held.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Held {
    /// Its length in bytes.
    pub size: u64,
    /// What its bytes say it is.
    pub media_type: String,
}

/// A file that is held and that `site` is known to have had: a file whose hash somebody merely heard of is none of
/// his to show (rule 2).
pub async fn held(tx: &mut Tx, hash: Hash, site: SiteId) -> Result<Option<Held>, StoreError> {
    Ok(held_many(tx, &[(hash, site)]).await?.remove(&(hash, site)))
}

/// As [`held`], of many.
pub async fn held_many(
    tx: &mut Tx,
    names: &[(Hash, SiteId)],
) -> Result<HashMap<(Hash, SiteId), Held>, StoreError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = names.iter().map(|(hash, site)| args![*hash, *site]).collect();
    let sql = "SELECT b.hash, b.site, b.size, b.media_type FROM ({keys}) k \
               JOIN blobs b ON b.hash = k.column1 AND b.site = k.column2 WHERE b.held_ms IS NOT NULL";
    tx.select_in(sql, keys)
        .await?
        .iter()
        .map(|row| {
            let held = Held { size: row.get(2)?, media_type: row.get(3)? };
            Ok(((row.get(0)?, row.get(1)?), held))
        })
        .collect()
}

/// The length of a file that is held for whichever site's entries.
pub async fn length(tx: &mut Tx, hash: Hash) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT size FROM blobs WHERE hash = $1 AND held_ms IS NOT NULL LIMIT 1";
    tx.optional(sql, args![hash]).await?.map(|row| row.get(0)).transpose()
}

/// Bytes of all files.
pub async fn used(tx: &mut Tx) -> Result<u64, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(d.size), 0) AS BIGINT) \
               FROM (SELECT DISTINCT hash, size FROM blobs) d";
    tx.optional(sql, args![]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Bytes of the files of one site's entries.
pub async fn used_by(tx: &mut Tx, site: SiteId) -> Result<u64, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM blobs WHERE site = $1";
    tx.optional(sql, args![site]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Announces a file that is about to be published: until `kept_ms` it is not collected.
pub(super) async fn announce(
    tx: &mut Tx,
    hash: Hash,
    site: SiteId,
    held: &Held,
    kept_ms: i64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO blobs (hash, site, size, media_type, kept_ms) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (hash, site) DO UPDATE SET kept_ms = excluded.kept_ms";
    tx.execute(sql, args![hash, site, held.size, &held.media_type, kept_ms]).await?;
    Ok(())
}

/// The file is published.
pub(super) async fn settle(
    tx: &mut Tx,
    hash: Hash,
    site: SiteId,
    held_ms: i64,
    kept_ms: i64,
) -> Result<(), StoreError> {
    let sql = "UPDATE blobs SET held_ms = $3, kept_ms = $4 WHERE hash = $1 AND site = $2";
    tx.execute(sql, args![hash, site, held_ms, kept_ms]).await?;
    Ok(())
}

/// The entry for which these files were kept is written: they are collected once it is withdrawn.
pub async fn unpin(tx: &mut Tx, hashes: &[Hash], site: SiteId) -> Result<(), StoreError> {
    for hash in hashes {
        let sql = "UPDATE blobs SET kept_ms = 0 WHERE hash = $1 AND site = $2";
        tx.execute(sql, args![*hash, site]).await?;
    }
    Ok(())
}

/// Forgets that these sites had these files; the files that nobody has left.
pub async fn drop_unneeded(tx: &mut Tx, names: &[(Hash, SiteId)]) -> Result<Vec<Hash>, StoreError> {
    let mut gone = Vec::new();
    for (hash, site) in names {
        let sql = "DELETE FROM blobs WHERE hash = $1 AND site = $2";
        tx.execute(sql, args![*hash, *site]).await?;
        let rest = tx.optional("SELECT 1 FROM blobs WHERE hash = $1", args![*hash]).await?;
        if rest.is_none() {
            gone.push(*hash);
        }
    }
    Ok(gone)
}
