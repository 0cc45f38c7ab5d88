//! Folds enrolments, key changes and revocations.

use std::cmp::Reverse;

use super::{Enrolment, KeyChange, Revocation};
use crate::args;
use crate::content::Folding;
use crate::content::views::{Type, View, reduce};
use crate::entry::{Hash, RecordId, SiteId};
use crate::store::{StoreError, Tx};

pub(in crate::content) const VIEWS: &[View] = &[
    View {
        table: "sites",
        shared: &[
            ("site", Type::Bytes),
            ("key", Type::Bytes),
            ("unit_code", Type::Text),
            ("unit_name", Type::Text),
            ("parent_code", Type::Text),
            ("ceiling", Type::Int),
            ("hub", Type::Int),
            ("scope", Type::Int),
            ("lamport", Type::Int),
            ("author", Type::Bytes),
            ("hash", Type::Bytes),
        ],
        local: &[],
        live: None,
    },
    View {
        table: "site_keys",
        shared: &[("site", Type::Bytes), ("key", Type::Bytes)],
        local: &[],
        live: None,
    },
    View {
        table: "spent_invites",
        shared: &[
            ("invite", Type::Bytes),
            ("site", Type::Bytes),
            ("lamport", Type::Int),
            ("author", Type::Bytes),
            ("hash", Type::Bytes),
        ],
        local: &[],
        live: None,
    },
    View {
        table: "revocations",
        shared: &[
            ("site", Type::Bytes),
            ("reason", Type::Text),
            ("lamport", Type::Int),
            ("author", Type::Bytes),
            ("hash", Type::Bytes),
        ],
        local: &[],
        live: None,
    },
];

/// Decides between records on the same thing across logs (rule 4).
fn rank(item: &Folding<'_>) -> (u64, SiteId, Hash) {
    (item.head.lamport, item.head.log.site, item.hash)
}

pub(in crate::content) async fn fold_enrolments(
    tx: &mut Tx,
    items: &[(&Folding<'_>, &Enrolment)],
) -> Result<(), StoreError> {
    let sites = items.iter().map(|(item, it)| {
        let row = args![
            it.site,
            it.key,
            &it.unit.code,
            &it.unit.name,
            &it.unit.parent,
            it.ceiling,
            it.hub,
            item.head.log.audience.scope,
            item.head.lamport,
            item.head.log.site,
            item.hash,
        ];
        (it.site, rank(item), row)
    });
    tx.insert_many(
        "INSERT INTO sites (site, key, unit_code, unit_name, parent_code, ceiling, hub, scope, \
         lamport, author, hash)",
        "ON CONFLICT (site) DO UPDATE SET key = excluded.key, unit_code = excluded.unit_code, \
         unit_name = excluded.unit_name, parent_code = excluded.parent_code, \
         ceiling = excluded.ceiling, hub = excluded.hub, scope = excluded.scope, \
         lamport = excluded.lamport, author = excluded.author, hash = excluded.hash \
         WHERE (excluded.lamport, excluded.author, excluded.hash) \
             > (sites.lamport, sites.author, sites.hash)",
        reduce(sites),
    )
    .await?;
    let keys = items.iter().map(|(_, it)| args![it.site, it.key]).collect();
    insert_keys(tx, keys).await?;
    spend(tx, items.iter().filter_map(|(item, it)| Some((*item, it.invite?, it.site)))).await
}

/// Invitations that were spent, each by whom; the first one counts.
pub(in crate::content) async fn spend<'a>(
    tx: &mut Tx,
    spent: impl Iterator<Item = (&'a Folding<'a>, RecordId, SiteId)>,
) -> Result<(), StoreError> {
    let invites = spent.map(|(item, invite, by)| {
        let (lamport, author, hash) = rank(item);
        let row = args![invite, by, lamport, author, hash];
        (invite, Reverse(rank(item)), row)
    });
    tx.insert_many(
        "INSERT INTO spent_invites (invite, site, lamport, author, hash)",
        "ON CONFLICT (invite) DO UPDATE SET site = excluded.site, lamport = excluded.lamport, \
         author = excluded.author, hash = excluded.hash \
         WHERE (excluded.lamport, excluded.author, excluded.hash) \
             < (spent_invites.lamport, spent_invites.author, spent_invites.hash)",
        reduce(invites),
    )
    .await
}

pub(in crate::content) async fn fold_key_changes(
    tx: &mut Tx,
    items: &[(&Folding<'_>, &KeyChange)],
) -> Result<(), StoreError> {
    let keys = items.iter().map(|(item, it)| args![item.head.log.site, it.key]).collect();
    insert_keys(tx, keys).await
}

async fn insert_keys(tx: &mut Tx, keys: Vec<Vec<crate::store::Value>>) -> Result<(), StoreError> {
    tx.insert_many("INSERT INTO site_keys (site, key)", "ON CONFLICT (site, key) DO NOTHING", keys)
        .await
}

pub(in crate::content) async fn fold_revocations(
    tx: &mut Tx,
    items: &[(&Folding<'_>, &Revocation)],
) -> Result<(), StoreError> {
    let rows = items.iter().map(|(item, it)| {
        let (lamport, author, hash) = rank(item);
        let row = args![it.site, &it.reason, lamport, author, hash];
        (it.site, Reverse(rank(item)), row)
    });
    tx.insert_many(
        "INSERT INTO revocations (site, reason, lamport, author, hash)",
        "ON CONFLICT (site) DO UPDATE SET reason = excluded.reason, lamport = excluded.lamport, \
         author = excluded.author, hash = excluded.hash \
         WHERE (excluded.lamport, excluded.author, excluded.hash) \
             < (revocations.lamport, revocations.author, revocations.hash)",
        reduce(rows),
    )
    .await
}
