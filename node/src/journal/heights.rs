//! How much of each log is held without a gap.

use std::collections::BTreeSet;

use crate::args;
use crate::entry::{Hash, LogId, SiteId};
use crate::heights::{Height, Heights};
use crate::scope::Audience;
use crate::store::{Row, StoreError, Tx};

/// Reads a log's name from columns `site, incarnation, scope, addressee, lane` beginning at `first`.
pub fn log_from_row(row: &Row, first: usize) -> Result<LogId, StoreError> {
    Ok(LogId {
        site: row.get(first)?,
        incarnation: row.get(first + 1)?,
        audience: Audience { scope: row.get(first + 2)?, addressee: row.get(first + 3)? },
        lane: row.get(first + 4)?,
    })
}

fn collect(rows: &[Row]) -> Result<Heights, StoreError> {
    let mut heights = Heights::new();
    for row in rows {
        let hash =
            row.get::<Option<Hash>>(6)?.ok_or(StoreError::Corrupt("a height without a hash"))?;
        heights.insert(log_from_row(row, 0)?, Height { seq: row.get(5)?, hash });
    }
    Ok(heights)
}

/// Heights of the logs of one author.
pub async fn heights_of_site(tx: &mut Tx, site: SiteId) -> Result<Heights, StoreError> {
    let sql = "SELECT site, incarnation, scope, addressee, lane, height, tip FROM logs \
               WHERE site = $1 AND height > 0";
    collect(&tx.all(sql, args![site]).await?)
}

/// Heights of every log held.
pub async fn heights_of_all(tx: &mut Tx) -> Result<Heights, StoreError> {
    let sql = "SELECT site, incarnation, scope, addressee, lane, height, tip FROM logs \
               WHERE height > 0";
    collect(&tx.all(sql, args![]).await?)
}

/// Those of these logs in which another entry, or none, is held at the place of the height.
pub async fn not_held(tx: &mut Tx, heights: &Heights) -> Result<BTreeSet<LogId>, StoreError> {
    let mut missing: BTreeSet<LogId> = heights.keys().copied().collect();
    let keys = heights
        .iter()
        .map(|(log, at)| {
            let audience = log.audience;
            args![
                log.site,
                log.incarnation,
                audience.scope,
                audience.addressee,
                log.lane,
                at.seq,
                at.hash
            ]
        })
        .collect();
    let sql = "SELECT l.site, l.incarnation, l.scope, l.addressee, l.lane \
               FROM entries e JOIN logs l ON l.log = e.log \
               WHERE (l.site, l.incarnation, l.scope, l.addressee, l.lane, e.seq, e.hash) IN ({keys})";
    for row in tx.select_in(sql, keys).await? {
        missing.remove(&log_from_row(&row, 0)?);
    }
    Ok(missing)
}

/// Places in logs where two branches are held.
pub async fn forks(tx: &mut Tx) -> Result<Vec<(LogId, u64)>, StoreError> {
    let sql = "SELECT l.site, l.incarnation, l.scope, l.addressee, l.lane, f.seq \
               FROM forks f JOIN logs l ON l.log = f.log ORDER BY f.log, f.seq";
    let rows = tx.all(sql, args![]).await?;
    rows.iter().map(|row| Ok((log_from_row(row, 0)?, row.get(5)?))).collect()
}
