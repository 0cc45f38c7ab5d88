//! Articles' texts to safe HTML: whatever their authors, or the sites these copied from, put into them.
//!
//! No scripts, styles, forms, frames or images survive; links go out without telling where from; headings stand below
//! the page's own.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{Options, Parser};

use crate::content::article::TextFormat;

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
const MAX_TAGS: usize = 20_000;

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
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
        // A relative address means another page on every site that shows the text.
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer"))
        .strip_comments(true);
    builder
});

/// The text as safe HTML. Takes time that grows with the text: call it where blocking is allowed.
pub(super) fn render(format: TextFormat, text: &str) -> String {
    let html = match format {
        TextFormat::Html if text.matches('<').count() <= MAX_TAGS => clean(text),
        TextFormat::Html => None,
        TextFormat::Markdown => markdown(text),
    };
    html.unwrap_or_else(|| plain(text))
}

/// `None` if it is too much to clean.
fn markdown(text: &str) -> Option<String> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut html = String::with_capacity(text.len() * 3 / 2);
    let mut tags = 0;
    let events = Parser::new_ext(text, options).map_while(|event| {
        tags += 1;
        (tags <= MAX_TAGS).then_some(event)
    });
    pulldown_cmark::html::push_html(&mut html, events);
    if tags > MAX_TAGS || html.matches('<').count() > MAX_TAGS { None } else { clean(&html) }
}

fn clean(html: &str) -> Option<String> {
    Some(lower_headings(CLEANER.clean(html).to_string()))
}

/// A text too strange to lay out, as it was written.
fn plain(text: &str) -> String {
    format!("<pre>{}</pre>", ammonia::clean_text(text))
}

/// `h1` to `h2` and so on, in HTML that was cleaned: there `<` always begins a tag, but in an attribute, where
/// a changed digit harms nobody.
fn lower_headings(html: String) -> String {
    let mut bytes = html.into_bytes();
    let mut at = 0;
    while at + 3 < bytes.len() {
        if bytes[at] == b'<' {
            let name = if bytes[at + 1] == b'/' { at + 2 } else { at + 1 };
            if let [b'h' | b'H', level @ b'1'..=b'5', b'>' | b' ', ..] = &mut bytes[name..] {
                *level += 1;
            }
        }
        at += 1;
    }
    // Digits took the place of digits.
    String::from_utf8(bytes).unwrap_or_default()
}
