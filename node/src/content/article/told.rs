//! What this site told of articles before: for whoever makes them from elsewhere, and must not tell twice.

use std::collections::HashMap;

use super::Article;
use crate::args;
use crate::content::Record;
use crate::content::journal::LIVE;
use crate::entry::{RecordId, SiteId};
use crate::store::{StoreError, Tx};
use crate::wire::decode_record;

/// What a site told of one article.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Every revision whose text is held, the oldest first.
    pub revisions: Vec<Article>,
    /// It is withdrawn; a further revision would show nowhere.
    pub withdrawn: bool,
}

/// What `site` told of these articles; those it told nothing of are left out.
pub async fn told(
    tx: &mut Tx,
    site: SiteId,
    ids: &[RecordId],
) -> Result<HashMap<RecordId, Told>, StoreError> {
    let keys: Vec<_> = ids.iter().map(|id| args![site, *id]).collect();
    let sql = format!(
        "SELECT DISTINCT r.id, r.position, CAST(CASE WHEN {LIVE} THEN 0 ELSE 1 END AS BIGINT), e.body \
         FROM ({{keys}}) k JOIN article_revisions r ON r.site = k.column1 AND r.id = k.column2 \
         JOIN entries e ON e.position = r.position WHERE r.carrier_hash = r.hash"
    );
    let mut found: Vec<(i64, RecordId, bool, Option<bytes::Bytes>)> = Vec::new();
    for row in tx.select_in(&sql, keys.clone()).await? {
        found.push((row.get(1)?, row.get(0)?, row.get(2)?, row.get(3)?));
    }
    found.sort_by_key(|(position, ..)| *position);
    let mut told: HashMap<RecordId, Told> = HashMap::new();
    for (_, id, withdrawn, body) in found {
        let told = told.entry(id).or_default();
        told.withdrawn |= withdrawn;
        if let Some(Ok(Some(Record::Article(article)))) = body.as_ref().map(decode_record) {
            told.revisions.push(article);
        }
    }
    // The retraction may be here without what it withdraws.
    let sql = "SELECT x.record FROM ({keys}) k \
               JOIN retracted_records x ON x.site = k.column1 AND x.record = k.column2";
    for row in tx.select_in(sql, keys).await? {
        told.entry(row.get(0)?).or_default().withdrawn = true;
    }
    Ok(told)
}
