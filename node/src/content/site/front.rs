//! Whose own words stand at the front: what a hub's public pages show without the hub's release.
//!
//! A unit's public entry says that it may go anywhere; whether this site shows it to the public is this site's to decide.
//! It does once it released the entry, or if it lets the unit publish at once. That setting is local, never sent.

use std::collections::BTreeSet;

use super::check_code;
use super::query::by_code;
use crate::args;
use crate::entry::SiteId;
use crate::journal::Edition;
use crate::scope::Reader;
use crate::store::{StoreError, Tx};

/// The sites whose own words a curated reader sees: this one, and those of units that publish at once and belong.
pub(in crate::content) const FRONT: &str = "\
    SELECT m.value FROM meta m WHERE m.key = 'site' \
    UNION ALL SELECT s.site FROM at_once a JOIN sites s ON s.unit_code = a.unit_code \
    WHERE NOT EXISTS (SELECT 1 FROM revocations x WHERE x.site = s.site)";

/// What narrows a query to them: ` AND column IN …` for a curated reader, nothing for any other.
pub(in crate::content) fn narrowed(reader: Reader, column: &str) -> String {
    if reader.curated { format!(" AND {column} IN ({FRONT})") } else { String::new() }
}

/// The sites of [`FRONT`] for a curated reader; none for any other, who needs no such leave.
pub(in crate::content) async fn front(
    tx: &mut Tx,
    reader: Reader,
) -> Result<BTreeSet<SiteId>, StoreError> {
    if !reader.curated {
        return Ok(BTreeSet::new());
    }
    tx.all(FRONT, args![]).await?.iter().map(|row| row.get(0)).collect()
}

/// The codes of the units that publish at once.
pub async fn at_once(tx: &mut Tx) -> Result<BTreeSet<String>, StoreError> {
    let rows = tx.all("SELECT unit_code FROM at_once", args![]).await?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// Lets a unit publish at once, or takes that back; says whether there is such a unit.
pub async fn set_at_once(tx: &mut Tx, code: &str, at_once: bool) -> Result<bool, StoreError> {
    let known = check_code(code).is_ok() && by_code(tx, code).await?.is_some();
    // What was let through stays withdrawable, whoever has left since.
    if !known && at_once {
        return Ok(false);
    }
    let sql = if at_once {
        "INSERT INTO at_once (unit_code) VALUES ($1) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM at_once WHERE unit_code = $1"
    };
    let changed = tx.execute(sql, args![code]).await?;
    Edition::touch(tx).await?;
    Ok(known || changed > 0)
}
