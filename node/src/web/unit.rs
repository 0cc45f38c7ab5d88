//! One unit's page on a hub, and the list of units: what of theirs this listener's reader may see.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse};

use super::WebContext;
use super::error::PageError;
use super::home::{LOOK, NEWEST, Section, by_column, items};
use super::page::{Frame, Item, draw};
use super::tags::ColumnTags;
use crate::content::article::{self, ArticleFilter};
use crate::content::site::{UnitHere, check_code, units};

#[derive(Template)]
#[template(path = "units.html")]
struct UnitsPage {
    frame: Frame,
    tags: ColumnTags,
    units: Vec<UnitHere>,
}

#[derive(Template)]
#[template(path = "unit.html")]
struct UnitPage {
    frame: Frame,
    tags: ColumnTags,
    name: String,
    newest: Vec<Item>,
    sections: Vec<Section>,
}

/// The address with its closing stroke: one address for one page.
pub(super) async fn moved(address: Uri) -> impl IntoResponse {
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, format!("{}/", address.path()))])
}

pub(super) async fn list(State(context): State<WebContext>) -> Result<Html<String>, PageError> {
    let context = &context;
    let mut tx = context.store.read().await?;
    let units = units(&mut tx, context.reader(), context.site).await?;
    let frame = Frame::load(context, &mut tx, "/unit/").await?;
    draw(&UnitsPage { tags: ColumnTags::new(&frame, "", "各单位", "", ""), frame, units })
}

pub(super) async fn unit(
    State(context): State<WebContext>,
    Path(code): Path<String>,
) -> Result<Html<String>, PageError> {
    let context = &context;
    check_code(&code).map_err(|_| PageError::NotFound)?;
    let mut tx = context.store.read().await?;
    let units = units(&mut tx, context.reader(), context.site).await?;
    let unit = units.into_iter().find(|it| it.code == code).ok_or(PageError::NotFound)?;
    let filter = ArticleFilter { unit: Some(code), limit: LOOK, ..ArticleFilter::default() };
    let lines = article::list(&mut tx, context.reader(), &filter).await?;
    let frame = Frame::load(context, &mut tx, "/unit/").await?;
    drop(tx);
    let mut sections = by_column(context, &lines);
    // The page says whose they are.
    for section in &mut sections {
        section.unit.clear();
    }
    draw(&UnitPage {
        tags: ColumnTags::new(&frame, "", &unit.name, "", &unit.name),
        frame,
        name: unit.name,
        newest: items(context, lines.iter().take(NEWEST)),
        sections,
    })
}
