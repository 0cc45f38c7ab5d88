//! Reading the journal: for a link, by position and filter; for a refill, log by log.

use crate::args;
use crate::entry::{Entry, Hash, LogId};
use crate::journal::log_from_row;
use crate::store::{Row, StoreError, Tx, Value};
use crate::sync::filter::Filter;

/// The end of the journal: the last position, and the hash over everything up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Last position; 0 in an empty journal. Positions are dense from 1.
    pub position: i64,
    /// `BLAKE3(rolling hash before, entry hash)`; zeros in an empty journal.
    pub rolling: Hash,
}

impl End {
    /// The end of an empty journal.
    pub const START: Self = Self { position: 0, rolling: Hash([0; 32]) };

    /// The end after one more entry.
    #[must_use]
    pub fn after(self, entry: Hash) -> Self {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&self.rolling.0);
        both[32..].copy_from_slice(&entry.0);
        Self { position: self.position + 1, rolling: Hash::of(&both) }
    }
}

/// One entry of the journal, as it goes over a link.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its place in the journal.
    pub position: i64,
    /// Its log.
    pub log: LogId,
    /// Its place in the log.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Column of an article.
    pub slug: Option<String>,
    /// The bytes.
    pub entry: Entry,
}

impl Item {
    /// Bytes of memory it takes, near enough for budgets: with many small ones, most of it is not the entry's.
    pub fn memory(&self) -> usize {
        /// What an allocator keeps beside each of its four pieces.
        const PIECES: usize = 4 * 16;
        size_of::<Self>()
            + PIECES
            + self.slug.as_ref().map_or(0, String::capacity)
            + self.entry.size()
    }
}

/// Part of a journal that a filter lets through.
#[derive(Debug)]
pub struct Page {
    /// Its entries, in order.
    pub items: Vec<Item>,
    /// Everything up to here was looked at.
    pub end: End,
}

/// The end of the journal.
pub async fn end(tx: &mut Tx) -> Result<End, StoreError> {
    let sql = "SELECT position, rolling FROM entries ORDER BY position DESC LIMIT 1";
    match tx.optional(sql, args![]).await? {
        Some(row) => Ok(End { position: row.get(0)?, rolling: row.get(1)? }),
        None => Ok(End::START),
    }
}

/// The rolling hash at a position; `None` where the journal does not reach.
pub async fn rolling_at(tx: &mut Tx, position: i64) -> Result<Option<Hash>, StoreError> {
    if position == 0 {
        return Ok(Some(End::START.rolling));
    }
    let sql = "SELECT rolling FROM entries WHERE position = $1";
    tx.optional(sql, args![position]).await?.map(|row| row.get(0)).transpose()
}

const COLUMNS: &str = "e.position, l.site, l.incarnation, l.scope, l.addressee, l.lane, e.seq, e.hash, \
                       e.slug, e.head, e.signature, e.body";

fn item(row: &Row) -> Result<Item, StoreError> {
    Ok(Item {
        position: row.get(0)?,
        log: log_from_row(row, 1)?,
        seq: row.get(6)?,
        hash: row.get(7)?,
        slug: row.get(8)?,
        entry: Entry { head: row.get(9)?, signature: row.get(10)?, body: row.get(11)? },
    })
}

/// Reads on after `after`, up to and including `upto`, as far as `filter` lets through, until about
/// `max_bytes`. At least one entry is read if there is one.
pub async fn page(
    tx: &mut Tx,
    filter: &Filter,
    after: i64,
    upto: i64,
    max_bytes: usize,
) -> Result<Page, StoreError> {
    const ROWS: usize = 1024;
    let upto = upto.max(after);
    // The condition only spares reading; `Filter::lets` decides.
    let (condition, values) = condition(filter, after, upto);
    let sql = format!(
        "SELECT e.position, CAST(length(e.head) + COALESCE(length(e.body), 0) AS BIGINT) \
         FROM entries e JOIN logs l ON l.log = e.log WHERE {condition} ORDER BY e.position LIMIT {}",
        ROWS + 1
    );
    let sizes = tx.all(&sql, values.clone()).await?;
    let mut last = upto;
    let mut bytes = 0;
    for (index, row) in sizes.iter().enumerate() {
        bytes += usize::try_from(row.get::<i64>(1)?).unwrap_or(usize::MAX).saturating_add(96);
        if index == ROWS || (bytes > max_bytes && index > 0) {
            break;
        }
        // With the last row there is the page reaches to the end: stopping short of it would tell that
        // something hidden follows (rule 2).
        last = if index + 1 == sizes.len() { upto } else { row.get(0)? };
    }
    let mut items = Vec::new();
    if !sizes.is_empty() {
        let mut values = values;
        values[1] = last.into();
        let sql = format!(
            "SELECT {COLUMNS} FROM entries e JOIN logs l ON l.log = e.log \
             WHERE {condition} ORDER BY e.position"
        );
        for row in tx.all(&sql, values).await? {
            let item = item(&row)?;
            if filter.lets(&item.log, item.slug.as_deref()) {
                items.push(item);
            }
        }
    }
    let rolling = rolling_at(tx, last).await?.ok_or(StoreError::Corrupt("a gap in the journal"))?;
    Ok(Page { items, end: End { position: last, rolling } })
}

/// Whether anything in a part of the journal is there for `filter`'s reader, or not there, because of who it is: an
/// entry of its own, or one addressed to it.
pub async fn concerns_reader(
    tx: &mut Tx,
    filter: &Filter,
    after: i64,
    upto: i64,
) -> Result<bool, StoreError> {
    let Some(reader) = filter.reader.site else { return Ok(false) };
    let sql = "SELECT 1 FROM entries WHERE position > $1 AND position <= $2 AND log IN \
               (SELECT log FROM logs WHERE lane = $3 AND (site = $4 OR addressee = $4)) LIMIT 1";
    Ok(tx.optional(sql, args![after, upto, filter.lane, reader]).await?.is_some())
}

fn condition(filter: &Filter, after: i64, upto: i64) -> (String, Vec<Value>) {
    let reader = filter.reader.site;
    let mut sql = String::from(
        "e.position > $1 AND e.position <= $2 AND l.lane = $3 AND l.scope >= $4 \
         AND (length(l.addressee) = 0 OR l.addressee = $5 OR l.site = $5)",
    );
    let mut values = args![after, upto, filter.lane, filter.reader.ceiling, reader];
    if !filter.refill {
        sql.push_str(" AND l.site <> $5");
    }
    let wanted = if filter.lane == crate::entry::Lane::Control {
        ""
    } else if filter.subscriptions.is_empty() {
        " AND (l.site = $6 OR l.site = $5 OR l.addressee = $5)"
    } else {
        " AND (l.site = $6 OR l.site = $5 OR l.addressee = $5 OR e.slug IS NOT NULL)"
    };
    if !wanted.is_empty() {
        sql.push_str(wanted);
        values.push(filter.trunk.into());
    }
    (sql, values)
}

/// Every entry after `after`, whoever it is for, until about `max_bytes`; and where that ends.
pub async fn all_after(
    tx: &mut Tx,
    after: i64,
    max_bytes: usize,
) -> Result<(Vec<Item>, End), StoreError> {
    let sql = "SELECT position, CAST(length(head) + COALESCE(length(body), 0) AS BIGINT) FROM entries \
               WHERE position > $1 ORDER BY position LIMIT 1024";
    let (mut last, mut bytes) = (after, 0);
    for row in tx.all(sql, args![after]).await? {
        bytes += usize::try_from(row.get::<i64>(1)?).unwrap_or(usize::MAX).saturating_add(96);
        if bytes > max_bytes && last > after {
            break;
        }
        last = row.get(0)?;
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM entries e JOIN logs l ON l.log = e.log \
         WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position"
    );
    let rows = tx.all(&sql, args![after, last]).await?;
    let items = rows.iter().map(item).collect::<Result<_, _>>()?;
    let rolling = rolling_at(tx, last).await?.ok_or(StoreError::Corrupt("a gap in the journal"))?;
    Ok((items, End { position: last, rolling }))
}

/// Entries of one log above `above`, in order, until about `max_bytes`; both branches of a fork.
pub async fn log_entries(
    tx: &mut Tx,
    log: &LogId,
    above: u64,
    max_bytes: usize,
) -> Result<Vec<Item>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM entries e JOIN logs l ON l.log = e.log \
         WHERE l.site = $1 AND l.incarnation = $2 AND l.scope = $3 AND l.addressee = $4 AND l.lane = $5 \
         AND e.seq > $6 ORDER BY e.seq, e.position LIMIT 64"
    );
    let audience = log.audience;
    let mut items = Vec::new();
    let mut bytes = 0;
    let values =
        args![log.site, log.incarnation, audience.scope, audience.addressee, log.lane, above];
    for row in tx.all(&sql, values).await? {
        let item = item(&row)?;
        bytes += item.entry.size();
        if bytes > max_bytes && !items.is_empty() {
            break;
        }
        items.push(item);
    }
    Ok(items)
}
