//! Asks for notices, on behalf of a reader.

use std::collections::BTreeSet;

use crate::args;
use crate::content::article::TextFormat;
use crate::content::journal::{self, FindError, LIVE, VISIBLE, record_at};
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
    lines(tx, reader, "", args![reader.ceiling, reader.site, limit]).await
}

/// One notice with its text; `None` if there is nothing of it that `reader` may see.
pub async fn get(
    tx: &mut Tx,
    reader: Reader,
    site: SiteId,
    id: RecordId,
) -> Result<Option<NoticeView>, StoreError> {
    let args = args![reader.ceiling, reader.site, 1, site, id];
    let Some(line) = lines(tx, reader, "AND r.site = $4 AND r.id = $5", args).await?.pop() else {
        return Ok(None);
    };
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
    journal::find(tx, "notices", reader, prefix).await
}

const LINE: &str = "site, id, hash, carrier_site, carrier_hash, scope, addressee, unit_code, unit_name, \
     title, doc_number, deadline_ms, issued_ms, received_ms, position";

/// `args`: the reader's ceiling and site, the limit, then what `conditions` want.
async fn lines(
    tx: &mut Tx,
    reader: Reader,
    conditions: &str,
    args: Vec<Value>,
) -> Result<Vec<NoticeLine>, StoreError> {
    let sql = format!(
        "WITH ranked AS ( \
           SELECT r.*, ROW_NUMBER() OVER (PARTITION BY r.site, r.id ORDER BY \
             r.lamport DESC, r.hash DESC, r.scope DESC, r.carrier_hash DESC) AS place \
           FROM notices r WHERE {VISIBLE} AND {LIVE} {conditions}) \
         SELECT {LINE} FROM ranked WHERE place = 1 ORDER BY issued_ms DESC, id, site LIMIT $3"
    );
    let mut lines = Vec::new();
    for row in tx.all(&sql, args).await? {
        let line = line(&row)?;
        let audience = Audience { scope: line.scope, addressee: line.addressee };
        if may_read(reader, line.carrier_site, audience) {
            lines.push(line);
        }
    }
    let sites: BTreeSet<SiteId> = lines.iter().map(|line| line.site).collect();
    let units = site::names(tx, reader, &sites).await?;
    for line in &mut lines {
        if line.unit_code.is_empty()
            && let Some(unit) = units.get(&line.site)
        {
            line.unit_code.clone_from(&unit.code);
            line.unit_name.clone_from(&unit.name);
        }
    }
    Ok(lines)
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
