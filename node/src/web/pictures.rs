//! Pictures and links to files in a text: addresses that name a file of the article become its address on this site,
//! and what has not come yet says so.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use ammonia::{Builder, UrlRelative};
use url::{ParseError, Url};

use super::render::{self, MISSING};
use crate::content::article::TextFormat;
use crate::content::html::parses;

/// A file as the text of its article may show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Where it is on this site; none while it is on its way.
    pub(super) href: Option<String>,
    /// It is shown in its place.
    pub(super) picture: bool,
}

/// Files of an article, by name.
pub(super) type Files = BTreeMap<String, Shown>;

/// What stands in the place of a picture that has not come, in the address of a cleaned text. No file has such a name.
const COMING: &str = "/coming";

/// Has `builder` let the article's own pictures through, and nothing else beside.
pub(super) fn let_through(builder: &mut Builder<'static>, files: Files) {
    builder.add_tags(["img"]);
    builder.add_tag_attributes("img", ["src", "alt", "title"]);
    let own: BTreeSet<String> =
        files.values().filter_map(|it| it.href.clone()).chain([COMING.to_owned()]).collect();
    builder.attribute_filter(move |element, attribute, value| {
        let shown = named(&files, value);
        match (element, attribute, shown) {
            ("img", "src", Some(Shown { picture: true, href: Some(href) }))
            | ("a", "href", Some(Shown { href: Some(href), .. })) => Some(Cow::Owned(href.clone())),
            ("img", "src", Some(Shown { picture: true, href: None })) => Some(COMING.into()),
            // A picture of another site tells that site who reads what.
            ("img", "src", _) => None,
            // A link that leads nowhere, or to another page on every site that shows the text.
            ("a", "href", _) if Url::parse(value).is_err() => None,
            _ => Some(value.into()),
        }
    });
    // Asked after the filter: only what it put there is relative.
    builder.url_relative(relative(move |address| own.contains(address).then(|| address.into())));
}

/// What becomes of relative addresses.
fn relative(
    to: impl Fn(&str) -> Option<Cow<'_, str>> + Send + Sync + 'static,
) -> UrlRelative<'static> {
    UrlRelative::Custom(Box::new(to))
}

/// The file that an address in a text names, as it stands or percent-decoded.
fn named<'f>(files: &'f Files, address: &str) -> Option<&'f Shown> {
    files.get(address).or_else(|| files.get(&decode(address)?))
}

fn decode(address: &str) -> Option<String> {
    let mut out = Vec::with_capacity(address.len());
    let mut rest = address.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let byte = after.get(..2).and_then(|digits| hex::decode(digits).ok())?;
            out.extend(byte);
            rest = &after[2..];
        } else {
            out.push(first);
            rest = after;
        }
    }
    String::from_utf8(out).ok()
}

/// In cleaned HTML, pictures on their way become a word that says so, and pictures without an address go.
pub(super) fn settle(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        out.push_str(text);
        let end = tag_end(tag);
        let (tag, after) = tag.split_at(end);
        rest = after;
        if !tag.starts_with("<img") {
            out.push_str(tag);
        } else if let Some(src) = attribute(tag, "src") {
            out.push_str(if src == COMING { MISSING } else { tag });
        }
    }
    out.push_str(rest);
    out
}

/// Length of the tag at the beginning: `>` within quotes does not end it.
fn tag_end(tag: &str) -> usize {
    let mut quoted = false;
    for (at, byte) in tag.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'>' if !quoted => return at + 1,
            _ => {}
        }
    }
    tag.len()
}

/// The value of an attribute of a tag as the cleaner writes it: always in double quotes, with none inside.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let mut parts = tag.split('"');
    while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
        if before.trim().strip_suffix('=').is_some_and(|it| it.rsplit(' ').next() == Some(name)) {
            return Some(value);
        }
    }
    None
}

/// The names by which a text shows pictures that come with it: addresses that are neither another site's nor absolute.
pub fn pictures(format: TextFormat, text: &str) -> BTreeSet<String> {
    let found: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let finds = found.clone();
    let mut builder = Builder::empty();
    builder.add_tags(["img"]);
    builder.add_tag_attributes("img", ["src"]);
    builder.attribute_filter(move |element, attribute, address| {
        let picture = (element, attribute) == ("img", "src");
        let relative = Url::parse(address) == Err(ParseError::RelativeUrlWithoutBase);
        if picture && relative && !address.starts_with(['/', '#', '?']) && !address.is_empty() {
            let name = decode(address).unwrap_or_else(|| address.to_owned());
            finds.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        }
        None
    });
    if let Some(html) = render::written(format, text).filter(|html| parses(html)) {
        // Cleaned for the addresses that come by; what is left is of no use.
        drop(builder.clean(&html));
    }
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use TextFormat::{Html, Markdown};

    fn files() -> Files {
        let shown = |href: Option<&str>, picture| Shown { href: href.map(str::to_owned), picture };
        Files::from([
            ("银杏.jpg".to_owned(), shown(Some("/article/1/2/a.jpg"), true)),
            ("红叶 二.png".to_owned(), shown(None, true)),
            ("方案.pdf".to_owned(), shown(Some("/article/1/2/b.pdf"), false)),
            ("远.pdf".to_owned(), shown(None, false)),
        ])
    }

    fn drawn(format: TextFormat, text: &str) -> String {
        render::render_with(format, text, files())
    }

    #[test]
    fn a_picture_that_is_here_is_shown_and_one_on_its_way_says_so() {
        for (format, text) in [
            (Markdown, "前![古树](银杏.jpg)后![](<红叶 二.png>)"),
            (
                Html,
                "前<img src=\"银杏.jpg\" alt=古树>后<IMG SRC='%E7%BA%A2%E5%8F%B6%20%E4%BA%8C.png'>",
            ),
        ] {
            let html = drawn(format, text);
            assert!(html.contains("src=\"/article/1/2/a.jpg\""), "{html}");
            assert!(html.contains("alt=\"古树\""), "{html}");
            assert!(html.contains(MISSING) && html.contains("图片传输中"), "{html}");
            assert_eq!(html.matches("<img").count(), 1, "{html}");
        }
    }

    #[test]
    fn links_to_files_lead_to_them_and_to_nothing_that_is_not_here() {
        let html =
            drawn(Markdown, "[方案](方案.pdf) [远](远.pdf) [图](<红叶 二.png>) [别](other.pdf)");
        assert!(html.contains("href=\"/article/1/2/b.pdf\""), "{html}");
        assert_eq!(html.matches("href").count(), 1, "{html}");
    }

    #[test]
    fn no_other_picture_comes_in() {
        for text in [
            "<img src=\"https://evil.example/x.png\">",
            "<img src=\"//evil.example/x.png\">",
            "<img src=\"/article/1/2/a.jpg\">",
            "<img src=\"/coming\">",
            "<img src=\"方案.pdf\">",
            "<img src=\"javascript:alert(1)\">",
            "<img src=\"data:image/png;base64,AA\">",
            "<img srcset=\"银杏.jpg 2x\">",
            "<img>",
            "<img alt='<img src=\"/coming\">' src=x>",
            "![](https://evil.example/x.png)",
        ] {
            let html = drawn(Html, text) + &drawn(Markdown, text);
            assert!(!html.contains("<img") && !html.contains("src=\""), "{text}: {html}");
            assert!(!html.contains(MISSING), "{text}: {html}");
        }
        let html = drawn(
            Html,
            "<img src=\"银杏.jpg\" onerror=alert(1) style=x title='a>b \"<img src=x>'>",
        );
        assert!(html.starts_with("<img ") && html.matches("src=\"/").count() == 1, "{html}");
        assert!(!html.contains("onerror") && !html.contains("style="), "{html}");
        let within = drawn(Html, "<a title='<img src=\"银杏.jpg\">' href=https://example.cn>a</a>");
        assert!(within.contains("href=\"https://example.cn\""), "{within}");
    }

    #[test]
    fn the_pictures_a_text_shows_are_found() {
        let names = |format, text| pictures(format, text).into_iter().collect::<Vec<_>>();
        assert_eq!(
            names(
                Markdown,
                "![](b.png) ![](<a 一.jpg>) [x](c.pdf) ![](https://e.cn/d.png) ![](/e.png)"
            ),
            ["a 一.jpg", "b.png"]
        );
        assert_eq!(
            names(Html, "<p><img src='一.jpg'><img src=\"pics/x.png\"></p>"),
            ["pics/x.png", "一.jpg"]
        );
        assert!(names(Html, "<a href=x.jpg>x</a>").is_empty());
    }
}
