//! What became of an article: adopted, and released, as far as the reader may see. And the original it was made from.

use std::collections::BTreeMap;

use super::query::get;
use super::{Article, ArticleView, Origin};
use crate::args;
use crate::content::Record;
use crate::content::journal::{LIVE, entry_at};
use crate::entry::{BlobRef, RecordId, SiteId};
use crate::scope::{Audience, Reader, Scope, may_read};
use crate::store::{StoreError, Tx};
use crate::wire::decode_record;

/// An article that was made from another.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Adoption {
    /// Who adopted it.
    pub site: SiteId,
    /// The article made from it.
    pub id: RecordId,
    /// Its title.
    pub title: String,
    /// Slug of its column.
    pub column: String,
    /// Its date, milliseconds since 1970-01-01 UTC.
    pub published_ms: i64,
}

/// What became of an article.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// What was made from it (采用), the first first.
    pub adopted: Vec<Adoption>,
    /// How far a hub took it (公开).
    pub released: Option<Scope>,
}

/// What became of these articles of `author`, as far as `reader` may see; none where nothing did.
pub async fn standings(
    tx: &mut Tx,
    reader: Reader,
    author: SiteId,
    ids: &[RecordId],
) -> Result<BTreeMap<RecordId, Standing>, StoreError> {
    let mut standings: BTreeMap<RecordId, Standing> = BTreeMap::new();
    let keys = || ids.iter().map(|id| args![author, *id]).collect::<Vec<_>>();
    let made = "SELECT r.origin_id, r.carrier_site, r.scope, r.addressee, r.site, r.id, r.title, r.slug, \
         r.published_ms FROM ({keys}) k \
         JOIN article_revisions r ON r.origin_site = k.column1 AND r.origin_id = k.column2 \
         WHERE ";
    let rows = tx.select_in(&format!("{made}{LIVE} ORDER BY r.lamport, r.hash"), keys()).await?;
    for row in rows {
        let audience = Audience { scope: row.get(2)?, addressee: row.get(3)? };
        if !may_read(reader, row.get(1)?, audience) {
            continue;
        }
        let it = Adoption {
            site: row.get(4)?,
            id: row.get(5)?,
            title: row.get(6)?,
            column: row.get(7)?,
            published_ms: row.get(8)?,
        };
        let standing = standings.entry(row.get(0)?).or_default();
        // Later revisions and releases of the same article tell nothing new but its title.
        match standing.adopted.iter_mut().find(|known| (known.site, known.id) == (it.site, it.id)) {
            Some(known) => *known = it,
            None => standing.adopted.push(it),
        }
    }
    let carried = "SELECT r.id, r.carrier_site, r.scope, r.addressee FROM ({keys}) k \
         JOIN article_revisions r ON r.site = k.column1 AND r.id = k.column2 \
         WHERE r.carrier_hash <> r.hash AND ";
    for row in tx.select_in(&format!("{carried}{LIVE}"), keys()).await? {
        let audience = Audience { scope: row.get(2)?, addressee: row.get(3)? };
        if may_read(reader, row.get(1)?, audience) {
            let standing = standings.entry(row.get(0)?).or_default();
            standing.released = standing.released.max(Some(audience.scope));
        }
    }
    Ok(standings)
}

/// An article to be adopted.
#[derive(Clone, Debug)]
pub struct Original {
    /// The current revision `reader` may see, as its author wrote it.
    pub article: Article,
    /// The files that come with it.
    pub blobs: Vec<BlobRef>,
    /// Names it.
    pub origin: Origin,
    /// How far it goes.
    pub scope: Scope,
    /// Name of its unit; empty if the reader may not know it.
    pub unit_name: String,
}

/// The current revision of an article that `reader` may see, to be adopted.
pub async fn original(
    tx: &mut Tx,
    reader: Reader,
    site: SiteId,
    id: RecordId,
) -> Result<Option<Original>, StoreError> {
    let Some(ArticleView { line, .. }) = get(tx, reader, site, id).await? else { return Ok(None) };
    let (entry, head) = entry_at(tx, line.position).await?;
    let (record, blobs) = match entry.body.as_ref().map(decode_record) {
        Some(Ok(Some(Record::Release(release)))) => (release.record, release.head.blobs),
        Some(Ok(Some(record))) => (record, head.blobs),
        _ => return Err(StoreError::Corrupt("an article whose entry does not decode")),
    };
    let Record::Article(article) = record else {
        return Err(StoreError::Corrupt("an article whose entry is none"));
    };
    let origin = Origin { site, id, hash: line.hash };
    Ok(Some(Original { article, blobs, origin, scope: line.scope, unit_name: line.unit_name }))
}

/// The articles of `own` that were made from this one and are not withdrawn, those to one site alone among them.
pub async fn adopted_by(
    tx: &mut Tx,
    own: SiteId,
    site: SiteId,
    id: RecordId,
) -> Result<Vec<RecordId>, StoreError> {
    let sql = format!(
        "SELECT DISTINCT r.id FROM article_revisions r \
         WHERE r.origin_site = $1 AND r.origin_id = $2 AND r.site = $3 AND {LIVE} ORDER BY r.id"
    );
    tx.all(&sql, args![site, id, own]).await?.iter().map(|row| row.get(0)).collect()
}
