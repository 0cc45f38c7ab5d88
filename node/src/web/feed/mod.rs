//! Feeds: what a list shows, for programs. Atom (RFC 4287), paged (RFC 5005), telling what was withdrawn (RFC 6721).
//!
//! Like every page a feed is what an anonymous reader of its listener may see. What is withdrawn is gone from it at
//! once; its tombstone names it by an id and no more.

mod atom;
mod load;

use axum::extract::{Path, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::WebContext;
use super::error::PageError;
use super::page::{column_href, page_number, unit};
use crate::content::article::ArticleFilter;
use crate::content::column as columns;
use crate::content::site::check_code;
use crate::entry::SiteId;

/// Address of the feed of everything on the front page.
pub(super) const SITE_FEED: &str = "/feed.atom";

/// Address of a column's feed.
pub(super) fn column_feed(site: SiteId, slug: &str) -> String {
    format!("{}/feed.atom", column_href(site, slug))
}

/// What a feed is of.
#[derive(Clone, Debug)]
struct Head {
    title: String,
    subtitle: String,
    /// Address of the page that shows the same.
    alternate: String,
    /// Its own address.
    address: String,
    /// The column, if it is of one.
    column: Option<(SiteId, String)>,
}

pub(super) async fn site(
    State(context): State<WebContext>,
    query: RawQuery,
) -> Result<Response, PageError> {
    let number = page_number(&query)?;
    let head = Head {
        title: context.title.clone(),
        subtitle: String::new(),
        alternate: "/".to_owned(),
        address: SITE_FEED.to_owned(),
        column: None,
    };
    let filter = ArticleFilter { carrier: context.front(), ..ArticleFilter::default() };
    let mut tx = context.store.read().await?;
    let loaded = load::load(&context, &mut tx, &head, filter, number).await?;
    drop(tx);
    answer(context, head, loaded).await
}

pub(super) async fn column(
    State(context): State<WebContext>,
    Path((site, slug)): Path<(String, String)>,
    query: RawQuery,
) -> Result<Response, PageError> {
    let site = match (SiteId::from_hex(&site), check_code(&slug)) {
        (Some(id), Ok(())) if id.to_string() == site => id,
        _ => return Err(PageError::NotFound),
    };
    let number = page_number(&query)?;
    let mut tx = context.store.read().await?;
    let known = columns::list(&mut tx, context.reader(), Some(site)).await?;
    let known = known.into_iter().find(|column| column.slug == slug);
    let mut head = Head {
        title: String::new(),
        subtitle: String::new(),
        alternate: column_href(site, &slug),
        address: column_feed(site, &slug),
        column: Some((site, slug.clone())),
    };
    let filter = ArticleFilter { site: Some(site), column: Some(slug), ..ArticleFilter::default() };
    let loaded = load::load(&context, &mut tx, &head, filter, number).await?;
    drop(tx);
    let (name, of) = match (known, loaded.first()) {
        (Some(column), line) => {
            head.subtitle = column.description;
            (column.name, line.map_or("", |line| &line.unit_name))
        }
        (None, Some(line)) => (line.column_name.clone(), line.unit_name.as_str()),
        (None, None) => return Err(PageError::NotFound),
    };
    let of = unit(&context, site, of);
    head.title = if of.is_empty() { name } else { format!("{name} - {of}") };
    answer(context, head, loaded).await
}

/// Draws the texts where long ones hold nobody up.
async fn answer(
    context: WebContext,
    head: Head,
    loaded: load::Loaded,
) -> Result<Response, PageError> {
    let draw = move || atom::draw(&context, &head, loaded);
    let feed = tokio::task::spawn_blocking(draw).await.map_err(|_| PageError::Drawing)?;
    Ok(([(CONTENT_TYPE, "application/atom+xml; charset=utf-8")], feed).into_response())
}
