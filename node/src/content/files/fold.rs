//! Folds the files that articles name, in their authors' own entries and inside releases.

use crate::args;
use crate::content::article::Article;
use crate::content::journal::LIVE;
use crate::content::release::Release;
use crate::content::views::{Type, View};
use crate::content::{Folding, Record};
use crate::entry::{Hash, Head, RecordId};
use crate::store::{StoreError, Tx, Value};

pub(in crate::content) const VIEWS: &[View] = &[View {
    table: "blob_refs",
    shared: &[
        ("blob", Type::Bytes),
        ("carrier_hash", Type::Bytes),
        ("carrier_site", Type::Bytes),
        ("hash", Type::Bytes),
        ("site", Type::Bytes),
        ("id", Type::Bytes),
        ("scope", Type::Int),
        ("addressee", Type::Bytes),
        ("size", Type::Int),
        ("media_type", Type::Text),
    ],
    local: &[("position", Type::Int)],
    live: Some(LIVE),
}];

pub(in crate::content) async fn fold(
    tx: &mut Tx,
    own: &[(&Folding<'_>, &Article)],
    releases: &[(&Folding<'_>, &Release)],
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for (item, it) in own {
        rows.extend(named(item, item.hash, item.head, it.id));
    }
    for (item, release) in releases {
        if let Record::Article(it) = &release.record {
            rows.extend(named(item, release.original_hash(), &release.head, it.id));
        }
    }
    tx.insert_many(
        "INSERT INTO blob_refs (blob, carrier_hash, carrier_site, hash, site, id, scope, addressee, size, \
         media_type, position)",
        "ON CONFLICT (blob, carrier_hash) DO NOTHING",
        rows,
    )
    .await
}

/// Rows for the files of revision `hash` with its `head`, as carried by `item`.
fn named(item: &Folding<'_>, hash: Hash, head: &Head, id: RecordId) -> Vec<Vec<Value>> {
    let carrier = &item.head.log;
    let audience = carrier.audience;
    head.blobs
        .iter()
        .map(|blob| {
            args![
                blob.hash,
                item.hash,
                carrier.site,
                hash,
                head.log.site,
                id,
                audience.scope,
                audience.addressee,
                blob.size,
                &blob.media_type,
                item.position,
            ]
        })
        .collect()
}
