//! A feed's bytes to items: RSS 0.9x, 1.0 and 2.0, Atom, JSON Feed. Bounded, and without a panic whatever comes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use feed_rs::model::{Entry, Link};
use feed_rs::parser;
use url::Url;

use super::{dates, decode, repair, text};

/// Most items taken of one feed; the newest stand first, as a rule.
pub const MAX_ITEMS: usize = 500;
/// Longest link, in bytes, as articles bound it.
const MAX_LINK: usize = 2000;
/// Longest guid that is looked at, in bytes.
const MAX_ID: usize = 4096;

/// Stands for `@` while the parser works: looking for addresses of mail in the names of authors, it cuts characters
/// of several bytes in half, and panics. Of the private use area.
const AT: char = '\u{f740}';

/// What strange pages hold that want a browser to prove itself.
const CHALLENGES: &[&str] = &[
    "acw_sc__v2",
    "__jsl_clearance",
    "$_ts",
    "_$jsvmprt",
    "cf-browser-verification",
    "challenge-platform",
    "安全验证",
    "人机验证",
    "访问验证",
    "滑动验证",
];

/// What a feed held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// Its items, ready to become articles, in its own order.
    pub items: Vec<Item>,
    /// How many more there were that cannot become articles: beyond [`MAX_ITEMS`], too long, without any text.
    pub skipped: usize,
}

/// One item of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Names it within its source, poll after poll. Ids of feeds may be random, and sites move to https: so this
    /// is the link without its scheme, else the id, else title and date.
    pub key: String,
    /// 1 to 200 characters on one line.
    pub title: String,
    /// Clean HTML.
    pub html: String,
    /// May be empty.
    pub author: String,
    /// Its page; empty or an http or https address.
    pub link: String,
    /// When it was published, or else changed, as the feed says: milliseconds since 1970-01-01 UTC.
    pub published_ms: Option<i64>,
}

/// Why bytes are not a feed. None of these passes by asking again at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// A page that wants a browser to prove itself.
    #[error("the site answers with a check for browsers instead of its feed")]
    Challenge,
    /// A page for people.
    #[error("this is a web page, not a feed: look in it for the address of RSS, Atom or JSON Feed")]
    Page,
    /// Nothing at all.
    #[error("the answer is empty")]
    Empty,
    /// The parser gave up; what was kept before stays.
    #[error("the feed cannot be read: {0}")]
    Broken(String),
}

/// Reads a feed that came from `base`; `charset` is what HTTP said of it. Takes time that grows with the bytes:
/// call it where blocking is allowed.
pub fn parse(bytes: Vec<u8>, charset: Option<&str>, base: &Url) -> Result<Feed, FeedError> {
    let text = decode::decode(bytes, charset);
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0');
    if text.is_empty() {
        return Err(FeedError::Empty);
    }
    if !text.starts_with('{') && is_page(text) {
        let challenged = CHALLENGES.iter().any(|mark| text.contains(mark));
        return Err(if challenged { FeedError::Challenge } else { FeedError::Page });
    }
    let mut mended = if text.starts_with('{') { text.to_owned() } else { repair::mend(text) };
    let swapped = cuts_a_character(&mended);
    if swapped {
        mended = mended.replace('@', &AT.to_string());
    }
    let parser = parser::Builder::new()
        .base_uri(Some(base))
        .sanitize_content(false)
        .id_generator(|_, _, _| String::new())
        .timestamp_parser(|text| dates::parse(text).and_then(feed_rs_time))
        .build();
    // What else may panic in there must cost this feed alone.
    let parsed = catch_unwind(AssertUnwindSafe(|| parser.parse(mended.as_bytes())))
        .map_err(|_| FeedError::Broken("the parser does not survive it".to_owned()))?
        .map_err(|error| FeedError::Broken(text::one_line(&error.to_string(), 200)))?;
    drop(mended);
    let total = parsed.entries.len();
    // A link to the site itself names no item.
    let site: Vec<String> = parsed.links.iter().map(|link| key_of(&link.href)).collect();
    let mut items: Vec<Item> = parsed
        .entries
        .into_iter()
        .take(MAX_ITEMS)
        .filter_map(|entry| item(entry, base, &site, swapped))
        .collect();
    tell_apart(&mut items);
    let skipped = total - items.len();
    Ok(Feed { items, skipped })
}

fn feed_rs_time(ms: i64) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp_millis(ms)
}

/// Whether a document is HTML.
fn is_page(text: &str) -> bool {
    let mut head = &text[..text.floor_char_boundary(1024)];
    // Comments and a prolog may stand before the doctype.
    while let Some(rest) = head.strip_prefix("<!--").and_then(|it| it.split_once("-->")) {
        head = rest.1.trim_start();
    }
    if let Some((_, rest)) = head.strip_prefix("<?xml").and_then(|it| it.split_once("?>")) {
        head = rest.trim_start();
    }
    let head = head.to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body", "<script"].iter().any(|it| head.starts_with(it))
}

/// Whether an address of mail touches a character of several bytes: see [`AT`].
fn cuts_a_character(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "._%+-".contains(c);
    text.match_indices('@').any(|(at, _)| {
        let before = text[..at].trim_end_matches(part);
        let before = before.strip_suffix("mailto:").unwrap_or(before);
        let after = text[at + 1..].trim_start_matches(part);
        [before.chars().next_back(), after.chars().next()]
            .into_iter()
            .flatten()
            .any(|c| !c.is_ascii())
    })
}

/// An entry as an item; `None` if it cannot become an article.
fn item(mut entry: Entry, base: &Url, site: &[String], swapped: bool) -> Option<Item> {
    let restore = |text: String| if swapped { text.replace(AT, "@") } else { text };
    let link = page_of(&entry.links).map(|href| restore(href.to_owned()));
    let link = link.and_then(|href| address(&href, base));
    let mut at = link.clone().unwrap_or_else(|| base.clone());
    at.set_fragment(None);
    let title = entry.title.take().map(|it| restore(it.content)).unwrap_or_default();
    let mut title = text::plain(&title, text::MAX_TITLE)?;
    let content = entry.content.take().and_then(|it| Some((it.content_type, it.body?)));
    let summary = entry.summary.take().map(|it| (it.content_type, it.content));
    let mut html = String::new();
    for (kind, raw) in [content, summary].into_iter().flatten() {
        let raw = restore(raw);
        html = if kind.as_str() == "text/plain" && !text::looks_like_html(&raw) {
            text::paragraphs(&raw)
        } else {
            text::clean(&raw, &at)?
        };
        if text::shows(&html) {
            break;
        }
    }
    if title.is_empty() {
        title = text::plain(&html, 40)?;
    }
    if title.is_empty() {
        return None;
    }
    if !text::shows(&html) {
        html = text::paragraphs(&title);
    }
    if html.len() > text::MAX_TEXT {
        return None;
    }
    let author = entry.authors.iter().find_map(|it| it.name.as_deref());
    let author = author.map(|it| text::person(&restore(it.to_owned()))).unwrap_or_default();
    let published_ms = entry.published.or(entry.updated).map(|it| it.timestamp_millis());
    let link = link.map(String::from).unwrap_or_default();
    let id = restore(entry.id);
    let own_page = Some(key_of(&link)).filter(|key| !key.is_empty() && !site.contains(key));
    let key = own_page.unwrap_or_else(|| {
        if id.is_empty() || id.len() > MAX_ID {
            format!("title:{title}\n{}", published_ms.unwrap_or_default())
        } else {
            format!("id:{id}")
        }
    });
    Some(Item { key, title, html, author, link, published_ms })
}

/// The link to the item's own page.
fn page_of(links: &[Link]) -> Option<&str> {
    let plain =
        |link: &&Link| link.rel.is_none() && link.target.is_none() && link.media_type.is_none();
    let alternate = |link: &&Link| link.rel.as_deref() == Some("alternate");
    let found = links.iter().find(alternate).or_else(|| links.iter().find(plain));
    found.map(|link| link.href.as_str())
}

/// An address that may be followed.
fn address(href: &str, base: &Url) -> Option<Url> {
    let url = Some(href.trim()).filter(|it| !it.is_empty()).and_then(|it| base.join(it).ok())?;
    let fits = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.as_str().len() <= MAX_LINK;
    fits.then_some(url)
}

/// An address without its scheme.
fn key_of(link: &str) -> String {
    link.split_once("://").map_or(link, |(_, rest)| rest).trim_end_matches('/').to_owned()
}

/// Items with one key are told apart by their titles: some feeds give every item one link. Of items that are
/// alike in both the first is kept.
fn tell_apart(items: &mut Vec<Item>) {
    let mut count: HashMap<String, usize> = HashMap::new();
    for item in &*items {
        *count.entry(item.key.clone()).or_default() += 1;
    }
    for item in &mut *items {
        if count[&item.key] > 1 {
            item.key = format!("{}\n{}", item.key, item.title);
        }
    }
    let mut seen = std::collections::HashSet::new();
    items.retain(|item| seen.insert(item.key.clone()));
}

#[cfg(test)]
mod tests;
