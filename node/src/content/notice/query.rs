//! Asks for notices, on behalf of a reader.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::args;
use crate::content::article::TextFormat;
use crate::content::journal::{self, FindError, LIVE, record_at, visible};
use crate::content::newest::{Newest, Source, naming};
use crate::content::{Record, site};
use crate::entry::{Hash, RecordId, SiteId};
use crate::scope::{Audience, Reader, Scope, may_read};
use crate::store::{Row, StoreError, Tx, Value};

/// A notice in a list: its latest copy among those the reader may see.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NoticeLine {
    /// The author's site.
    pub site: SiteId,
    /// The notice; its copies share it.
    pub id: RecordId,
    /// The copy.
    pub hash: Hash,
    /// The site whose entry brings it: the author's, or the releaser's.
    pub carrier_site: SiteId,
    /// That entry.
    pub carrier_hash: Hash,
    /// How far it may go, as the reader sees it.
    pub scope: Scope,
    /// The unit this copy is for; `None` for a notice to everybody within `scope`.
    pub addressee: Option<SiteId>,
    /// Code of the author's unit; empty if the reader may not know it.
    pub unit_code: String,
    /// Name of the author's unit; empty if the reader may not know it.
    pub unit_name: String,
    /// Title.
    pub title: String,
    /// 发文字号, may be empty.
    pub doc_number: String,
    /// When it has to be signed for.
    pub deadline_ms: Option<i64>,
    /// When it was issued, by the author's clock.
    pub issued_ms: i64,
    /// When this site got it.
    pub received_ms: i64,
    /// Place of the carrying entry in this site's journal; it would tell a peer of entries hidden from it.
    #[serde(skip)]
    pub position: i64,
}

/// A notice with its text.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NoticeView {
    /// Everything a list shows of it.
    #[serde(flatten)]
    pub line: NoticeLine,
    /// How `text` is written.
    pub format: TextFormat,
    /// The text.
    pub text: String,
}

/// The notices `reader` may see, the latest issued first, at most `limit`. One line each, however many copies.
pub async fn list(tx: &mut Tx, reader: Reader, limit: i64) -> Result<Vec<NoticeLine>, StoreError> {
    let args = args![reader.ceiling, reader.site];
    let source = Source { table: TABLE, date: "issued_ms", reader, conditions: "", args: &args };
    let wanted = usize::try_from(limit).unwrap_or(0);
    let mut newest = Newest::new(limit);
    let mut lines: Vec<NoticeLine> = Vec::new();
    loop {
        let keys = newest.next(tx, &source).await?;
        for (from, args) in naming(TABLE, &keys, &args) {
            lines.extend(exact(tx, reader, &from, "", args).await?);
        }
        let settled = lines.iter().filter(|line| newest.settles(line.issued_ms)).count();
        if newest.done() || settled >= wanted {
            break;
        }
    }
    lines.sort_by_key(|line| (Reverse(line.issued_ms), line.id, line.site));
    lines.truncate(wanted);
    name(tx, reader, &mut lines).await?;
    Ok(lines)
}

/// One notice with its text; `None` if there is nothing of it that `reader` may see.
pub async fn get(
    tx: &mut Tx,
    reader: Reader,
    site: SiteId,
    id: RecordId,
) -> Result<Option<NoticeView>, StoreError> {
    let args = args![reader.ceiling, reader.site, site, id];
    let mut lines = exact(tx, reader, ROWS, "AND r.site = $3 AND r.id = $4", args).await?;
    name(tx, reader, &mut lines).await?;
    let Some(line) = lines.pop() else { return Ok(None) };
    match record_at(tx, line.position).await? {
        Record::Notice(it) => Ok(Some(NoticeView { line, format: it.format, text: it.text })),
        _ => Err(StoreError::Corrupt("a notice whose entry is none")),
    }
}

/// The one notice `reader` may see whose id begins with these hexadecimal digits.
pub async fn find(
    tx: &mut Tx,
    reader: Reader,
    prefix: &str,
) -> Result<(SiteId, RecordId), FindError> {
    journal::find(tx, TABLE, reader, prefix).await
}

const TABLE: &str = "notices";
/// The same, as rows are called.
const ROWS: &str = "notices r";

const LINE: &str = "site, id, hash, carrier_site, carrier_hash, scope, addressee, unit_code, unit_name, \
     title, doc_number, deadline_ms, issued_ms, received_ms, position";

/// One line for every notice with rows in `from` that satisfy `conditions`, in no order, units not named yet. `args` begin
/// with the reader's ceiling and site.
async fn exact(
    tx: &mut Tx,
    reader: Reader,
    from: &str,
    conditions: &str,
    args: Vec<Value>,
) -> Result<Vec<NoticeLine>, StoreError> {
    let visible = visible(reader);
    let sql = format!(
        "WITH ranked AS ( \
           SELECT r.*, ROW_NUMBER() OVER (PARTITION BY r.site, r.id ORDER BY \
             r.lamport DESC, r.hash DESC, r.scope DESC, r.carrier_hash DESC) AS place \
           FROM {from} WHERE {visible} AND {LIVE} {conditions}) \
         SELECT {LINE} FROM ranked WHERE place = 1"
    );
    let mut lines = Vec::new();
    for row in tx.all(&sql, args).await? {
        let line = line(&row)?;
        let audience = Audience { scope: line.scope, addressee: line.addressee };
        if may_read(reader, line.carrier_site, audience) {
            lines.push(line);
        }
    }
    Ok(lines)
}

/// Fills in the names of units that the reader may see.
async fn name(tx: &mut Tx, reader: Reader, lines: &mut [NoticeLine]) -> Result<(), StoreError> {
    let sites: BTreeSet<SiteId> = lines.iter().map(|line| line.site).collect();
    let units = site::names(tx, reader, &sites).await?;
    for line in lines {
        if line.unit_code.is_empty()
            && let Some(unit) = units.get(&line.site)
        {
            line.unit_code.clone_from(&unit.code);
            line.unit_name.clone_from(&unit.name);
        }
    }
    Ok(())
}

fn line(row: &Row) -> Result<NoticeLine, StoreError> {
    Ok(NoticeLine {
        site: row.get(0)?,
        id: row.get(1)?,
        hash: row.get(2)?,
        carrier_site: row.get(3)?,
        carrier_hash: row.get(4)?,
        scope: row.get(5)?,
        addressee: row.get(6)?,
        unit_code: row.get(7)?,
        unit_name: row.get(8)?,
        title: row.get(9)?,
        doc_number: row.get(10)?,
        deadline_ms: row.get(11)?,
        issued_ms: row.get(12)?,
        received_ms: row.get(13)?,
        position: row.get(14)?,
    })
}
