//! Lists of articles: a column's, and what units sent up.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Html;

use super::WebContext;
use super::error::PageError;
use super::feed::column_feed;
use super::page::{Frame, Item, Link, PAGE, Turn, column_href, draw, page_number, unit};
use super::tags::ColumnTags;
use crate::content::article::{self, ArticleFilter};
use crate::content::column as columns;
use crate::content::site::check_code;
use crate::entry::SiteId;

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    name: String,
    description: String,
    /// Whose column it is; empty where the name tells.
    unit: String,
    tags: ColumnTags,
    /// Whether it is a column's page.
    column: bool,
    /// Whether the articles' units are told.
    many: bool,
    items: Vec<Item>,
    turn: Turn,
}

pub(super) async fn column(
    State(context): State<WebContext>,
    Path((site, slug)): Path<(String, String)>,
    query: RawQuery,
) -> Result<Html<String>, PageError> {
    let context = &context;
    let (site, here) = match (SiteId::from_hex(&site), check_code(&slug)) {
        // One address for one page: hexadecimal in capitals names nothing.
        (Some(id), Ok(())) if id.to_string() == site => (id, column_href(id, &slug)),
        _ => return Err(PageError::NotFound),
    };
    let number = page_number(&query)?;
    let mut tx = context.store.read().await?;
    let known = columns::list(&mut tx, context.reader(), Some(site)).await?;
    let known = known.into_iter().find(|column| column.slug == slug);
    let feed = column_feed(site, &slug);
    let filter = ArticleFilter {
        site: Some(site),
        column: Some(slug.clone()),
        limit: PAGE + 1,
        offset: (number - 1) * PAGE,
        ..ArticleFilter::default()
    };
    let mut lines = article::list(&mut tx, context.reader(), &filter).await?;
    let turn = Turn::cut(number, &mut lines)?;
    let (name, description) = match (known, lines.first()) {
        (Some(column), _) => (column.name, column.description),
        (None, Some(line)) => (line.column_name.clone(), String::new()),
        (None, None) => return Err(PageError::NotFound),
    };
    let unit = match lines.first() {
        Some(line) => unit(context, site, &line.unit_name),
        None => unit(context, site, ""),
    };
    let mut frame = Frame::load(context, &mut tx, here).await?;
    drop(tx);
    frame.feeds.push(Link { href: feed, name: name.clone() });
    let items = lines.iter().map(|line| Item::article(context, line)).collect();
    let tags = ColumnTags::new(&frame, &slug, &name, &description, &unit);
    draw(&ListPage { frame, name, description, unit, tags, column: true, many: false, items, turn })
}

/// 各单位来稿.
pub(super) async fn units(
    State(context): State<WebContext>,
    query: RawQuery,
) -> Result<Html<String>, PageError> {
    let context = &context;
    let number = page_number(&query)?;
    let mut tx = context.store.read().await?;
    let filter = ArticleFilter {
        except_carrier: Some(context.site),
        limit: PAGE + 1,
        offset: (number - 1) * PAGE,
        ..ArticleFilter::default()
    };
    let mut lines = article::list(&mut tx, context.reader(), &filter).await?;
    let turn = Turn::cut(number, &mut lines)?;
    let frame = Frame::load(context, &mut tx, "/units").await?;
    drop(tx);
    let (name, description) = ("各单位来稿", "各单位上报到本中心的稿件，按发布日期排列。");
    draw(&ListPage {
        tags: ColumnTags::new(&frame, "", name, description, ""),
        frame,
        name: name.to_owned(),
        description: description.to_owned(),
        unit: String::new(),
        column: false,
        many: true,
        items: lines.iter().map(|line| Item::article(context, line)).collect(),
        turn,
    })
}
