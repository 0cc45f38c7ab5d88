//! What HTML a text may hold: whatever their authors, or the sites these copied from, put into them, no scripts,
//! styles, forms, frames or images survive; links go out without telling where from.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use url::Url;

/// What may stand in a text.
const TAGS: &[&str] = &[
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
    "wbr",
];
/// What goes with everything inside it.
const REMOVED: &[&str] = &[
    "applet", "audio", "button", "canvas", "embed", "frame", "frameset", "head", "iframe", "math",
    "noembed", "noframes", "noscript", "object", "option", "script", "select", "style", "svg",
    "template", "textarea", "title", "video", "xmp",
];
/// Most tags in a text. An HTML parser's time grows with depth times length, so that a hostile text of a
/// megabyte could hold a core for a minute; honest ones stay far below this.
pub const MAX_TAGS: usize = 20_000;

/// A relative address means another page on every site that shows the text.
static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| builder(UrlRelative::Deny));

/// A cleaner of one's own, to let more through.
pub(crate) fn cleaner() -> Builder<'static> {
    builder(UrlRelative::Deny)
}

fn builder(relative: UrlRelative<'static>) -> Builder<'static> {
    let cell = || HashSet::from(["colspan", "rowspan"]);
    let mut builder = Builder::empty();
    builder
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(REMOVED.iter().copied().collect())
        .generic_attributes(HashSet::new())
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "title"])),
            ("abbr", HashSet::from(["title"])),
            ("ol", HashSet::from(["start"])),
            ("td", cell()),
            ("th", cell()),
        ]))
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel"]))
        .url_relative(relative)
        .link_rel(Some("nofollow noopener noreferrer"))
        .strip_comments(true);
    builder
}

/// Whether it is not too much to parse.
pub fn parses(html: &str) -> bool {
    html.matches('<').count() <= MAX_TAGS
}

/// Clean HTML; with `base`, the address of the page it came from, relative addresses become whole ones. `None` if it
/// would be too much to parse. Takes time that grows with the text: call it where blocking is allowed.
pub fn clean(html: &str, base: Option<&Url>) -> Option<String> {
    if !parses(html) {
        return None;
    }
    // A cleaner of its own costs more than most texts: only for those with addresses.
    let clean = match base.filter(|_| html.contains("href")) {
        Some(base) => builder(UrlRelative::RewriteWithBase(base.clone())).clean(html),
        None => CLEANER.clean(html),
    };
    Some(clean.to_string())
}
