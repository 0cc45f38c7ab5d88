//! Folds articles, as their authors' own entries and inside releases.

use super::Article;
use crate::args;
use crate::content::journal::LIVE;
use crate::content::release::Release;
use crate::content::views::{Type, View};
use crate::content::{Folding, Record};
use crate::entry::{Hash, Head};
use crate::store::{StoreError, Tx, Value};

pub(in crate::content) const VIEWS: &[View] = &[View {
    table: "article_revisions",
    shared: &[
        ("hash", Type::Bytes),
        ("carrier_hash", Type::Bytes),
        ("carrier_site", Type::Bytes),
        ("site", Type::Bytes),
        ("id", Type::Bytes),
        ("scope", Type::Int),
        ("addressee", Type::Bytes),
        ("original_scope", Type::Int),
        ("lamport", Type::Int),
        ("slug", Type::Text),
        ("title", Type::Text),
        ("source", Type::Text),
        ("author", Type::Text),
        ("editor", Type::Text),
        ("keywords", Type::Text),
        ("published_ms", Type::Int),
        ("unit_code", Type::Text),
        ("unit_name", Type::Text),
        ("first_seen_ms", Type::Int),
        ("link", Type::Text),
        ("origin_site", Type::Bytes),
        ("origin_id", Type::Bytes),
        ("origin_hash", Type::Bytes),
    ],
    local: &[("position", Type::Int), ("received_ms", Type::Int)],
    live: Some(LIVE),
}];

pub(in crate::content) async fn fold(
    tx: &mut Tx,
    own: &[(&Folding<'_>, &Article)],
    releases: &[(&Folding<'_>, &Release)],
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for (item, it) in own {
        rows.push(row(item, item.hash, item.head, it, None)?);
    }
    for (item, release) in releases {
        if let Record::Article(it) = &release.record {
            rows.push(row(item, release.original_hash(), &release.head, it, Some(release))?);
        }
    }
    tx.insert_many(
        "INSERT INTO article_revisions (hash, carrier_hash, carrier_site, site, id, scope, addressee, \
         original_scope, lamport, slug, title, source, author, editor, keywords, published_ms, \
         unit_code, unit_name, first_seen_ms, link, origin_site, origin_id, origin_hash, position, \
         received_ms)",
        "ON CONFLICT (carrier_hash) DO NOTHING",
        rows,
    )
    .await
}

/// The row of revision `hash` with its `head`, as carried by `item`.
fn row(
    item: &Folding<'_>,
    hash: Hash,
    head: &Head,
    it: &Article,
    release: Option<&Release>,
) -> Result<Vec<Value>, StoreError> {
    let keywords = serde_json::to_string(&it.keywords)
        .map_err(|_| StoreError::Corrupt("keywords that are no JSON"))?;
    let carrier = &item.head.log;
    Ok(args![
        hash,
        item.hash,
        carrier.site,
        head.log.site,
        it.id,
        carrier.audience.scope,
        carrier.audience.addressee,
        head.log.audience.scope,
        head.lamport,
        &it.column,
        &it.title,
        &it.source,
        &it.author,
        &it.editor,
        keywords,
        it.published_ms,
        release.map_or("", |release| &release.unit_code),
        release.map_or("", |release| &release.unit_name),
        // A site cannot testify to its own entries.
        release.filter(|_| carrier.site != head.log.site).and_then(|release| release.first_seen_ms),
        &it.link,
        it.origin.map(|origin| origin.site),
        it.origin.map(|origin| origin.id),
        it.origin.map(|origin| origin.hash),
        item.position,
        item.received_ms,
    ])
}
