//! Asks which files entries name.

use std::collections::HashMap;

use crate::args;
use crate::blobs::{self, Held};
use crate::content::article::ArticleView;
use crate::content::journal::LIVE;
use crate::entry::{Hash, LogId, SiteId};
use crate::scope::Audience;
use crate::store::{StoreError, Tx};

/// A file as an entry names it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FileRef {
    /// Its hash.
    pub hash: Hash,
    /// The author's site, whose file it is.
    pub site: SiteId,
    /// Its length in bytes.
    pub size: u64,
    /// What its author says it is.
    pub media_type: String,
}

/// The files that the entry `carrier` names. Ask for entries whose reader was checked.
pub async fn of_carrier(tx: &mut Tx, carrier: Hash) -> Result<Vec<FileRef>, StoreError> {
    let sql = "SELECT blob, site, size, media_type FROM blob_refs WHERE carrier_hash = $1";
    let rows = tx.all(sql, args![carrier]).await?;
    rows.iter()
        .map(|row| {
            Ok(FileRef {
                hash: row.get(0)?,
                site: row.get(1)?,
                size: row.get(2)?,
                media_type: row.get(3)?,
            })
        })
        .collect()
}

/// A file of an article, and whether it is here.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Attached {
    /// Its name in the article.
    pub name: String,
    /// Its hash.
    pub hash: Hash,
    /// Its length in bytes.
    pub size: u64,
    /// What its author says it is.
    pub media_type: String,
    /// What is held of it: nothing while it is on its way.
    pub held: Option<Held>,
    /// Somebody asked for it.
    pub asked: bool,
}

impl Attached {
    /// Whether pages show it in its place; as far as can be told, while it is not here.
    pub fn is_picture(&self) -> bool {
        let shown = self.held.as_ref().map_or(&self.media_type, |held| &held.media_type);
        blobs::shown_inline(&self.media_type, shown)
    }
}

/// The files of an article as a reader got it, in its order.
pub async fn attached(tx: &mut Tx, view: &ArticleView) -> Result<Vec<Attached>, StoreError> {
    if view.attachments.is_empty() {
        return Ok(Vec::new());
    }
    let site = view.line.site;
    let named = of_carrier(tx, view.line.carrier_hash).await?;
    let by_hash: HashMap<Hash, FileRef> = named.into_iter().map(|it| (it.hash, it)).collect();
    let names: Vec<_> = by_hash.keys().map(|hash| (*hash, site)).collect();
    let mut held = blobs::held_many(tx, &names).await?;
    // Of another length than the entry says, it is not the file that the entry means.
    held.retain(|(hash, _), held| by_hash.get(hash).is_some_and(|it| it.size == held.size));
    let asked = blobs::asked_for(tx, &names).await?;
    let attached = view.attachments.iter().filter_map(|it| {
        let file = by_hash.get(&it.hash)?;
        Some(Attached {
            name: it.name.clone(),
            hash: it.hash,
            size: file.size,
            media_type: file.media_type.clone(),
            held: held.get(&(it.hash, site)).cloned(),
            asked: asked.contains(&(it.hash, site)),
        })
    });
    Ok(attached.collect())
}

/// An entry that names a file, for deciding who may have the file through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The entry's log.
    pub log: LogId,
    /// The column of an author's own entry.
    pub slug: Option<String>,
    /// The file.
    pub file: FileRef,
}

/// The entry of `site` with hash `entry`, if it is not withdrawn and names the file `blob`.
pub async fn named(
    tx: &mut Tx,
    site: SiteId,
    entry: Hash,
    blob: Hash,
) -> Result<Option<Named>, StoreError> {
    let sql = format!(
        "SELECT l.site, l.incarnation, l.scope, l.addressee, l.lane, e.slug, r.site, r.size, r.media_type \
         FROM blob_refs r JOIN entries e ON e.position = r.position JOIN logs l ON l.log = e.log \
         WHERE r.blob = $1 AND r.carrier_hash = $2 AND r.carrier_site = $3 AND {LIVE}"
    );
    let Some(row) = tx.optional(&sql, args![blob, entry, site]).await? else { return Ok(None) };
    let audience = Audience { scope: row.get(2)?, addressee: row.get(3)? };
    let log = LogId { site: row.get(0)?, incarnation: row.get(1)?, audience, lane: row.get(4)? };
    let file =
        FileRef { hash: blob, site: row.get(6)?, size: row.get(7)?, media_type: row.get(8)? };
    Ok(Some(Named { log, slug: row.get(5)?, file }))
}

/// Files held for a site none of whose live entries names them any more, and that nobody is about to name.
pub async fn unneeded(
    tx: &mut Tx,
    now: i64,
    limit: i64,
) -> Result<Vec<(Hash, SiteId)>, StoreError> {
    let sql = format!(
        "SELECT b.hash, b.site FROM blobs b WHERE b.kept_ms <= $1 AND NOT EXISTS \
           (SELECT 1 FROM blob_refs r WHERE r.blob = b.hash AND r.site = b.site AND {LIVE}) \
         LIMIT $2"
    );
    let rows = tx.all(&sql, args![now, limit]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// The position of the last retraction.
pub async fn retracted_upto(tx: &mut Tx) -> Result<i64, StoreError> {
    let row = tx.optional("SELECT COALESCE(MAX(position), 0) FROM retractions", args![]).await?;
    row.map_or(Ok(0), |row| row.get(0))
}
