//! What pages have in common: the frame around them, and things in lists.

use std::sync::Arc;

use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

use super::error::PageError;
use super::feed::SITE_FEED;
use super::{Imprint, WebContext, assets, date};
use crate::content::article::ArticleLine;
use crate::content::column::{self, ColumnView};
use crate::content::notice::NoticeLine;
use crate::entry::SiteId;
use crate::scope::Scope;
use crate::store::Tx;

/// Columns in the bar at the top.
const NAV_COLUMNS: usize = 8;
/// Things on one page of a list.
pub(super) const PAGE: i64 = 20;
/// Last page of a list that is served: further ones cost much and nobody turns that far.
const MAX_PAGE: i64 = 500;

/// Around every page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) site_name: String,
    pub(super) style: &'static str,
    pub(super) icon: &'static str,
    pub(super) network: &'static str,
    /// The listener's host; may be empty.
    pub(super) domain: String,
    pub(super) imprint: Arc<Imprint>,
    /// Whether anybody may read this.
    pub(super) public: bool,
    /// Whether what units sent up has a list.
    pub(super) units: bool,
    /// Whether units have pages.
    pub(super) directory: bool,
    pub(super) columns: Vec<Link>,
    /// Address of the page, where it stands in the bar.
    pub(super) here: String,
    /// Feeds of what is on the page.
    pub(super) feeds: Vec<Link>,
}

/// A name and where it leads.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) name: String,
}

impl Frame {
    /// The frame that needs no store.
    pub(super) fn plain(context: &WebContext) -> Self {
        Self {
            site_name: context.title.clone(),
            style: &assets::STYLE_NAME,
            icon: &assets::ICON_NAME,
            network: match context.listener {
                Scope::Internal => "部内局域网",
                Scope::Organization => "组织系统专网",
                Scope::Public => "互联网",
            },
            domain: context.domain.clone(),
            imprint: context.imprint.clone(),
            public: context.listener == Scope::Public,
            units: context.lists_units(),
            directory: context.units,
            columns: Vec::new(),
            here: String::new(),
            feeds: vec![Link { href: SITE_FEED.to_owned(), name: context.title.clone() }],
        }
    }

    /// The frame of the page at `here`, with the site's own columns.
    pub(super) async fn load(
        context: &WebContext,
        tx: &mut Tx,
        here: impl Into<String>,
    ) -> Result<Self, PageError> {
        let columns = column::list(tx, context.reader(), Some(context.site)).await?;
        let columns =
            columns.iter().filter(|it| !it.closed).take(NAV_COLUMNS).map(column_link).collect();
        Ok(Self { columns, here: here.into(), ..Self::plain(context) })
    }

    pub(super) fn is_here(&self, href: &str) -> bool {
        self.here == href
    }
}

/// Address of a column.
pub(super) fn column_href(site: SiteId, slug: &str) -> String {
    // A slug holds lower-case letters, digits and hyphens only.
    format!("/column/{site}/{slug}")
}

fn column_link(column: &ColumnView) -> Link {
    Link { href: column_href(column.site, &column.slug), name: column.name.clone() }
}

/// An article or a notice in a list.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) href: String,
    pub(super) title: String,
    pub(super) day: String,
    pub(super) machine: String,
    /// May be empty.
    pub(super) unit: String,
    /// Name of an article's column; empty for a notice.
    pub(super) column: String,
    /// 发文字号 of a notice; may be empty.
    pub(super) number: String,
    pub(super) deadline: Option<String>,
    pub(super) revised: bool,
    /// None where everything is public anyway.
    pub(super) badge: Option<Badge>,
}

/// How far a thing may go, on screens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Badge {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
}

impl From<Scope> for Badge {
    fn from(scope: Scope) -> Self {
        Self { name: scope.zh(), class: scope.as_str() }
    }
}

impl Item {
    /// The line below the title.
    pub(super) fn about(&self, unit: bool, column: bool) -> String {
        let parts = [
            unit.then_some(self.unit.as_str()),
            column.then_some(self.column.as_str()),
            Some(self.number.as_str()),
            self.deadline.as_deref(),
            self.revised.then_some("有修订"),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().filter(|it| !it.is_empty()).collect();
        parts.join(" · ")
    }

    pub(super) fn article(context: &WebContext, line: &ArticleLine) -> Self {
        Self {
            href: format!("/article/{}/{}", line.site, line.id),
            title: line.title.clone(),
            day: date::day(line.published_ms),
            machine: date::machine(line.published_ms),
            unit: unit(context, line.site, &line.unit_name),
            column: line.column_name.clone(),
            number: String::new(),
            deadline: None,
            revised: line.revised,
            badge: badge(context, line.scope),
        }
    }

    pub(super) fn notice(context: &WebContext, line: &NoticeLine) -> Self {
        Self {
            href: format!("/notice/{}/{}", line.site, line.id),
            title: line.title.clone(),
            day: date::day(line.issued_ms),
            machine: date::machine(line.issued_ms),
            unit: unit(context, line.site, &line.unit_name),
            column: String::new(),
            number: line.doc_number.clone(),
            deadline: line.deadline_ms.map(|at| format!("{} 前签收", date::words(at))),
            revised: false,
            badge: badge(context, line.scope),
        }
    }
}

/// Address of a unit's page, if there is one: the site's own unit has the whole site.
pub(super) fn unit_href(context: &WebContext, site: SiteId, code: &str) -> Option<String> {
    // A code holds lower-case letters, digits and hyphens only.
    (context.units && site != context.site && !code.is_empty()).then(|| format!("/unit/{code}/"))
}

fn badge(context: &WebContext, scope: Scope) -> Option<Badge> {
    (context.listener < Scope::Public).then(|| scope.into())
}

/// The unit's name as the reader may know it. A site's own pages tell its own name anyway.
pub(super) fn unit(context: &WebContext, site: SiteId, name: &str) -> String {
    if name.is_empty() && site == context.site { context.title.clone() } else { name.to_owned() }
}

/// Which page of a list is asked for, from 1. What makes no sense is no page.
pub(super) fn page_number(RawQuery(query): &RawQuery) -> Result<i64, PageError> {
    let query = query.as_deref().unwrap_or_default();
    match url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "page") {
        None => Ok(1),
        Some((_, number)) => match number.parse() {
            Ok(number @ 1..=MAX_PAGE) => Ok(number),
            _ => Err(PageError::NotFound),
        },
    }
}

/// One page of a list, and whether there is a next one.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) number: i64,
    pub(super) previous: Option<i64>,
    pub(super) next: Option<i64>,
}

impl Turn {
    /// Cuts `lines`, which hold one more than a page if there is more. A page past the end is none.
    pub(super) fn cut<T>(number: i64, lines: &mut Vec<T>) -> Result<Self, PageError> {
        if lines.is_empty() && number > 1 {
            return Err(PageError::NotFound);
        }
        let size = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let more = lines.len() > size && number < MAX_PAGE;
        lines.truncate(size);
        Ok(Self {
            number,
            previous: (number > 1).then(|| number - 1),
            next: more.then(|| number + 1),
        })
    }
}

/// Draws a page.
pub(super) fn draw(page: &impl Template) -> Result<Html<String>, PageError> {
    Ok(Html(page.render()?))
}
