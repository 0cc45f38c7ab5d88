//! The plain pages of one listener: what arrived, for people to read. Server-rendered, in Chinese, without scripts.
//!
//! The pages decide nothing about who may see what: every query runs as [`Reader::anonymous`] of the
//! listener's scope, or on a hub's public listener as [`Reader::public`]. Withdrawn, hidden and never-existing things
//! answer alike, byte for byte.

mod abroad;
mod article;
mod assets;
mod cache;
mod column;
mod date;
mod drawn;
mod error;
mod feed;
mod file;
mod fresh;
mod guard;
mod health;
mod home;
mod imprint;
mod notice;
mod page;
mod pictures;
mod plain;
mod range;
mod render;
mod serve;
mod tags;
#[cfg(test)]
mod tests;
mod unit;
mod views;

pub use abroad::{file_address, render_abroad};
pub use fresh::SETTLED;
pub use health::{ops_router, upkeep};
pub use imprint::Imprint;
pub use pictures::pictures;
pub use plain::plain_text;
pub use range::{Wanted, parse_range};
pub use render::render;
pub use serve::{Bounds, serve};
pub use views::Views;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::sync::watch;

use crate::blobs::Blobs;
use crate::entry::SiteId;
use crate::scope::{Reader, Scope};
use crate::store::Store;

/// What the pages of one listener need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WebContext {
    /// Where everything is kept.
    pub store: Store,
    /// The door's word on the end of the journal: what is written through it shows at once.
    pub end: watch::Receiver<i64>,
    /// Where files are kept.
    pub blobs: Blobs,
    /// The site whose pages these are.
    pub site: SiteId,
    /// Name of its unit, shown at the top of every page.
    pub title: String,
    /// The listener's scope: what an anonymous reader of it may see.
    pub listener: Scope,
    /// The host under which readers know the listener; empty if that is not known.
    pub domain: String,
    /// Who answers for the pages.
    pub imprint: Arc<Imprint>,
    /// Counts what is read.
    pub views: Views,
    /// A hub's pages: lists hold what it wrote or released itself, and (never on the public listener)
    /// what units sent up has a list of its own.
    pub units: bool,
    /// Under which address people know these pages, without a slash at its end.
    pub url: Option<String>,
}

impl WebContext {
    /// Whoever reads these pages.
    fn reader(&self) -> Reader {
        match self.listener {
            // What a hub shows the public it answers for.
            Scope::Public if self.units => Reader::public(),
            listener => Reader::anonymous(listener),
        }
    }

    /// The site whose own words alone the front lists hold; `None` where they hold everything readable.
    fn front(&self) -> Option<SiteId> {
        self.units.then_some(self.site)
    }

    /// Whether visitors may have files fetched.
    fn asks(&self) -> bool {
        !self.units
    }

    /// Whether there is a list of what units sent up.
    fn lists_units(&self) -> bool {
        self.units && self.listener < Scope::Public
    }
}

/// The pages of a listener. GET and HEAD only, but for asking a node for a file.
pub fn router(context: WebContext) -> Router {
    // A hub's pages ask nobody for files: units bring them.
    let files = get(file::file);
    let files = if context.asks() { files.post(file::ask) } else { files };
    let mut routes = Router::new()
        .route("/", get(home::home))
        .route("/column/{site}/{slug}", get(column::column))
        .route("/article/{site}/{id}", get(article::article))
        .route("/article/{site}/{id}/{name}", files)
        .route(feed::SITE_FEED, get(feed::site))
        .route("/column/{site}/{slug}/feed.atom", get(feed::column))
        .route("/notices", get(notice::notices))
        .route("/notice/{site}/{id}", get(notice::notice));
    if context.lists_units() {
        routes = routes.route("/units", get(column::units));
    }
    if context.units {
        routes = routes
            .route("/unit", get(unit::moved))
            .route("/unit/", get(unit::list))
            .route("/unit/{code}", get(unit::moved))
            .route("/unit/{code}/", get(unit::unit));
    }
    let fresh = fresh::Fresh::new(context.store.clone(), context.end.clone());
    let routes = routes
        .route_layer(from_fn_with_state(fresh.clone(), fresh::gate))
        .route("/assets/{name}", get(assets::asset));
    let frame = page::Frame::plain(&context);
    let (views, listener, asks) = (context.views.clone(), context.listener, context.asks());
    cache::around(guard::guard(routes.with_state(context), frame, asks), fresh, views, listener)
}
