//! 稿件: articles and their revisions.

mod fold;
mod query;
mod view;

pub use crate::content::journal::{current_entry, live_targets};
pub use query::{find, get, list};
pub use view::{ArticleFilter, ArticleLine, ArticleView, Revision};

pub(super) use fold::{VIEWS, fold};

use crate::content::site::check_code;
use crate::content::{BadText, check_line};
use crate::entry::RecordId;

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
        Ok(())
    }
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
