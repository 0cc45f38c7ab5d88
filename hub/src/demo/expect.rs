//! Where everything belongs. Written from the design's words, apart from the code that decides it.

use lianbo_node::entry::{RecordId, SiteId};
use lianbo_node::scope::Scope;

use super::county::{County, Pages};
use super::plant::Planted;
use super::script::{Notice, Piece, Place, To};

/// An article or a notice, and where it belongs.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) author: Place,
    /// What became of it, in words.
    pub(super) about: String,
    /// Path of its page.
    pub(super) path: String,
    pub(super) site: SiteId,
    pub(super) id: RecordId,
    pub(super) article: bool,
    /// Path of its picture.
    pub(super) picture: Option<String>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Article(Piece),
    Notice(Notice),
}

impl Row {
    /// Whether a site's store holds it, for its own desk.
    pub(super) fn in_store(&self, place: Place) -> bool {
        match &self.kind {
            Kind::Article(piece) => article_at(piece, place),
            Kind::Notice(notice) => notice_at(notice, place),
        }
    }

    /// Whether its author withdrew it: entries stay as bare heads, and show nothing.
    pub(super) fn withdrawn(&self) -> bool {
        matches!(&self.kind, Kind::Article(piece) if piece.withdrawn.is_some())
    }

    /// Whether the province has it: what was taken to the internet, as it is now.
    pub(super) fn in_province(&self) -> bool {
        self.was_public() && !self.withdrawn()
    }

    /// Whether it was taken to the internet, withdrawn since or not.
    pub(super) fn was_public(&self) -> bool {
        let public = |(scope, _)| scope == Scope::Public;
        matches!(&self.kind, Kind::Article(piece) if piece.released.is_some_and(public))
    }

    /// Whether it stands on a page.
    pub(super) fn on_page(&self, pages: &Pages) -> bool {
        match &self.kind {
            Kind::Article(piece) => reaches(piece, pages.place).any(|scope| scope >= pages.scope),
            Kind::Notice(Notice { to: To::Scope(scope), .. }) => {
                self.in_store(pages.place) && *scope >= pages.scope
            }
            // Copies for single units stand on nobody's page.
            Kind::Notice(_) => false,
        }
    }
}

/// The scopes under which a site holds an article that anybody may read there.
fn reaches(piece: &Piece, place: Place) -> impl Iterator<Item = Scope> {
    // A release is the hub's own entry: everybody within its scope gets it.
    let released = piece.released.map(|(scope, _)| scope);
    let released = released.filter(|scope| place == Place::Hub || *scope >= place.ceiling());
    let written = (piece.to.is_none() && written_to(piece, place)).then_some(piece.scope);
    [written, released].into_iter().flatten().filter(|_| piece.withdrawn.is_none())
}

/// Whether the author's own entry comes to a site.
fn written_to(piece: &Piece, place: Place) -> bool {
    let author = piece.author;
    if place == author {
        return true;
    }
    // What is narrower than a node's ceiling crosses its link in neither direction.
    let rises = author == Place::Hub || piece.scope >= author.ceiling();
    let falls = place == Place::Hub || piece.scope >= place.ceiling();
    match piece.to {
        Some(to) => rises && falls && (place == to || place == Place::Hub),
        // Siblings do not read each other; what they have of each other the hub released.
        None => rises && falls && (place == Place::Hub || author == Place::Hub),
    }
}

fn article_at(piece: &Piece, place: Place) -> bool {
    let direct = piece.to.is_some() && written_to(piece, place) && piece.withdrawn.is_none();
    direct || reaches(piece, place).next().is_some()
}

fn notice_at(notice: &Notice, place: Place) -> bool {
    place == Place::Hub || receivers(notice).contains(&place)
}

/// The nodes a notice goes to.
pub(super) fn receivers(notice: &Notice) -> Vec<Place> {
    let goes = |place: &Place| match notice.to {
        To::Scope(scope) => scope >= place.ceiling(),
        To::Units(units) => units.contains(place),
    };
    Place::NODES.into_iter().filter(goes).collect()
}

/// The rows of the table.
pub(super) fn rows(county: &County, planted: &Planted) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (piece, id) in &planted.articles {
        let site = county.site(piece.author)?.id;
        rows.push(Row {
            title: piece.last_title(),
            author: piece.author,
            about: about(piece),
            path: format!("/article/{site}/{id}"),
            site,
            id: *id,
            article: true,
            picture: piece.picture.map(|(name, _)| format!("/article/{site}/{id}/{name}")),
            kind: Kind::Article(piece.clone()),
        });
    }
    let site = county.site(Place::Hub)?.id;
    for (notice, id) in &planted.notices {
        let to = match notice.to {
            To::Scope(scope) => scope.to_string(),
            To::Units(units) => {
                let units: Vec<_> = units.iter().map(|it| it.short()).collect();
                format!("to {}", units.join(", "))
            }
        };
        rows.push(Row {
            title: notice.title,
            author: Place::Hub,
            about: format!("notice, {to}"),
            path: format!("/notice/{site}/{id}"),
            site,
            id: *id,
            article: false,
            picture: None,
            kind: Kind::Notice(notice.clone()),
        });
    }
    Ok(rows)
}

fn about(piece: &Piece) -> String {
    let mut about = piece.scope.to_string();
    if let Some(to) = piece.to {
        about.push_str(&format!(", to {}", to.short()));
    }
    if piece.picture.is_some() {
        about.push_str(", with a picture");
    }
    if !piece.revisions.is_empty() {
        about.push_str(", revised");
    }
    if let Some((scope, _)) = piece.released {
        about.push_str(&format!(", released to {scope}"));
    }
    if piece.withdrawn.is_some() {
        about.push_str(", withdrawn");
    }
    about
}
