//! Items to articles of this hub's own, not written yet.

use lianbo_node::content::article::{Article, TextFormat};
use lianbo_node::entry::{Hash, RecordId, SiteId};

use super::feed::{Feed, Item};
use super::source::Source;

/// Keeps the ids of articles apart from all other hashes.
const ID_CONTEXT: &str = "lianbo.v1 article of a source's item";

/// An article as its source tells it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) article: Article,
    /// The item has no date: the article bears the time of this poll, unless there is an earlier revision.
    pub(super) undated: bool,
    /// Of what the source says: title, text, author, link, date.
    pub(super) content: Hash,
}

/// The articles of a feed polled at `now`, and how many items could not become any.
pub(super) fn candidates(
    feed: Feed,
    source: &Source,
    site: SiteId,
    now: i64,
) -> (Vec<Candidate>, usize) {
    let total = feed.items.len();
    let made: Vec<Candidate> = feed
        .items
        .into_iter()
        .map(|item| candidate(item, source, site, now))
        .filter(|it| it.article.check().is_ok())
        .collect();
    let skipped = feed.skipped + total - made.len();
    (made, skipped)
}

fn candidate(item: Item, source: &Source, site: SiteId, now: i64) -> Candidate {
    let content = content(&item);
    // A date to come is a mistake, or a trick to stand on top of every list.
    let published_ms = item.published_ms.map(|at| at.min(now));
    let article = Article {
        id: id(site, &source.source, &item.key),
        column: source.column.clone(),
        title: item.title,
        format: TextFormat::Html,
        text: item.html,
        source: source.name.clone(),
        author: item.author,
        editor: String::new(),
        keywords: Vec::new(),
        published_ms: published_ms.unwrap_or(now),
        link: item.link,
        origin: None,
        attachments: Vec::new(),
    };
    Candidate { article, undated: published_ms.is_none(), content }
}

/// The id of the article of an item: always the same, so that nothing is told twice whatever was forgotten.
fn id(site: SiteId, source: &str, key: &str) -> RecordId {
    let mut hasher = blake3::Hasher::new_derive_key(ID_CONTEXT);
    for part in [&site.0[..], source.as_bytes(), key.as_bytes()] {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    RecordId(id)
}

fn content(item: &Item) -> Hash {
    let date = item.published_ms.map_or_else(Vec::new, |at| at.to_be_bytes().to_vec());
    let mut hasher = blake3::Hasher::new();
    for part in [
        item.title.as_bytes(),
        item.html.as_bytes(),
        item.author.as_bytes(),
        item.link.as_bytes(),
        &date,
    ] {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    Hash(*hasher.finalize().as_bytes())
}

impl Candidate {
    /// Whether a revision told before says the same.
    pub(super) fn is(&self, told: &Article) -> bool {
        let it = &self.article;
        it.title == told.title
            && it.text == told.text
            && it.author == told.author
            && it.link == told.link
            && (self.undated || it.published_ms == told.published_ms)
    }
}

#[cfg(test)]
mod tests {
    use lianbo_node::scope::Scope;

    use super::*;

    fn source(name: &str) -> Source {
        Source {
            source: name.into(),
            name: "省委组织部".into(),
            url: "https://a.gov.cn/".into(),
            column: "news".into(),
            scope: Scope::Organization,
            every_ms: 1_800_000,
            paused: false,
            created_ms: 0,
        }
    }

    fn item(key: &str, title: &str) -> Item {
        Item {
            key: key.into(),
            title: title.into(),
            html: "<p>文</p>".into(),
            author: String::new(),
            link: "https://a.gov.cn/1".into(),
            published_ms: Some(5),
        }
    }

    fn one(source: &Source, item: Item, now: i64) -> Candidate {
        let (mut made, skipped) =
            candidates(Feed { items: vec![item], skipped: 0 }, source, SiteId([1; 16]), now);
        assert_eq!(skipped, 0);
        made.remove(0)
    }

    #[test]
    fn an_item_is_the_same_article_at_every_poll_and_at_no_other_source() {
        let first = one(&source("a"), item("k", "甲"), 10);
        let again = one(&source("a"), item("k", "乙"), 99);
        assert_eq!(first.article.id, again.article.id);
        assert_ne!(first.content, again.content);
        assert_ne!(first.article.id, one(&source("b"), item("k", "甲"), 10).article.id);
        assert_ne!(first.article.id, one(&source("a"), item("l", "甲"), 10).article.id);
        // Parts do not run together.
        assert_ne!(id(SiteId([1; 16]), "a", "bc"), id(SiteId([1; 16]), "ab", "c"));
    }

    #[test]
    fn dates_to_come_are_now_and_what_no_article_may_be_is_left_out() {
        let mut late = item("k", "甲");
        late.published_ms = Some(i64::MAX);
        assert_eq!(one(&source("a"), late.clone(), 10).article.published_ms, 10);
        late.published_ms = None;
        let undated = one(&source("a"), late, 10);
        assert_eq!((undated.undated, undated.article.published_ms), (true, 10));
        let mut bad = item("k", "甲");
        bad.link = "javascript:alert(1)".into();
        let feed = Feed { items: vec![bad], skipped: 2 };
        assert_eq!(candidates(feed, &source("a"), SiteId([1; 16]), 10).1, 3);
    }
}
