//! Asks for articles, on behalf of a reader.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{ArticleFilter, ArticleLine, ArticleView, Origin, Revision};
use crate::args;
use crate::content::journal::{self, FindError, LIVE, record_at, visible};
use crate::content::newest::{Newest, Source, naming};
use crate::content::{Record, column, site};
use crate::entry::{RecordId, SiteId};
use crate::scope::{Audience, Reader, may_read};
use crate::store::{Row, StoreError, Tx, Value};

/// Rows the reader may see, with the hubs' word on when they saw them as far as that may be seen too. `dated.seen`
/// is the earliest of these and of the release's own word.
fn dated(reader: Reader, from: &str, conditions: &str) -> String {
    let visible = visible(reader);
    format!(
        "WITH shown AS ( \
           SELECT r.*, (SELECT MIN(f.at_ms) FROM first_seen f \
             WHERE f.site = r.site AND f.hash = r.hash AND f.scope >= $1) AS sighted \
           FROM {from} WHERE {visible} AND {LIVE} {conditions}), \
         dated AS ( \
           SELECT s.*, COALESCE( \
             CASE WHEN s.sighted < s.first_seen_ms THEN s.sighted ELSE s.first_seen_ms END, \
             s.sighted) AS seen \
           FROM shown s)"
    )
}

/// The articles `reader` may see, the newest first by the date shown, then by id. One line each.
///
/// A revision never makes an article newer than the hubs' first word on any of its visible revisions (rule 6).
pub async fn list(
    tx: &mut Tx,
    reader: Reader,
    filter: &ArticleFilter,
) -> Result<Vec<ArticleLine>, StoreError> {
    let mut args = args![reader.ceiling, reader.site];
    // A row of another carrier is not looked at; one in another column may still be what is current.
    let mut carried = String::new();
    if let Some(carrier) = filter.carrier {
        carried = format!(" AND r.carrier_site = {}", push(&mut args, carrier));
    }
    if let Some(carrier) = filter.except_carrier {
        carried.push_str(" AND r.carrier_site <> ");
        carried.push_str(&push(&mut args, carrier));
    }
    let exact_args = args.clone();
    let mut conditions = carried.clone();
    if let Some(site) = filter.site {
        conditions.push_str(" AND r.site = ");
        conditions.push_str(&push(&mut args, site));
    }
    if let Some(code) = &filter.unit {
        let code = push(&mut args, code);
        conditions.push_str(&format!(
            " AND r.site IN (SELECT s.site FROM sites s WHERE s.unit_code = {code})"
        ));
    }
    if let Some(column) = &filter.column {
        conditions.push_str(" AND r.slug = ");
        conditions.push_str(&push(&mut args, column));
    }
    let source =
        Source { table: TABLE, date: "published_ms", reader, conditions: &conditions, args: &args };
    let (skip, take) = (filter.offset.max(0), filter.limit.max(0));
    let wanted = usize::try_from(skip.saturating_add(take)).unwrap_or(usize::MAX);
    let mut newest = Newest::new(skip.saturating_add(take));
    let mut lines: Vec<ArticleLine> = Vec::new();
    loop {
        let keys = newest.next(tx, &source).await?;
        for (from, args) in naming(TABLE, &keys, &exact_args) {
            lines.extend(exact(tx, reader, &from, &carried, args).await?);
        }
        lines.retain(|line| filter.column.as_ref().is_none_or(|column| *column == line.column));
        let settled = lines.iter().filter(|line| newest.settles(line.published_ms)).count();
        if newest.done() || settled >= wanted {
            break;
        }
    }
    lines.sort_by_key(|line| (Reverse(line.published_ms), line.id, line.site));
    let [skip, take] = [skip, take].map(|it| usize::try_from(it).unwrap_or(usize::MAX));
    let mut page: Vec<ArticleLine> = lines.into_iter().skip(skip).take(take).collect();
    name(tx, reader, &mut page).await?;
    Ok(page)
}

/// These articles as `reader` sees them, in no order; those that are not to be seen are left out. With `carrier`, in
/// what that site wrote or released.
pub async fn current(
    tx: &mut Tx,
    reader: Reader,
    carrier: Option<SiteId>,
    keys: &[(SiteId, RecordId)],
) -> Result<Vec<ArticleLine>, StoreError> {
    let mut args = args![reader.ceiling, reader.site];
    let mut conditions = String::new();
    if let Some(carrier) = carrier {
        conditions = format!(" AND r.carrier_site = {}", push(&mut args, carrier));
    }
    let mut lines = Vec::new();
    for (from, args) in naming(TABLE, keys, &args) {
        lines.extend(exact(tx, reader, &from, &conditions, args).await?);
    }
    name(tx, reader, &mut lines).await?;
    Ok(lines)
}

/// One article with its text; `None` if there is nothing of it that `reader` may see.
pub async fn get(
    tx: &mut Tx,
    reader: Reader,
    site: SiteId,
    id: RecordId,
) -> Result<Option<ArticleView>, StoreError> {
    let conditions = " AND r.site = $3 AND r.id = $4";
    let args = args![reader.ceiling, reader.site, site, id];
    let mut lines = exact(tx, reader, ROWS, conditions, args.clone()).await?;
    name(tx, reader, &mut lines).await?;
    let Some(line) = lines.pop() else { return Ok(None) };
    let revisions = revisions(tx, reader, conditions, args).await?;
    match record_at(tx, line.position).await? {
        Record::Article(it) => {
            let (format, text, attachments) = (it.format, it.text, it.attachments);
            Ok(Some(ArticleView { line, format, text, attachments, revisions }))
        }
        _ => Err(StoreError::Corrupt("an article whose entry is none")),
    }
}

/// The one article `reader` may see whose id begins with these hexadecimal digits.
pub async fn find(
    tx: &mut Tx,
    reader: Reader,
    prefix: &str,
) -> Result<(SiteId, RecordId), FindError> {
    journal::find(tx, TABLE, reader, prefix).await
}

/// Adds a value; its placeholder.
fn push(args: &mut Vec<Value>, value: impl Into<Value>) -> String {
    args.push(value.into());
    format!("${}", args.len())
}

const TABLE: &str = "article_revisions";
/// The same, as rows are called.
const ROWS: &str = "article_revisions r";

/// Columns of [`line()`].
const LINE: &str = "site, id, hash, carrier_site, carrier_hash, scope, unit_code, unit_name, slug, \
     title, source, author, editor, keywords, \
     CASE WHEN earliest < published_ms THEN earliest ELSE published_ms END AS shown_ms, \
     earliest, CAST(CASE WHEN oldest = hash THEN 0 ELSE 1 END AS BIGINT), received_ms, position, \
     addressee, link, origin_site, origin_id, origin_hash, \
     CAST(CASE WHEN origin_id IS NULL THEN 0 \
       WHEN EXISTS (SELECT 1 FROM retractions t \
         WHERE t.site = origin_site AND t.record = origin_id AND t.scope >= $1 \
         AND (length(t.addressee) = 0 OR t.addressee = $2 OR t.site = $2)) THEN 1 \
       ELSE 0 END AS BIGINT)";

/// One line for every article with rows in `from` that satisfy `conditions`, in no order, units and columns not named yet.
async fn exact(
    tx: &mut Tx,
    reader: Reader,
    from: &str,
    conditions: &str,
    args: Vec<Value>,
) -> Result<Vec<ArticleLine>, StoreError> {
    let sql = format!(
        "{}, ranked AS ( \
           SELECT d.*, \
             ROW_NUMBER() OVER (PARTITION BY d.site, d.id ORDER BY \
               d.lamport DESC, d.hash DESC, d.scope DESC, d.carrier_hash DESC) AS place, \
             MIN(d.seen) OVER (PARTITION BY d.site, d.id) AS earliest, \
             FIRST_VALUE(d.hash) OVER (PARTITION BY d.site, d.id ORDER BY d.lamport, d.hash) AS oldest \
           FROM dated d) \
         SELECT {LINE} FROM ranked WHERE place = 1",
        dated(reader, from, conditions)
    );
    let mut lines = Vec::new();
    for row in tx.all(&sql, args).await? {
        let (line, audience) = line(&row)?;
        if may_read(reader, line.carrier_site, audience) {
            lines.push(line);
        }
    }
    Ok(lines)
}

fn line(row: &Row) -> Result<(ArticleLine, Audience), StoreError> {
    let keywords: String = row.get(13)?;
    let column: String = row.get(8)?;
    let line = ArticleLine {
        site: row.get(0)?,
        id: row.get(1)?,
        hash: row.get(2)?,
        carrier_site: row.get(3)?,
        carrier_hash: row.get(4)?,
        scope: row.get(5)?,
        unit_code: row.get(6)?,
        unit_name: row.get(7)?,
        column_name: column.clone(),
        column,
        title: row.get(9)?,
        source: row.get(10)?,
        author: row.get(11)?,
        editor: row.get(12)?,
        keywords: serde_json::from_str(&keywords)
            .map_err(|_| StoreError::Corrupt("keywords that are no JSON"))?,
        published_ms: row.get(14)?,
        first_seen_ms: row.get(15)?,
        revised: row.get(16)?,
        received_ms: row.get(17)?,
        position: row.get(18)?,
        link: row.get(20)?,
        origin: origin(row)?,
        origin_withdrawn: row.get(24)?,
    };
    let audience = Audience { scope: line.scope, addressee: row.get(19)? };
    Ok((line, audience))
}

fn origin(row: &Row) -> Result<Option<Origin>, StoreError> {
    Ok(match (row.get(21)?, row.get(22)?, row.get(23)?) {
        (Some(site), Some(id), Some(hash)) => Some(Origin { site, id, hash }),
        _ => None,
    })
}

/// Fills in the names of units and columns that the reader may see.
async fn name(tx: &mut Tx, reader: Reader, lines: &mut [ArticleLine]) -> Result<(), StoreError> {
    let sites: BTreeSet<SiteId> = lines.iter().map(|line| line.site).collect();
    let units = site::names(tx, reader, &sites).await?;
    let columns = lines.iter().map(|line| (line.site, line.column.clone())).collect();
    let columns = column::names(tx, reader, &columns).await?;
    for line in lines {
        // The releaser's word goes as far as the release; where the enrolment may be seen, it is as good.
        if line.unit_code.is_empty()
            && let Some(unit) = units.get(&line.site)
        {
            line.unit_code.clone_from(&unit.code);
            line.unit_name.clone_from(&unit.name);
        }
        if let Some(name) = columns.get(&(line.site, line.column.clone())) {
            line.column_name.clone_from(name);
        }
    }
    Ok(())
}

async fn revisions(
    tx: &mut Tx,
    reader: Reader,
    conditions: &str,
    args: Vec<Value>,
) -> Result<Vec<Revision>, StoreError> {
    let sql = format!(
        "{} SELECT hash, scope, lamport, title, published_ms, seen, received_ms, carrier_site, addressee \
         FROM dated ORDER BY lamport DESC, hash DESC, scope DESC, carrier_hash DESC",
        dated(reader, ROWS, conditions)
    );
    let mut revisions: Vec<Revision> = Vec::new();
    for row in tx.all(&sql, args).await? {
        let revision = Revision {
            hash: row.get(0)?,
            scope: row.get(1)?,
            lamport: row.get(2)?,
            title: row.get(3)?,
            published_ms: row.get(4)?,
            first_seen_ms: row.get(5)?,
            received_ms: row.get(6)?,
        };
        let audience = Audience { scope: revision.scope, addressee: row.get(8)? };
        let again = revisions.last().is_some_and(|last| last.hash == revision.hash);
        if !again && may_read(reader, row.get(7)?, audience) {
            revisions.push(revision);
        }
    }
    Ok(revisions)
}
