//! 栏目: the columns of a site.

use std::collections::{BTreeMap, BTreeSet};

use crate::args;
use crate::content::site::{check_code, narrowed as narrowed_to_front};
use crate::content::views::{Type, View};
use crate::content::{BadText, Folding, check_line};
use crate::entry::{Hash, SiteId};
use crate::scope::{Audience, Reader, Scope, may_read};
use crate::store::{Row, StoreError, Tx};

/// A column as its site describes it; the latest description counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Short name in addresses.
    pub slug: String,
    /// Name shown.
    pub name: String,
    /// One sentence on what it holds.
    pub description: String,
    /// Order among the site's columns, smaller first.
    pub rank: i32,
    /// Keeps its articles and takes no new ones.
    pub closed: bool,
}

impl Column {
    /// Checks every field.
    pub fn check(&self) -> Result<(), BadText> {
        check_code(&self.slug)?;
        check_line(&self.name, 60, true, "a column's name has 1 to 60 characters")?;
        check_line(
            &self.description,
            500,
            false,
            "a column's description has at most 500 characters",
        )
    }
}

/// A column as readers see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ColumnView {
    /// Whose column it is.
    pub site: SiteId,
    /// Short name in addresses.
    pub slug: String,
    /// Name shown.
    pub name: String,
    /// One sentence on what it holds.
    pub description: String,
    /// Order among the site's columns, smaller first.
    pub rank: i32,
    /// Keeps its articles and takes no new ones.
    pub closed: bool,
    /// How far this description travels.
    pub scope: Scope,
}

pub(super) const VIEWS: &[View] = &[View {
    table: "columns",
    shared: &[
        ("hash", Type::Bytes),
        ("site", Type::Bytes),
        ("slug", Type::Text),
        ("scope", Type::Int),
        ("addressee", Type::Bytes),
        ("lamport", Type::Int),
        ("name", Type::Text),
        ("description", Type::Text),
        ("rank", Type::Int),
        ("closed", Type::Int),
    ],
    local: &[],
    live: Some(LIVE),
}];

const LIVE: &str =
    "NOT EXISTS (SELECT 1 FROM retracted_entries x WHERE x.site = r.site AND x.hash = r.hash)";
const COLUMNS: &str = "r.site, r.slug, r.name, r.description, r.rank, r.closed, r.scope, r.addressee, r.lamport, r.hash";

pub(super) async fn fold(tx: &mut Tx, items: &[(&Folding<'_>, &Column)]) -> Result<(), StoreError> {
    let rows = items
        .iter()
        .map(|(item, it)| {
            let log = &item.head.log;
            args![
                item.hash,
                log.site,
                &it.slug,
                log.audience.scope,
                log.audience.addressee,
                item.head.lamport,
                &it.name,
                &it.description,
                it.rank,
                it.closed,
            ]
        })
        .collect();
    tx.insert_many(
        "INSERT INTO columns (hash, site, slug, scope, addressee, lamport, name, description, rank, closed)",
        "ON CONFLICT (hash) DO NOTHING",
        rows,
    )
    .await
}

/// The columns `reader` may see, of one site or of all: by site, then by rank.
pub async fn list(
    tx: &mut Tx,
    reader: Reader,
    site: Option<SiteId>,
) -> Result<Vec<ColumnView>, StoreError> {
    let (narrowed, args) = match site {
        None => ("", args![reader.ceiling]),
        Some(site) => ("AND r.site = $2", args![reader.ceiling, site]),
    };
    let front = narrowed_to_front(reader, "r.site");
    let sql =
        format!("SELECT {COLUMNS} FROM columns r WHERE r.scope >= $1 {narrowed}{front} AND {LIVE}");
    let rows = tx.all(&sql, args).await?;
    let mut columns: Vec<ColumnView> = latest(&rows, Some(reader))?.into_values().collect();
    columns.sort_by(|a, b| (a.site, a.rank, &a.slug).cmp(&(b.site, b.rank, &b.slug)));
    Ok(columns)
}

/// A site's column as it describes it to whomever: for writing into it, not for showing.
pub async fn get(tx: &mut Tx, site: SiteId, slug: &str) -> Result<Option<ColumnView>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM columns r WHERE r.site = $1 AND r.slug = $2 AND {LIVE}");
    let rows = tx.all(&sql, args![site, slug]).await?;
    Ok(latest(&rows, None)?.into_values().next())
}

/// The names of columns, as far as `reader` may see them.
pub(super) async fn names(
    tx: &mut Tx,
    reader: Reader,
    columns: &BTreeSet<(SiteId, String)>,
) -> Result<BTreeMap<(SiteId, String), String>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM ({{keys}}) k \
         JOIN columns r ON r.site = k.column1 AND r.slug = k.column2 WHERE {LIVE}{}",
        narrowed_to_front(reader, "r.site")
    );
    let keys = columns.iter().map(|(site, slug)| args![*site, slug]).collect();
    let rows = tx.select_in(&sql, keys).await?;
    let mut names: BTreeMap<_, _> =
        latest(&rows, Some(reader))?.into_iter().map(|(key, it)| (key, it.name)).collect();
    if reader.curated {
        for (key, name) in own_names(tx, reader, columns).await? {
            names.entry(key).or_insert(name);
        }
    }
    Ok(names)
}

/// Names for others' columns from this site's own of the same slug: what a unit calls its column was not released.
async fn own_names(
    tx: &mut Tx,
    reader: Reader,
    columns: &BTreeSet<(SiteId, String)>,
) -> Result<Vec<((SiteId, String), String)>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM columns r WHERE r.slug IN ({{keys}}) \
         AND r.site = (SELECT value FROM meta WHERE key = 'site') AND {LIVE}"
    );
    let slugs: BTreeSet<&String> = columns.iter().map(|(_, slug)| slug).collect();
    let rows = tx.select_in(&sql, slugs.into_iter().map(|slug| args![slug]).collect()).await?;
    let own: BTreeMap<String, String> =
        latest(&rows, Some(reader))?.into_values().map(|it| (it.slug, it.name)).collect();
    let named = columns.iter().filter_map(|key| Some((key.clone(), own.get(&key.1)?.clone())));
    Ok(named.collect())
}

/// Of every column the latest description that `reader` may see, by (Lamport, hash).
fn latest(
    rows: &[Row],
    reader: Option<Reader>,
) -> Result<BTreeMap<(SiteId, String), ColumnView>, StoreError> {
    let mut latest: BTreeMap<(SiteId, String), ((u64, Hash), ColumnView)> = BTreeMap::new();
    for row in rows {
        let audience = Audience { scope: row.get(6)?, addressee: row.get(7)? };
        let view = ColumnView {
            site: row.get(0)?,
            slug: row.get(1)?,
            name: row.get(2)?,
            description: row.get(3)?,
            rank: row.get(4)?,
            closed: row.get(5)?,
            scope: audience.scope,
        };
        if reader.is_some_and(|reader| !may_read(reader, view.site, audience)) {
            continue;
        }
        let rank = (row.get(8)?, row.get(9)?);
        let key = (view.site, view.slug.clone());
        if latest.get(&key).is_none_or(|(held, _)| rank > *held) {
            latest.insert(key, (rank, view));
        }
    }
    Ok(latest.into_iter().map(|(key, (_, view))| (key, view)).collect())
}
