//! The newest records of a long list without looking at all of it.
//!
//! What a list shows of a record, and under which date, takes all its revisions to know; doing that for every
//! record on every page costs 17 µs each. But no record is shown under a later date than its current revision
//! claims. So rows are walked from the latest claim down, what they belong to is looked at exactly, and once
//! enough of that is dated later than the walk has come, nothing further down can go before it.

use std::collections::BTreeSet;

use super::journal::{LIVE, visible};
use crate::entry::{Hash, RecordId, SiteId};
use crate::scope::Reader;
use crate::store::{StoreError, Tx, Value};

/// Most keys of one exact question.
const MAX_KEYS: usize = 256;

/// A record, by its author and id.
pub(super) type Key = (SiteId, RecordId);

/// Where to walk: rows of `table` by the claim in `date`. `conditions` narrow them and refer to `args`, which
/// begin with the reader's ceiling and site.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) table: &'static str,
    pub(super) date: &'static str,
    pub(super) reader: Reader,
    pub(super) conditions: &'a str,
    pub(super) args: &'a [Value],
}

/// A walk from the newest claim down.
#[derive(Debug)]
pub(super) struct Newest {
    found: BTreeSet<Key>,
    cursor: Option<(i64, Hash, Hash)>,
    chunk: i64,
    done: bool,
}

impl Newest {
    /// A walk that wants about so many records.
    pub(super) fn new(wanted: i64) -> Self {
        Self {
            found: BTreeSet::new(),
            cursor: None,
            chunk: wanted.max(0).saturating_add(32),
            done: false,
        }
    }

    /// Whether a record under this date is certain to come before all that were not found yet.
    pub(super) fn settles(&self, date: i64) -> bool {
        self.done || self.cursor.is_some_and(|(frontier, ..)| date > frontier)
    }

    /// Whether there is nothing further down.
    pub(super) fn done(&self) -> bool {
        self.done
    }

    /// The records of the next rows, without those found before.
    pub(super) async fn next(
        &mut self,
        tx: &mut Tx,
        source: &Source<'_>,
    ) -> Result<Vec<Key>, StoreError> {
        let Source { table, date, reader, conditions, .. } = source;
        let mut args = source.args.to_vec();
        let below = match self.cursor {
            None => String::new(),
            Some((at, hash, carrier)) => {
                args.extend(crate::args![at, hash, carrier]);
                let n = args.len();
                format!("AND (r.{date}, r.hash, r.carrier_hash) < (${}, ${}, ${n})", n - 2, n - 1)
            }
        };
        args.push(self.chunk.into());
        let visible = visible(*reader);
        let sql = format!(
            "SELECT r.site, r.id, r.{date}, r.hash, r.carrier_hash FROM {table} r \
             WHERE {visible} AND {LIVE} {conditions} {below} \
             ORDER BY r.{date} DESC, r.hash DESC, r.carrier_hash DESC LIMIT ${}",
            args.len()
        );
        let rows = tx.all(&sql, args).await?;
        self.done = i64::try_from(rows.len()).is_ok_and(|count| count < self.chunk);
        self.chunk = self.chunk.saturating_mul(4);
        if let Some(last) = rows.last() {
            self.cursor = Some((last.get(2)?, last.get(3)?, last.get(4)?));
        }
        let mut fresh = Vec::new();
        for row in rows {
            let key = (row.get(0)?, row.get(1)?);
            if self.found.insert(key) {
                fresh.push(key);
            }
        }
        Ok(fresh)
    }
}

/// Where to read the rows `r` of `table` that belong to these records: what stands after FROM, in chunks, each with
/// `args` and the keys behind them. Filled up to powers of two, so that few texts of statements arise.
///
/// A join, because SQLite scans the whole table for `(site, id) IN (VALUES …)` with more than one row. The filling
/// makes rows come twice; what numbers them does not mind.
pub(super) fn naming(table: &str, keys: &[Key], args: &[Value]) -> Vec<(String, Vec<Value>)> {
    keys.chunks(MAX_KEYS)
        .map(|chunk| {
            let mut args = args.to_vec();
            let mut tuples = Vec::new();
            let last = chunk[chunk.len() - 1];
            let padding = std::iter::repeat_n(&last, chunk.len().next_power_of_two() - chunk.len());
            for (site, id) in chunk.iter().chain(padding) {
                args.extend(crate::args![*site, *id]);
                tuples.push(format!("(${},${})", args.len() - 1, args.len()));
            }
            let from = format!(
                "(VALUES {}) k JOIN {table} r ON r.site = k.column1 AND r.id = k.column2",
                tuples.join(",")
            );
            (from, args)
        })
        .collect()
}
