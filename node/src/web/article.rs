//! One article.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::IntoResponse;

use super::cache::GoodFor;
use super::drawn::draw_text;
use super::error::PageError;
use super::file::file_href;
use super::page::{Badge, Frame, Link, column_href, draw, unit, unit_href};
use super::pictures::Shown;
use super::tags::{ColumnTags, beginning};
use super::views::Viewed;
use super::{WebContext, date};
use crate::content::article::{self, ArticleLine};
use crate::content::files::{self, Attached};
use crate::entry::{RecordId, SiteId};
use crate::store::Tx;

/// How old the count of readings on a page may be.
const COUNTED: Duration = Duration::from_mins(1);

#[derive(Template)]
#[template(path = "article.html")]
struct ArticlePage {
    frame: Frame,
    title: String,
    tags: ColumnTags,
    column_href: String,
    unit: String,
    unit_href: Option<String>,
    link: String,
    description: String,
    views: u64,
    source: String,
    author: String,
    editor: String,
    keywords: Vec<String>,
    /// The date to show, in words, for the page tags, and for machines.
    published: String,
    pub_date: String,
    machine: String,
    /// When a hub first saw it, where the reader would not guess it from the date.
    first_seen: Option<String>,
    badge: Badge,
    /// What was made from it, as far as the reader may see.
    adopted: Vec<Link>,
    revisions: Vec<RevisionRow>,
    body: Arc<str>,
    files: Vec<FileRow>,
}

/// One revision in the list of them.
struct RevisionRow {
    title: String,
    claimed: String,
    first_seen: Option<String>,
    badge: Badge,
    current: bool,
}

/// One file in the list of them.
struct FileRow {
    name: String,
    size: String,
    /// Where it is; none while it is on its way.
    href: Option<String>,
    /// What is said while it is on its way.
    coming: &'static str,
    /// Where to ask for it.
    ask: Option<String>,
}

impl FileRow {
    fn of(context: &WebContext, line: &ArticleLine, file: &Attached) -> Self {
        let href = file_href(line.site, line.id, &file.name);
        let here = file.held.is_some();
        Self {
            name: file.name.clone(),
            size: size(file.size),
            ask: (context.asks() && !here && !file.asked).then(|| href.clone()),
            href: here.then_some(href),
            coming: match (file.is_picture(), file.asked) {
                (true, false) => "图片传输中",
                (false, false) => "附件传输中",
                (_, true) => "已请求下载，传输中",
            },
        }
    }
}

/// A length as people say it.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} 字节"),
        1024..1_048_576 => format!("{} KB", bytes.div_ceil(1024)),
        _ => format!("{} MB", bytes.div_ceil(1_048_576)),
    }
}

fn shown(line: &ArticleLine, file: &Attached) -> Shown {
    let href = file.held.is_some().then(|| file_href(line.site, line.id, &file.name));
    Shown { href, picture: file.is_picture() }
}

pub(super) async fn article(
    State(context): State<WebContext>,
    Path(address): Path<(String, String)>,
) -> Result<impl IntoResponse, PageError> {
    let context = &context;
    let (site, id) = ids(&address)?;
    let mut tx = context.store.read().await?;
    let found = article::get(&mut tx, context.reader(), site, id).await?;
    let found = found.ok_or(PageError::NotFound)?;
    let attached = files::attached(&mut tx, &found).await?;
    let line = found.line;
    let column_href = column_href(line.site, &line.column);
    let views = article::views(&mut tx, context.reader(), site, id).await?;
    let frame = Frame::load(context, &mut tx, column_href.clone()).await?;
    let adopted = adopted(context, &mut tx, &line).await?;
    drop(tx);
    let shown = attached.iter().map(|it| (it.name.clone(), shown(&line, it))).collect();
    let body = draw_text(found.format, found.text, shown).await?;
    let files = attached.iter().map(|it| FileRow::of(context, &line, it)).collect();
    let current = line.hash;
    let revisions = found
        .revisions
        .into_iter()
        .map(|it| RevisionRow {
            title: it.title,
            claimed: date::words(it.published_ms),
            first_seen: it.first_seen_ms.map(date::words),
            badge: it.scope.into(),
            current: it.hash == current,
        })
        .collect();
    let unit = unit(context, line.site, &line.unit_name);
    let page = draw(&ArticlePage {
        tags: ColumnTags::new(&frame, &line.column, &line.column_name, "", &unit),
        frame,
        column_href,
        unit_href: unit_href(context, line.site, &line.unit_code),
        description: beginning(&body),
        link: line.link,
        views,
        unit,
        published: date::words(line.published_ms),
        pub_date: date::minute(line.published_ms),
        machine: date::machine(line.published_ms),
        first_seen: line
            .first_seen_ms
            .map(date::words)
            .filter(|seen| *seen != date::words(line.published_ms)),
        badge: line.scope.into(),
        adopted,
        title: line.title,
        source: line.source,
        author: line.author,
        editor: line.editor,
        keywords: line.keywords,
        revisions,
        body,
        files,
    })?;
    Ok((Extension(GoodFor(COUNTED)), Extension(Viewed(site, id)), page))
}

/// What was made from a unit's own article, on the unit's own pages: there its authors look.
async fn adopted(
    context: &WebContext,
    tx: &mut Tx,
    line: &ArticleLine,
) -> Result<Vec<Link>, PageError> {
    if context.units || line.site != context.site {
        return Ok(Vec::new());
    }
    let standings = article::standings(tx, context.reader(), line.site, &[line.id]).await?;
    let adopted = standings.into_values().flat_map(|it| it.adopted);
    Ok(adopted
        .map(|it| Link { href: format!("/article/{}/{}", it.site, it.id), name: it.title })
        .collect())
}

/// The ids in an address; anything but two ids as we write them names nothing.
pub(super) fn ids((site, id): &(String, String)) -> Result<(SiteId, RecordId), PageError> {
    match (SiteId::from_hex(site), RecordId::from_hex(id)) {
        (Some(one), Some(other)) if one.to_string() == *site && other.to_string() == *id => {
            Ok((one, other))
        }
        _ => Err(PageError::NotFound),
    }
}
