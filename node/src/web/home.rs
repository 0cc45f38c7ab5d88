//! The home page: the newest, then column by column, and the notices.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::error::PageError;
use super::page::{Frame, Item, column_href, draw, unit};
use super::tags::ColumnTags;
use super::{WebContext, notice};
use crate::content::article::{self, ArticleFilter, ArticleLine};
use crate::content::column;
use crate::entry::SiteId;
use crate::store::Tx;

/// Articles looked at for the sections.
pub(super) const LOOK: i64 = 200;
pub(super) const NEWEST: usize = 8;
const IN_SECTION: usize = 6;
/// Sections of columns of other sites.
const OTHERS: usize = 12;
const NOTICES: usize = 8;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    tags: ColumnTags,
    newest: Vec<Item>,
    sections: Vec<Section>,
    notices: Vec<Item>,
    units: Vec<Item>,
}

/// A column with its newest articles.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) href: String,
    /// Whose column it is; empty for the site's own.
    pub(super) unit: String,
    pub(super) items: Vec<Item>,
}

pub(super) async fn home(State(context): State<WebContext>) -> Result<Html<String>, PageError> {
    let context = &context;
    let mut tx = context.store.read().await?;
    let frame = Frame::load(context, &mut tx, "/").await?;
    let filter =
        ArticleFilter { carrier: context.front(), limit: LOOK, ..ArticleFilter::default() };
    let lines = article::list(&mut tx, context.reader(), &filter).await?;
    let mut sections = own(context, &mut tx, &lines).await?;
    sections.extend(by_column(context, &lines));
    let notices = notice::lines(context, &mut tx, NOTICES).await?;
    let units = if context.lists_units() {
        let limit = i64::try_from(NEWEST).unwrap_or(i64::MAX);
        let filter =
            ArticleFilter { except_carrier: Some(context.site), limit, ..ArticleFilter::default() };
        article::list(&mut tx, context.reader(), &filter).await?
    } else {
        Vec::new()
    };
    drop(tx);
    draw(&HomePage {
        tags: ColumnTags::home(&frame),
        frame,
        newest: items(context, lines.iter().take(NEWEST)),
        sections,
        notices: notices.iter().map(|line| Item::notice(context, line)).collect(),
        units: items(context, units.iter()),
    })
}

pub(super) fn items<'a>(
    context: &WebContext,
    lines: impl Iterator<Item = &'a ArticleLine>,
) -> Vec<Item> {
    lines.map(|line| Item::article(context, line)).collect()
}

/// The site's own columns, by rank; an open one stands there even while it is empty.
async fn own(
    context: &WebContext,
    tx: &mut Tx,
    lines: &[ArticleLine],
) -> Result<Vec<Section>, PageError> {
    let complete = i64::try_from(lines.len()).unwrap_or(i64::MAX) < LOOK;
    let mut sections = Vec::new();
    for column in column::list(tx, context.reader(), Some(context.site)).await? {
        let within = |line: &&ArticleLine| line.site == column.site && line.column == column.slug;
        let mut found = items(context, lines.iter().filter(within).take(IN_SECTION));
        if found.len() < IN_SECTION && !complete {
            let filter = ArticleFilter {
                site: Some(column.site),
                column: Some(column.slug.clone()),
                carrier: context.front(),
                limit: i64::try_from(IN_SECTION).unwrap_or(i64::MAX),
                ..ArticleFilter::default()
            };
            found = items(context, article::list(tx, context.reader(), &filter).await?.iter());
        }
        if !column.closed || !found.is_empty() {
            sections.push(Section {
                href: column_href(column.site, &column.slug),
                name: column.name,
                unit: String::new(),
                items: found,
            });
        }
    }
    Ok(sections)
}

/// Other sites' columns that have something new, the newest first.
pub(super) fn by_column(context: &WebContext, lines: &[ArticleLine]) -> Vec<Section> {
    let mut sections: Vec<((SiteId, &str), Section)> = Vec::new();
    for line in lines.iter().filter(|line| line.site != context.site) {
        let key = (line.site, line.column.as_str());
        let item = Item::article(context, line);
        let known = sections.iter_mut().find(|(known, _)| *known == key);
        if let Some((_, section)) = known {
            if section.items.len() < IN_SECTION {
                section.items.push(item);
            }
        } else if sections.len() < OTHERS {
            let section = Section {
                name: line.column_name.clone(),
                href: column_href(line.site, &line.column),
                unit: unit(context, line.site, &line.unit_name),
                items: vec![item],
            };
            sections.push((key, section));
        }
    }
    sections.into_iter().map(|(_, section)| section).collect()
}
