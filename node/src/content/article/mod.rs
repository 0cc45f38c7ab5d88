//! 稿件: articles and their revisions.

mod carried;
mod changes;
mod fold;
mod published;
mod query;
mod standing;
mod told;
mod view;
mod views;

pub use crate::content::journal::{current_entry, live_targets};
pub use carried::{Carried, carried, sizes};
pub use changes::{Change, Span, Withdrawal, published_in, withdrawn_in, withdrawn_upto};
pub use published::{Harvested, Published, PublishedFile, Withdrawn, urn};
pub use query::{current, find, get, list};
pub use standing::{Adoption, Original, Standing, adopted_by, original, standings};
pub use told::{Told, told};
pub use view::{ArticleFilter, ArticleLine, ArticleView, Revision};
pub use views::{Read, add_views, forget_views, views};

pub(super) use fold::{VIEWS, fold};

use std::collections::BTreeSet;

use crate::content::rules::{RuleError, ensure};
use crate::content::site::check_code;
use crate::content::{BadText, check_line};
use crate::entry::{Hash, Head, RecordId, SiteId};

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextFormat {
    /// `CommonMark`.
    Markdown = 1,
    /// HTML, cleaned before it is shown.
    Html = 2,
}

/// One revision of an article. The one with the highest (Lamport, site, hash) is current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    /// The same in all revisions.
    pub id: RecordId,
    /// Slug of the column at the author's site.
    pub column: String,
    /// Title.
    pub title: String,
    /// How `text` is written.
    pub format: TextFormat,
    /// The text.
    pub text: String,
    /// 来源.
    pub source: String,
    /// 作者.
    pub author: String,
    /// 责任编辑.
    pub editor: String,
    /// Keywords.
    pub keywords: Vec<String>,
    /// The author's claim, milliseconds since 1970-01-01 UTC.
    pub published_ms: i64,
    /// Where it was published first, an http or https address; empty if that is here.
    pub link: String,
    /// What it was made from, if it was adopted (采用).
    pub origin: Option<Origin>,
    /// Names of the files that come with it, one for each blob of the head.
    pub attachments: Vec<Attachment>,
}

/// Another site's article that an adopted one was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Origin {
    /// Its author's site.
    pub site: SiteId,
    /// Its id.
    pub id: RecordId,
    /// The entry with the revision that was taken.
    pub hash: Hash,
}

/// A file that comes with an article; its size and type stand in the head.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Attachment {
    /// Names the blob.
    pub hash: Hash,
    /// Name of the file, unique within the article; the text refers to it by this name.
    pub name: String,
}

impl Article {
    /// Checks every field.
    pub fn check(&self) -> Result<(), BadText> {
        check_code(&self.column)?;
        check_line(&self.title, 200, true, "a title has 1 to 200 characters, on one line")?;
        check_line(&self.source, 100, false, "a source has at most 100 characters")?;
        check_line(&self.author, 100, false, "an author has at most 100 characters")?;
        check_line(&self.editor, 100, false, "an editor has at most 100 characters")?;
        check_text(&self.text)?;
        check_time(self.published_ms)?;
        if self.keywords.len() > 20 {
            return Err(BadText("an article has at most 20 keywords"));
        }
        for keyword in &self.keywords {
            check_line(keyword, 40, true, "a keyword has 1 to 40 characters")?;
        }
        check_link(&self.link)?;
        let mut names = BTreeSet::new();
        for attachment in &self.attachments {
            check_file_name(&attachment.name)?;
            if !names.insert(&attachment.name) {
                return Err(BadText("two files of an article have the same name"));
            }
        }
        Ok(())
    }
}

/// Whether such a head may carry such an article.
pub(super) fn check(head: &Head, article: &Article) -> Result<(), RuleError> {
    let made_of = article.origin.is_some_and(|origin| origin.site == head.log.site);
    ensure(!made_of, "a site does not adopt its own article")?;
    let blobs: BTreeSet<Hash> = head.blobs.iter().map(|blob| blob.hash).collect();
    let named: BTreeSet<Hash> = article.attachments.iter().map(|it| it.hash).collect();
    ensure(blobs.len() == head.blobs.len(), "a head names a file twice")?;
    ensure(blobs == named, "the files an article names are not those its head does")
}

/// Checks an address: empty, or http(s), at most 2,000 bytes, without a name or password.
fn check_link(link: &str) -> Result<(), BadText> {
    const COMPLAINT: BadText = BadText("a link is an http or https address of at most 2000 bytes");
    if link.is_empty() {
        return Ok(());
    }
    if link.len() > 2000 {
        return Err(COMPLAINT);
    }
    let url = url::Url::parse(link).map_err(|_| COMPLAINT)?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    if plain { Ok(()) } else { Err(COMPLAINT) }
}

/// Checks the name of a file: one part of a path, which no system reads as anything else.
pub(crate) fn check_file_name(name: &str) -> Result<(), BadText> {
    check_line(name, 120, true, "the name of a file has 1 to 120 characters")?;
    let odd = |c: char| matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    if name.contains(odd) || name.starts_with('.') || name.trim() != name || name.ends_with('.') {
        return Err(BadText(
            "the name of a file holds none of / \\ : * ? \" < > |, and no dot or space at its ends",
        ));
    }
    Ok(())
}

/// Checks a longer text: not blank, no NUL (PostgreSQL keeps none). Its length is bounded with the body.
pub(crate) fn check_text(text: &str) -> Result<(), BadText> {
    if text.trim().is_empty() {
        return Err(BadText("the text is empty"));
    }
    if text.contains('\0') {
        return Err(BadText("the text holds a NUL character"));
    }
    Ok(())
}

/// Checks a point in time: between 1900 and 3000, so that it can be shown.
pub(crate) fn check_time(ms: i64) -> Result<(), BadText> {
    const FROM: i64 = -2_208_988_800_000;
    const TO: i64 = 32_503_680_000_000;
    if (FROM..TO).contains(&ms) { Ok(()) } else { Err(BadText("a time lies outside 1900 to 2999")) }
}
