//! What readers are handed of articles.

use super::{Attachment, Origin, TextFormat};
use crate::entry::{Hash, RecordId, SiteId};
use crate::scope::Scope;

/// Which articles a list holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArticleFilter {
    /// Only those of this author's site.
    pub site: Option<SiteId>,
    /// Only those of sites of the unit with this code.
    pub unit: Option<String>,
    /// Only those now in the column with this slug.
    pub column: Option<String>,
    /// Only what this site itself wrote or released.
    pub carrier: Option<SiteId>,
    /// Nothing that this site itself wrote or released.
    pub except_carrier: Option<SiteId>,
    /// At most so many.
    pub limit: i64,
    /// Without the first so many.
    pub offset: i64,
}

impl Default for ArticleFilter {
    fn default() -> Self {
        Self {
            site: None,
            unit: None,
            column: None,
            carrier: None,
            except_carrier: None,
            limit: 50,
            offset: 0,
        }
    }
}

/// An article in a list: its current revision among those the reader may see.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ArticleLine {
    /// The author's site.
    pub site: SiteId,
    /// The article.
    pub id: RecordId,
    /// The revision.
    pub hash: Hash,
    /// The site whose entry brings it: the author's, or the releaser's.
    pub carrier_site: SiteId,
    /// That entry.
    pub carrier_hash: Hash,
    /// How far it may go, as the reader sees it.
    pub scope: Scope,
    /// Code of the author's unit; empty if the reader may not know it.
    pub unit_code: String,
    /// Name of the author's unit; empty if the reader may not know it.
    pub unit_name: String,
    /// Slug of the column.
    pub column: String,
    /// Name of the column; its slug if the reader may not see its description.
    pub column_name: String,
    /// Title.
    pub title: String,
    /// 来源.
    pub source: String,
    /// 作者.
    pub author: String,
    /// 责任编辑.
    pub editor: String,
    /// Keywords.
    pub keywords: Vec<String>,
    /// The date to show: the author's claim, or when a hub first saw it if that was earlier.
    pub published_ms: i64,
    /// When a hub first saw any revision of it, in its own word.
    pub first_seen_ms: Option<i64>,
    /// Whether the reader may see an older revision.
    pub revised: bool,
    /// Where it was published first; empty if that is here.
    pub link: String,
    /// What it was made from, if it was adopted.
    pub origin: Option<Origin>,
    /// Whether that was withdrawn, as far as the reader may know: the copy stays until somebody decides.
    pub origin_withdrawn: bool,
    /// When this site got it.
    pub received_ms: i64,
    /// Place of the carrying entry in this site's journal; it would tell a peer of entries hidden from it.
    #[serde(skip)]
    pub position: i64,
}

impl ArticleLine {
    /// Whether it comes inside a release.
    pub fn released(&self) -> bool {
        self.hash != self.carrier_hash
    }
}

/// An article with its text.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ArticleView {
    /// Everything a list shows of it.
    #[serde(flatten)]
    pub line: ArticleLine,
    /// How `text` is written.
    pub format: TextFormat,
    /// The text.
    pub text: String,
    /// The files that come with it.
    pub attachments: Vec<Attachment>,
    /// Every revision the reader may see, the current one first.
    pub revisions: Vec<Revision>,
}

/// One revision of an article.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Revision {
    /// Its hash.
    pub hash: Hash,
    /// The widest scope at which the reader sees it.
    pub scope: Scope,
    /// Its Lamport counter.
    pub lamport: u64,
    /// Its title.
    pub title: String,
    /// The author's claim in it.
    pub published_ms: i64,
    /// When a hub first saw it, in its own word.
    pub first_seen_ms: Option<i64>,
    /// When this site got it.
    pub received_ms: i64,
}
