//! The units a reader may know of, for the pages that show them one by one.

use std::collections::BTreeMap;

use super::front::front;
use super::query::all;
use crate::args;
use crate::content::journal::{LIVE, visible};
use crate::entry::SiteId;
use crate::scope::Reader;
use crate::store::{StoreError, Tx};

/// A unit whose words are held here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitHere {
    /// Its code.
    pub code: String,
    /// Its name, as far as the reader may know it.
    pub name: String,
    /// Its sites, those that left too.
    pub sites: Vec<SiteId>,
}

/// The units `reader` may know of, without this site's own, by code: those whose enrolment may be told to it, those
/// that publish at once, and those of which it may read something that was released.
pub async fn units(tx: &mut Tx, reader: Reader, own: SiteId) -> Result<Vec<UnitHere>, StoreError> {
    let front = front(tx, reader).await?;
    let released = released(tx, reader).await?;
    let mut units: BTreeMap<String, UnitHere> = BTreeMap::new();
    for site in all(tx).await?.into_iter().filter(|it| it.site != own) {
        let known = site.may_see(reader) || front.contains(&site.site);
        let name = if known { Some(&site.unit.name) } else { released.get(&site.site) };
        let Some(name) = name else { continue };
        let unit = units.entry(site.unit.code.clone()).or_insert_with(|| UnitHere {
            code: site.unit.code.clone(),
            name: name.clone(),
            sites: Vec::new(),
        });
        // The site that still belongs knows the unit's present name.
        if site.revoked.is_none() {
            unit.name.clone_from(name);
        }
        unit.sites.push(site.site);
    }
    Ok(units.into_values().collect())
}

/// The authors of what was released and `reader` may read, with their units' names as the releases have them.
async fn released(tx: &mut Tx, reader: Reader) -> Result<BTreeMap<SiteId, String>, StoreError> {
    let sql = format!(
        "SELECT r.site, r.unit_name, MAX(r.position) AS latest FROM article_revisions r \
         WHERE {} AND {LIVE} AND length(r.unit_name) > 0 \
         GROUP BY r.site, r.unit_name ORDER BY latest",
        visible(reader)
    );
    let rows = tx.all(&sql, args![reader.ceiling, reader.site]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}
