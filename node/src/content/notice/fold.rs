//! Folds notices and their copies, as their authors' own entries and inside releases.

use super::Notice;
use crate::args;
use crate::content::journal::LIVE;
use crate::content::release::Release;
use crate::content::views::{Type, View};
use crate::content::{Folding, Record};
use crate::entry::{Hash, Head};
use crate::store::{StoreError, Tx, Value};

pub(in crate::content) const VIEWS: &[View] = &[View {
    table: "notices",
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
        ("title", Type::Text),
        ("doc_number", Type::Text),
        ("deadline_ms", Type::Int),
        ("issued_ms", Type::Int),
        ("unit_code", Type::Text),
        ("unit_name", Type::Text),
    ],
    local: &[("position", Type::Int), ("received_ms", Type::Int)],
    live: Some(LIVE),
}];

pub(in crate::content) async fn fold(
    tx: &mut Tx,
    own: &[(&Folding<'_>, &Notice)],
    releases: &[(&Folding<'_>, &Release)],
) -> Result<(), StoreError> {
    let mut rows: Vec<Vec<Value>> =
        own.iter().map(|(item, it)| row(item, item.hash, item.head, it, None)).collect();
    for (item, release) in releases {
        if let Record::Notice(it) = &release.record {
            rows.push(row(item, release.original_hash(), &release.head, it, Some(release)));
        }
    }
    tx.insert_many(
        "INSERT INTO notices (hash, carrier_hash, carrier_site, site, id, scope, addressee, \
         original_scope, lamport, title, doc_number, deadline_ms, issued_ms, unit_code, unit_name, \
         position, received_ms)",
        "ON CONFLICT (carrier_hash) DO NOTHING",
        rows,
    )
    .await
}

/// The row of notice `hash` with its `head`, as carried by `item`.
fn row(
    item: &Folding<'_>,
    hash: Hash,
    head: &Head,
    it: &Notice,
    release: Option<&Release>,
) -> Vec<Value> {
    let carrier = &item.head.log;
    args![
        hash,
        item.hash,
        carrier.site,
        head.log.site,
        it.id,
        carrier.audience.scope,
        carrier.audience.addressee,
        head.log.audience.scope,
        head.lamport,
        &it.title,
        &it.doc_number,
        it.deadline_ms,
        it.issued_ms,
        release.map_or("", |release| &release.unit_code),
        release.map_or("", |release| &release.unit_name),
        item.position,
        item.received_ms,
    ]
}
