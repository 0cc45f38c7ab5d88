//! The plain pages of one listener: what arrived, for people to read. Server-rendered, in Chinese, without scripts.
//!
//! The pages decide nothing about who may see what: every query runs as [`Reader::anonymous`] of the
//! listener's scope. Withdrawn, hidden and never-existing things answer alike, byte for byte.

mod article;
mod assets;
mod column;
mod date;
mod error;
mod file;
mod gate;
mod guard;
mod health;
mod home;
mod notice;
mod page;
mod pictures;
mod range;
mod render;
mod serve;
#[cfg(test)]
mod tests;

pub use health::{ops_router, upkeep};
pub use pictures::pictures;
pub use range::{Wanted, parse_range};
pub use serve::serve;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use crate::blobs::Blobs;
use crate::entry::SiteId;
use crate::scope::{Reader, Scope};
use crate::store::Store;

/// What the pages of one listener need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WebContext {
    /// Where everything is kept.
    pub store: Store,
    /// Where files are kept.
    pub blobs: Blobs,
    /// The site whose pages these are.
    pub site: SiteId,
    /// Name of its unit, shown at the top of every page.
    pub title: String,
    /// The listener's scope: what an anonymous reader of it may see.
    pub listener: Scope,
    /// A hub's pages: lists hold what it wrote or released itself, and (never on the public listener)
    /// what units sent up has a list of its own.
    pub units: bool,
}

impl WebContext {
    /// Whoever reads these pages.
    fn reader(&self) -> Reader {
        Reader::anonymous(self.listener)
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
        .route("/notices", get(notice::notices))
        .route("/notice/{site}/{id}", get(notice::notice));
    if context.lists_units() {
        routes = routes.route("/units", get(column::units));
    }
    let gate = gate::Gate::new(context.store.clone());
    let routes = routes
        .route_layer(from_fn_with_state(gate, gate::pass))
        .route("/assets/{name}", get(assets::asset));
    let frame = page::Frame::plain(&context);
    let asks = context.asks();
    guard::guard(routes.with_state(context), frame, asks)
}
