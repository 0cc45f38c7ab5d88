//! What happened to articles, as far as a reader may know it: published, revised, withdrawn. For outlets, which
//! tell it onward.

use std::collections::BTreeSet;

use crate::args;
use crate::content::site::narrowed;
use crate::entry::{RecordId, SiteId};
use crate::scope::{Audience, Reader, Scope, may_read};
use crate::store::{StoreError, Tx};

/// Something happened to an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Place of the entry that tells it in this site's journal.
    pub position: i64,
    /// The author's site.
    pub site: SiteId,
    /// The article.
    pub id: RecordId,
}

/// An article, or a revision of it, was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// What happened.
    pub change: Change,
    /// When this site got the retraction, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Why, as readers may be told.
    pub reason: String,
    /// Slug of the column it was in.
    pub column: String,
    /// The site that wrote or released it.
    pub carrier: SiteId,
}

/// Part of a journal.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Behind this position.
    pub after: i64,
    /// Up to this one.
    pub upto: i64,
    /// At most so many entries, or retractions, whether they touch an article or not.
    pub limit: i64,
    /// The latest entries of the part, and not the first.
    pub latest: bool,
}

/// What the site `carrier` published to everybody: articles of its own and of others, each revision.
pub async fn published_in(
    tx: &mut Tx,
    carrier: SiteId,
    span: Span,
) -> Result<Vec<Change>, StoreError> {
    let reader = Reader::anonymous(Scope::Public);
    // The number stands in the text, so that SQLite finds the index of what is public.
    let sql = format!(
        "SELECT r.position, r.site, r.id, r.scope, r.addressee FROM article_revisions r \
         WHERE r.scope = {} AND r.carrier_site = $1 AND length(r.addressee) = 0 \
         AND r.position > $2 AND r.position <= $3 ORDER BY r.position {} LIMIT $4",
        Scope::Public.number(),
        order(span)
    );
    let mut changes = Vec::new();
    for row in tx.all(&sql, args![carrier, span.after, span.upto, span.limit]).await? {
        let audience = Audience { scope: row.get(3)?, addressee: row.get(4)? };
        if may_read(reader, carrier, audience) {
            changes.push(Change { position: row.get(0)?, site: row.get(1)?, id: row.get(2)? });
        }
    }
    changes.sort_by_key(|change| change.position);
    Ok(changes)
}

/// How far a span reaches that holds at most `span.limit` retractions `reader` may see.
pub async fn withdrawn_upto(tx: &mut Tx, reader: Reader, span: Span) -> Result<i64, StoreError> {
    let sql = "SELECT position FROM retractions WHERE scope >= $1 AND length(addressee) = 0 \
               AND position > $2 AND position <= $3 ORDER BY position LIMIT 1 OFFSET $4";
    let args = args![reader.ceiling, span.after, span.upto, span.limit];
    let beyond = tx.optional(sql, args).await?;
    beyond.map_or(Ok(span.upto), |row| Ok(row.get::<i64>(0)? - 1))
}

/// What was withdrawn, by a retraction that `reader` may see, of what it could see before.
pub async fn withdrawn_in(
    tx: &mut Tx,
    reader: Reader,
    span: Span,
) -> Result<Vec<Withdrawal>, StoreError> {
    // From each retraction to rows: the entry it names, a release of the entry it names, the record it names.
    let sql = format!(
        "WITH t AS (SELECT hash, site, scope, addressee, record, reason, position FROM retractions \
           WHERE scope >= $1 AND length(addressee) = 0 AND position > $2 AND position <= $3 \
           ORDER BY position {} LIMIT $4), \
         hit AS ( \
           SELECT t.hash AS retraction, r.position AS row_position FROM t \
             JOIN retracted_entries x ON x.retraction = t.hash \
             JOIN article_revisions r ON r.carrier_hash = x.hash AND r.carrier_site = x.site \
           UNION SELECT t.hash, n.position FROM t \
             JOIN retracted_entries x ON x.retraction = t.hash \
             JOIN releases n ON n.original_site = x.site AND n.original_hash = x.hash \
           UNION SELECT t.hash, r.position FROM t \
             JOIN article_revisions r ON r.site = t.site AND r.id = t.record \
             WHERE length(t.record) > 0) \
         SELECT t.position, r.site, r.id, t.reason, r.slug, r.carrier_site, e.received_ms, \
           t.site, t.scope, t.addressee, r.scope, r.addressee \
         FROM hit JOIN t ON t.hash = hit.retraction \
         JOIN article_revisions r ON r.position = hit.row_position \
         JOIN entries e ON e.position = t.position \
         WHERE r.scope >= $1 AND length(r.addressee) = 0 AND r.position < t.position {} \
         ORDER BY t.position, r.position",
        order(span),
        narrowed(reader, "r.carrier_site")
    );
    let args = args![reader.ceiling, span.after, span.upto, span.limit];
    let (mut seen, mut withdrawals) = (BTreeSet::new(), Vec::new());
    for row in tx.all(&sql, args).await? {
        let change = Change { position: row.get(0)?, site: row.get(1)?, id: row.get(2)? };
        let withdrawal = Withdrawal {
            change,
            reason: row.get(3)?,
            column: row.get(4)?,
            carrier: row.get(5)?,
            at_ms: row.get(6)?,
        };
        let told = Audience { scope: row.get(8)?, addressee: row.get(9)? };
        let shown = Audience { scope: row.get(10)?, addressee: row.get(11)? };
        let may =
            may_read(reader, row.get(7)?, told) && may_read(reader, withdrawal.carrier, shown);
        let key = (change.position, change.site, change.id, withdrawal.carrier);
        if may && seen.insert((key, withdrawal.column.clone())) {
            withdrawals.push(withdrawal);
        }
    }
    Ok(withdrawals)
}

fn order(span: Span) -> &'static str {
    if span.latest { "DESC" } else { "ASC" }
}
