//! 通知: their list, and one of them. Copies for single units never appear: the reader is nobody in particular.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Html;

use super::article::ids;
use super::drawn::draw_text;
use super::error::PageError;
use super::page::{Badge, Frame, Item, PAGE, Turn, draw, page_number, unit};
use super::pictures::Files;
use super::tags::{ColumnTags, beginning};
use super::{WebContext, date};
use crate::content::notice::{self, NoticeLine};
use crate::store::Tx;

/// Notices looked at where units' own are left out.
const LOOK: i64 = 1_000;

#[derive(Template)]
#[template(path = "notices.html")]
struct NoticesPage {
    frame: Frame,
    tags: ColumnTags,
    items: Vec<Item>,
    turn: Turn,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage {
    frame: Frame,
    tags: ColumnTags,
    description: String,
    title: String,
    number: String,
    unit: String,
    issued: String,
    pub_date: String,
    machine: String,
    deadline: Option<String>,
    badge: Badge,
    body: Arc<str>,
}

/// The newest notices for the lists of this listener, at most `limit`: on a hub's public one, its own words only.
pub(super) async fn lines(
    context: &WebContext,
    tx: &mut Tx,
    limit: usize,
) -> Result<Vec<NoticeLine>, PageError> {
    let front = if context.lists_units() { None } else { context.front() };
    let fetched = if front.is_some() { LOOK } else { i64::try_from(limit).unwrap_or(LOOK) };
    let mut lines = notice::list(tx, context.reader(), fetched).await?;
    lines.retain(|line| front.is_none_or(|site| line.carrier_site == site));
    lines.truncate(limit);
    Ok(lines)
}

pub(super) async fn notices(
    State(context): State<WebContext>,
    query: RawQuery,
) -> Result<Html<String>, PageError> {
    let context = &context;
    let number = page_number(&query)?;
    let mut tx = context.store.read().await?;
    let start = usize::try_from((number - 1) * PAGE).unwrap_or(usize::MAX);
    let end = usize::try_from(number * PAGE + 1).unwrap_or(usize::MAX);
    let mut lines: Vec<NoticeLine> =
        lines(context, &mut tx, end).await?.into_iter().skip(start).collect();
    let turn = Turn::cut(number, &mut lines)?;
    let frame = Frame::load(context, &mut tx, "/notices").await?;
    drop(tx);
    let items = lines.iter().map(|line| Item::notice(context, line)).collect();
    draw(&NoticesPage { tags: tags(&frame), frame, items, turn })
}

pub(super) async fn notice(
    State(context): State<WebContext>,
    Path(address): Path<(String, String)>,
) -> Result<Html<String>, PageError> {
    let context = &context;
    let (site, id) = ids(&address)?;
    let mut tx = context.store.read().await?;
    let found = notice::get(&mut tx, context.reader(), site, id).await?;
    let found = found.ok_or(PageError::NotFound)?;
    let frame = Frame::load(context, &mut tx, "/notices").await?;
    drop(tx);
    let line = found.line;
    let body = draw_text(found.format, found.text, Files::new()).await?;
    draw(&NoticePage {
        tags: tags(&frame),
        description: beginning(&body),
        frame,
        unit: unit(context, line.site, &line.unit_name),
        issued: date::words(line.issued_ms),
        pub_date: date::minute(line.issued_ms),
        machine: date::machine(line.issued_ms),
        deadline: line.deadline_ms.map(date::words),
        badge: line.scope.into(),
        title: line.title,
        number: line.doc_number,
        body,
    })
}

fn tags(frame: &Frame) -> ColumnTags {
    ColumnTags::new(frame, "", "通知", "", "")
}
