//! What outlets tell strangers of articles: plain values, with nothing in them that only a site could read.

use crate::entry::{Entry, Hash, RecordId, SiteId};

/// One thing that happened to a published article.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Harvested {
    /// Published or revised.
    Article(Box<Published>),
    /// Withdrawn.
    Withdrawn(Withdrawn),
}

impl Harvested {
    /// Names the article.
    pub fn id(&self) -> &str {
        match self {
            Self::Article(it) => &it.id,
            Self::Withdrawn(it) => &it.id,
        }
    }
}

/// An article's current revision.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Published {
    /// See [`urn`].
    pub id: String,
    /// The revision.
    pub revision: Hash,
    /// Code of the unit that wrote it.
    pub unit_code: String,
    /// Name of the unit that wrote it.
    pub unit_name: String,
    /// Slug of the column.
    pub column: String,
    /// Name of the column.
    pub column_name: String,
    /// Title.
    pub title: String,
    /// The text as clean HTML; empty if that is too long.
    pub html: String,
    /// The text without markup.
    pub text: String,
    /// 来源.
    pub source: String,
    /// 作者.
    pub author: String,
    /// 责任编辑.
    pub editor: String,
    /// Keywords.
    pub keywords: Vec<String>,
    /// Where it was published first; empty if that is here.
    pub link: String,
    /// The date to show, milliseconds since 1970-01-01 UTC.
    pub published_ms: i64,
    /// When this revision came to be published, likewise.
    pub updated_ms: i64,
    /// Address of its public page; may be empty.
    pub page: String,
    /// The files that come with it.
    pub files: Vec<PublishedFile>,
    /// The signed entry that carries it, if it was asked for.
    #[serde(skip)]
    pub entry: Option<Entry>,
}

/// A file that comes with an article.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PublishedFile {
    /// Name, unique within the article.
    pub name: String,
    /// Names its bytes.
    pub hash: Hash,
    /// Length in bytes.
    pub size: u64,
    /// Media type.
    pub media_type: String,
    /// Where it can be fetched; may be empty.
    pub address: String,
}

/// An article that is no longer published.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Withdrawn {
    /// See [`urn`].
    pub id: String,
    /// Why; may be empty.
    pub reason: String,
}

/// Names an article for everybody and for good, wherever it is shown: a UUID (RFC 9562, version 8) made of its
/// author's site and its id.
pub fn urn(site: SiteId, id: RecordId) -> String {
    urn_of(&[site.0, id.0].concat())
}

/// Names a thing by what it is made of, likewise.
pub fn urn_of(named: &[u8]) -> String {
    let mut bytes = [0; 16];
    let mut hasher = blake3::Hasher::new_derive_key("lianbo.v1.urn");
    hasher.update(named).finalize_xof().fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_articles_name_is_a_uuid_of_its_own() {
        let name = urn(SiteId([1; 16]), RecordId([2; 16]));
        assert_eq!(name.len(), "urn:uuid:".len() + 36);
        assert_eq!(&name[23..24], "8", "{name}");
        assert!("89ab".contains(&name[28..29]), "{name}");
        assert_ne!(name, urn(SiteId([2; 16]), RecordId([1; 16])));
        // What was once told must never change.
        assert_eq!(name, "urn:uuid:8fd2696c-df80-8705-ac42-bb26b158a519");
    }
}
