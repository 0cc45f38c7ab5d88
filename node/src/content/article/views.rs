//! How often articles were read: counts kept at this site alone, with nothing of who read.

use crate::args;
use crate::content::journal::LIVE;
use crate::entry::{RecordId, SiteId};
use crate::scope::{Reader, Scope};
use crate::store::{StoreError, Tx};

/// An article, read on a listener of a scope.
pub type Read = (SiteId, RecordId, Scope);

/// Adds up what was read. Each key comes once.
pub async fn add_views(
    tx: &mut Tx,
    reads: impl IntoIterator<Item = (Read, u64)>,
) -> Result<(), StoreError> {
    let rows = reads.into_iter().map(|((site, id, scope), n)| args![site, id, scope, n]).collect();
    tx.insert_many(
        "INSERT INTO article_views (site, id, scope, views)",
        "ON CONFLICT (site, id, scope) DO UPDATE SET views = article_views.views + excluded.views",
        rows,
    )
    .await
}

/// How often an article was read on listeners of the reader's network and of wider ones: nobody outside learns how
/// much is read inside (rule 2). Ask only for what `reader` may see.
pub async fn views(
    tx: &mut Tx,
    reader: Reader,
    site: SiteId,
    id: RecordId,
) -> Result<u64, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(views), 0) AS BIGINT) FROM article_views \
               WHERE site = $1 AND id = $2 AND scope >= $3";
    let row = tx.optional(sql, args![site, id, reader.ceiling]).await?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// Forgets the counts of articles of which nothing is left.
pub async fn forget_views(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = format!(
        "DELETE FROM article_views WHERE NOT EXISTS (SELECT 1 FROM article_revisions r \
         WHERE r.site = article_views.site AND r.id = article_views.id AND {LIVE})"
    );
    tx.execute(&sql, args![]).await?;
    Ok(())
}
