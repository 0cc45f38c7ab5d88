//! Asks who belongs.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Unit;
use super::front::front;
use crate::args;
use crate::entry::{PublicKey, RecordId, SiteId};
use crate::scope::{Audience, Reader, Scope, may_read};
use crate::store::{Row, StoreError, Tx, Value};

/// A site, as its latest enrolment has it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SiteView {
    /// The site.
    pub site: SiteId,
    /// The key it was last enrolled with; it may have further ones (see [`bound`]).
    pub key: PublicKey,
    /// Who runs it.
    pub unit: Unit,
    /// The narrowest scope it may hold.
    pub ceiling: Scope,
    /// Whether it is a hub.
    pub hub: bool,
    /// Why it no longer belongs; `None` while it does.
    pub revoked: Option<String>,
    /// How far its enrolment may be told.
    pub scope: Scope,
    /// The hub that enrolled it.
    pub enrolled_by: SiteId,
}

impl SiteView {
    /// Whether `reader` may learn of this site. Ask before showing it to somebody.
    pub fn may_see(&self, reader: Reader) -> bool {
        may_read(reader, self.enrolled_by, Audience::all(self.scope))
    }
}

const SITES: &str = "SELECT s.site, s.key, s.unit_code, s.unit_name, s.parent_code, s.ceiling, s.hub, \
     r.reason, s.scope, s.author FROM sites s LEFT JOIN revocations r ON r.site = s.site";

fn view(row: &Row) -> Result<SiteView, StoreError> {
    Ok(SiteView {
        site: row.get(0)?,
        key: row.get(1)?,
        unit: Unit { code: row.get(2)?, name: row.get(3)?, parent: row.get(4)? },
        ceiling: row.get(5)?,
        hub: row.get(6)?,
        revoked: row.get(7)?,
        scope: row.get(8)?,
        enrolled_by: row.get(9)?,
    })
}

/// One site; `None` if nobody enrolled it.
pub async fn get(tx: &mut Tx, site: SiteId) -> Result<Option<SiteView>, StoreError> {
    let row = tx.optional(&format!("{SITES} WHERE s.site = $1"), args![site]).await?;
    row.as_ref().map(view).transpose()
}

/// The site of the unit with this code. Where a unit was enrolled anew, the site that still belongs; among
/// several of these, the one enrolled last.
pub async fn by_code(tx: &mut Tx, code: &str) -> Result<Option<SiteView>, StoreError> {
    let sql = format!(
        "{SITES} WHERE s.unit_code = $1 \
         ORDER BY CASE WHEN r.site IS NULL THEN 0 ELSE 1 END, s.lamport DESC, s.author DESC, s.hash DESC \
         LIMIT 1"
    );
    tx.optional(&sql, args![code]).await?.as_ref().map(view).transpose()
}

/// Every site ever enrolled, revoked ones too: hubs first, then by the unit's code.
pub async fn all(tx: &mut Tx) -> Result<Vec<SiteView>, StoreError> {
    let mut views = tx
        .all(SITES, Vec::new())
        .await?
        .iter()
        .map(view)
        .collect::<Result<Vec<SiteView>, StoreError>>()?;
    views.sort_by(|a, b| (!a.hub, &a.unit.code, a.site).cmp(&(!b.hub, &b.unit.code, b.site)));
    Ok(views)
}

/// Which of these sites may sign with these keys: by enrolment, by their own key change, or pinned here.
pub async fn bound(
    tx: &mut Tx,
    keys: &[(SiteId, PublicKey)],
) -> Result<HashSet<(SiteId, PublicKey)>, StoreError> {
    let keys: BTreeSet<(SiteId, PublicKey)> = keys.iter().copied().collect();
    // Joins, because SQLite scans the whole table for several rows after IN.
    let sql = "SELECT s.site, s.key FROM ({keys}) k \
                 JOIN site_keys s ON s.site = k.column1 AND s.key = k.column2 \
               UNION SELECT p.site, p.key FROM ({keys}) k \
                 JOIN pins p ON p.site = k.column1 AND p.key = k.column2";
    let rows = tx.select_in(sql, keys.into_iter().map(|(site, key)| args![site, key]).collect());
    rows.await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Every key of these sites. A site without any is not known here.
pub(in crate::content) async fn keys(
    tx: &mut Tx,
    sites: &BTreeSet<SiteId>,
) -> Result<HashSet<(SiteId, PublicKey)>, StoreError> {
    let sql = "SELECT site, key FROM site_keys WHERE site IN ({keys}) \
               UNION SELECT site, key FROM pins WHERE site IN ({keys})";
    let rows = tx.select_in(sql, one_by_one(sites)).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Sites that no longer belong.
pub async fn revoked(tx: &mut Tx) -> Result<BTreeSet<SiteId>, StoreError> {
    let rows = tx.all("SELECT site FROM revocations", Vec::new()).await?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// The site that spent this invitation; `None` while it is good.
pub async fn invite_spent(tx: &mut Tx, invite: RecordId) -> Result<Option<SiteId>, StoreError> {
    let sql = "SELECT site FROM spent_invites WHERE invite = $1";
    tx.optional(sql, args![invite]).await?.map(|row| row.get(0)).transpose()
}

/// Code and name of a unit, as shown beside what it wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::content) struct UnitName {
    pub(in crate::content) code: String,
    pub(in crate::content) name: String,
}

/// The units of these sites, as far as `reader` may see them: the tree of units is told no further than
/// the enrolments are. Letting a unit publish at once tells its name with what it publishes.
pub(in crate::content) async fn names(
    tx: &mut Tx,
    reader: Reader,
    sites: &BTreeSet<SiteId>,
) -> Result<BTreeMap<SiteId, UnitName>, StoreError> {
    let sql = format!("{SITES} WHERE s.site IN ({{keys}})");
    let front = front(tx, reader).await?;
    let mut names = BTreeMap::new();
    for row in tx.select_in(&sql, one_by_one(sites)).await? {
        let view = view(&row)?;
        if view.may_see(reader) || front.contains(&view.site) {
            names.insert(view.site, UnitName { code: view.unit.code, name: view.unit.name });
        }
    }
    Ok(names)
}

fn one_by_one(sites: &BTreeSet<SiteId>) -> Vec<Vec<Value>> {
    sites.iter().map(|site| args![*site]).collect()
}
