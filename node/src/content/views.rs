//! All views together: folding a batch into them, emptying them, and their digests.

use std::collections::BTreeMap;

use crate::content::{
    Folding, Record, article, column, files, first_seen, harvester, notice, receipt, release,
    retraction, site,
};
use crate::entry::Hash;
use crate::store::{FromSql, Row, StoreError, Tx, Value};

/// How a column of a view is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Text,
    Bytes,
}

/// A view, for digests and for emptying.
#[derive(Debug)]
pub(super) struct View {
    /// Name of its table.
    pub(super) table: &'static str,
    /// Columns that replicas share.
    pub(super) shared: &'static [(&'static str, Type)],
    /// Columns that each site has for itself: positions, times of arrival.
    pub(super) local: &'static [(&'static str, Type)],
    /// Which rows of `r` are not withdrawn, if rows of this view can be.
    pub(super) live: Option<&'static str>,
}

const VIEWS: [&[View]; 10] = [
    site::VIEWS,
    harvester::VIEWS,
    retraction::VIEWS,
    first_seen::VIEWS,
    column::VIEWS,
    article::VIEWS,
    files::VIEWS,
    notice::VIEWS,
    receipt::VIEWS,
    release::VIEWS,
];

/// Folds accepted entries into the views. Folding an entry again changes nothing, and any order of arrival
/// gives the same tables (rule 4). A few statements a kind, whatever the number of items.
pub async fn fold(tx: &mut Tx, items: &[Folding<'_>]) -> Result<(), StoreError> {
    macro_rules! of {
        ($kind:ident) => {
            items
                .iter()
                .filter_map(|item| match item.record {
                    Record::$kind(it) => Some((item, it)),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
    }
    site::fold_enrolments(tx, &of!(Enrolment)).await?;
    site::fold_key_changes(tx, &of!(KeyChange)).await?;
    site::fold_revocations(tx, &of!(Revocation)).await?;
    harvester::fold(tx, &of!(Harvester)).await?;
    retraction::fold(tx, &of!(Retraction)).await?;
    first_seen::fold(tx, &of!(FirstSeen)).await?;
    column::fold(tx, &of!(Column)).await?;
    let releases: Vec<_> = of!(Release).into_iter().map(|(item, it)| (item, it.as_ref())).collect();
    let articles = of!(Article);
    article::fold(tx, &articles, &releases).await?;
    files::fold(tx, &articles, &releases).await?;
    notice::fold(tx, &of!(Notice), &releases).await?;
    receipt::fold(tx, &of!(Receipt)).await?;
    release::fold(tx, &releases).await
}

/// Empties every view, to fold the journal anew.
pub async fn clear(tx: &mut Tx) -> Result<(), StoreError> {
    for view in VIEWS.iter().copied().flatten() {
        tx.execute(&format!("DELETE FROM {}", view.table), Vec::new()).await?;
    }
    Ok(())
}

/// A digest of every view, by name of its table. With `local`, of everything in it. Without, of what replicas
/// share: no positions, no times of arrival, and nothing withdrawn, as a replica that heard of the
/// retraction first never got the text.
pub async fn digests(tx: &mut Tx, local: bool) -> Result<BTreeMap<&'static str, Hash>, StoreError> {
    let mut digests = BTreeMap::new();
    for view in VIEWS.iter().copied().flatten() {
        let columns: Vec<(&str, Type)> =
            view.shared.iter().chain(view.local.iter().filter(|_| local)).copied().collect();
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let live = view.live.filter(|_| !local).unwrap_or("1 = 1");
        let sql = format!("SELECT {} FROM {} r WHERE {live}", names.join(", "), view.table);
        let mut rows = Vec::new();
        for row in tx.all(&sql, Vec::new()).await? {
            rows.push(digest(&row, &columns)?);
        }
        // Sorted here: the two engines do not order texts alike.
        rows.sort_unstable();
        digests.insert(view.table, Hash::of(rows.concat().as_slice()));
    }
    Ok(digests)
}

fn digest(row: &Row, columns: &[(&str, Type)]) -> Result<[u8; 32], StoreError> {
    let mut hasher = blake3::Hasher::new();
    for (index, (_, kind)) in columns.iter().enumerate() {
        let value = match kind {
            Type::Int => Option::<i64>::from_sql(row, index)?.map(|it| it.to_be_bytes().to_vec()),
            Type::Text => Option::<String>::from_sql(row, index)?.map(String::into_bytes),
            Type::Bytes => Option::<Vec<u8>>::from_sql(row, index)?,
        };
        match value {
            None => hasher.update(&u64::MAX.to_be_bytes()),
            Some(value) => hasher.update(&(value.len() as u64).to_be_bytes()).update(&value),
        };
    }
    Ok(*hasher.finalize().as_bytes())
}

/// Keeps one row per key: the one with the greatest rank. PostgreSQL refuses a statement that hits one
/// key twice.
pub(super) fn reduce<K: Ord, R: Ord>(
    rows: impl IntoIterator<Item = (K, R, Vec<Value>)>,
) -> Vec<Vec<Value>> {
    let mut kept: BTreeMap<K, (R, Vec<Value>)> = BTreeMap::new();
    for (key, rank, row) in rows {
        match kept.entry(key) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert((rank, row));
            }
            std::collections::btree_map::Entry::Occupied(mut held) => {
                if rank > held.get().0 {
                    held.insert((rank, row));
                }
            }
        }
    }
    kept.into_values().map(|(_, row)| row).collect()
}
