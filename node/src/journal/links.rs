//! What a node remembers of the link to its hub; local, never sent.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{fact, log_from_row, set_fact};
use crate::args;
use crate::entry::{Lane, LogId};
use crate::heights::Heights;
use crate::store::{StoreError, Tx, Value};
use crate::sync::filter::Subscription;

/// The hub's cursors, as far as they are durable here.
pub async fn cursors(tx: &mut Tx) -> Result<Vec<(Lane, Bytes)>, StoreError> {
    let rows = tx.all("SELECT lane, cursor FROM cursors ORDER BY lane", args![]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Keeps the hub's cursor of a lane; belongs in the transaction of the entries it stands behind.
pub async fn save_cursor(tx: &mut Tx, lane: Lane, cursor: &Bytes) -> Result<(), StoreError> {
    let sql = "INSERT INTO cursors (lane, cursor) VALUES ($1, $2) \
               ON CONFLICT (lane) DO UPDATE SET cursor = excluded.cursor";
    tx.execute(sql, args![lane, cursor]).await?;
    Ok(())
}

/// Forgets the cursors: the next stream begins by heights.
pub async fn clear_cursors(tx: &mut Tx) -> Result<(), StoreError> {
    tx.execute("DELETE FROM cursors", args![]).await?;
    Ok(())
}

/// Columns of siblings this node wants.
pub async fn subscriptions(tx: &mut Tx) -> Result<Vec<Subscription>, StoreError> {
    let rows = tx.all("SELECT site, slug FROM subscriptions ORDER BY site, slug", args![]).await?;
    rows.iter().map(|row| Ok(Subscription { site: row.get(0)?, column: row.get(1)? })).collect()
}

const LOG_CONDITION: &str =
    "l.site = $1 AND l.incarnation = $2 AND l.scope = $3 AND l.addressee = $4 AND l.lane = $5";

fn log_args(log: &LogId) -> Vec<Value> {
    args![log.site, log.incarnation, log.audience.scope, log.audience.addressee, log.lane]
}

/// The hub holds these logs up to these heights.
pub async fn note_risen(tx: &mut Tx, heights: &Heights, at_ms: i64) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO risen (log, seq, at_ms) SELECT l.log, CAST($6 AS BIGINT), CAST($7 AS BIGINT) \
         FROM logs l WHERE {LOG_CONDITION} \
         ON CONFLICT (log) DO UPDATE SET seq = excluded.seq, at_ms = excluded.at_ms"
    );
    for (log, height) in heights {
        let mut values = log_args(log);
        values.extend(args![height.seq, at_ms]);
        tx.execute(&sql, values).await?;
    }
    Ok(())
}

/// Up to which sequence the hub holds each own log.
pub async fn risen(tx: &mut Tx) -> Result<Vec<(LogId, u64)>, StoreError> {
    let sql = "SELECT l.site, l.incarnation, l.scope, l.addressee, l.lane, r.seq \
               FROM risen r JOIN logs l ON l.log = r.log ORDER BY r.log";
    let rows = tx.all(sql, args![]).await?;
    rows.iter().map(|row| Ok((log_from_row(row, 0)?, row.get(5)?))).collect()
}

/// Which of the own entries at these positions the hub holds.
pub async fn risen_at(tx: &mut Tx, positions: &[i64]) -> Result<BTreeSet<i64>, StoreError> {
    let sql = "SELECT e.position FROM entries e JOIN risen r ON r.log = e.log \
               WHERE e.position IN ({keys}) AND e.seq <= r.seq";
    let keys = positions.iter().map(|position| args![*position]).collect();
    tx.select_in(sql, keys).await?.iter().map(|row| row.get(0)).collect()
}

/// An own entry the hub did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its log.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// Why, for programs.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

/// Remembers what the hub did not take.
pub async fn note_refusals(tx: &mut Tx, refused: &[Refused]) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO refusals (log, seq, reason, message) \
         SELECT l.log, CAST($6 AS BIGINT), $7, $8 FROM logs l WHERE {LOG_CONDITION} \
         ON CONFLICT (log, seq) DO UPDATE SET reason = excluded.reason, message = excluded.message"
    );
    for it in refused {
        let mut values = log_args(&it.log);
        values.extend(args![it.seq, &it.reason, &it.message]);
        tx.execute(&sql, values).await?;
    }
    Ok(())
}

/// Own entries the hub did not take.
pub async fn refusals(tx: &mut Tx) -> Result<Vec<Refused>, StoreError> {
    let sql = "SELECT l.site, l.incarnation, l.scope, l.addressee, l.lane, r.seq, r.reason, r.message \
               FROM refusals r JOIN logs l ON l.log = r.log ORDER BY r.log, r.seq";
    let rows = tx.all(sql, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Refused {
                log: log_from_row(row, 0)?,
                seq: row.get(5)?,
                reason: row.get(6)?,
                message: row.get(7)?,
            })
        })
        .collect()
}

/// Forgets refusals of entries that the hub holds by now.
pub async fn forget_refusals(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "DELETE FROM refusals WHERE EXISTS \
               (SELECT 1 FROM risen r WHERE r.log = refusals.log AND r.seq >= refusals.seq)";
    tx.execute(sql, args![]).await?;
    Ok(())
}

/// How the link stood when it last changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// `connected`, or `disconnected: ` and why.
    pub state: String,
    /// When, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

/// How the link stood when it last changed; `None` before the first attempt.
pub async fn link_state(tx: &mut Tx) -> Result<Option<LinkState>, StoreError> {
    let (Some(state), Some(at)) = (fact(tx, "link_state").await?, fact(tx, "link_at").await?)
    else {
        return Ok(None);
    };
    let at_ms = at.try_into().map(i64::from_be_bytes);
    let at_ms = at_ms.map_err(|_| StoreError::Corrupt("a time in table meta"))?;
    Ok(Some(LinkState { state: String::from_utf8_lossy(&state).into_owned(), at_ms }))
}

/// Remembers how the link stands.
pub async fn set_link_state(tx: &mut Tx, link: &LinkState) -> Result<(), StoreError> {
    set_fact(tx, "link_state", link.state.as_bytes()).await?;
    set_fact(tx, "link_at", &link.at_ms.to_be_bytes()).await
}

/// Whether entries from above were left out that could be taken now: the next stream begins by heights.
pub async fn resync(tx: &mut Tx) -> Result<bool, StoreError> {
    Ok(fact(tx, "resync").await?.is_some_and(|value| value == [1]))
}

/// Remembers whether entries from above were left out.
pub async fn set_resync(tx: &mut Tx, wanted: bool) -> Result<(), StoreError> {
    set_fact(tx, "resync", &[u8::from(wanted)]).await
}
