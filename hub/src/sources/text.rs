//! Texts of items, made fit for articles.

use ammonia::Builder;
use lianbo_node::content::html;
use std::sync::LazyLock;
use url::Url;

/// Longest title, in characters, as articles bound it.
pub(super) const MAX_TITLE: usize = 200;
/// Longest name of an author, in characters, as articles bound it.
const MAX_PERSON: usize = 100;
/// Longest text, in bytes after cleaning.
pub(super) const MAX_TEXT: usize = 512 << 10;
/// Longest text that is cleaned at all, in bytes: markup that is thrown away may be as long as what stays.
const MAX_RAW: usize = 2 * MAX_TEXT;

/// Clean HTML; addresses are resolved against `at`. `None` if it would be too much.
pub(super) fn clean(raw: &str, at: &Url) -> Option<String> {
    if raw.len() > MAX_RAW {
        return None;
    }
    let clean = without_controls(html::clean(raw, Some(at))?);
    // RSS calls everything HTML.
    Some(if clean.contains('<') { clean } else { lines(&clean) })
}

/// Without what no text holds: JSON may bring any character.
fn without_controls(text: String) -> String {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.contains(odd) { text.replace(odd, "") } else { text }
}

/// Whether a text that is called plain is HTML after all, as RSS does not tell.
pub(super) fn looks_like_html(text: &str) -> bool {
    ["</", "<p", "<br", "<div", "<a ", "<img", "&nbsp;"].iter().any(|it| text.contains(it))
}

/// A plain text as HTML: a paragraph a line.
pub(super) fn paragraphs(text: &str) -> String {
    lines(&escape(&without_controls(text.replace('\r', "\n"))))
}

fn lines(html: &str) -> String {
    let lines = html.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("<p>{line}</p>")).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Whether clean HTML shows anything.
pub(super) fn shows(html: &str) -> bool {
    let mut inside = false;
    let visible = |c: char| {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            _ => return !inside && !c.is_whitespace() && c != '\u{a0}' && c != '\u{3000}',
        }
        false
    };
    html.replace("&nbsp;", " ").contains(visible)
}

/// One line of text without markup, cut to so many characters. `None` if it would be too much.
pub(super) fn plain(text: &str, longest: usize) -> Option<String> {
    static NOTHING: LazyLock<Builder<'static>> = LazyLock::new(Builder::empty);
    if !text.contains(['<', '&']) {
        return Some(one_line(text, longest));
    }
    if !html::parses(text) || text.len() > MAX_RAW {
        return None;
    }
    let text = NOTHING.clean(text).to_string();
    let text = text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">");
    Some(one_line(&text.replace("&quot;", "\"").replace("&amp;", "&"), longest))
}

/// One line: white space becomes a space, control characters go; cut to so many characters, the last `…`.
pub(super) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    // A hostile title may be megabytes long: no more is looked at than could matter.
    for word in text.split_whitespace().take(longest) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().filter(|c| !c.is_control()).take(longest + 1));
        if line.len() > longest * 8 {
            break;
        }
    }
    if line.chars().count() > longest {
        line = line.chars().take(longest.saturating_sub(1)).chain(['…']).collect();
    }
    line
}

/// The name of a person, without an address of mail.
pub(super) fn person(name: &str) -> String {
    let is_address = |word: &&str| !word.contains('@');
    let parts = name.split(['(', ')', '（', '）', '<', '>', ' ', ',', '，', ';', '；', ':', '：']);
    let parts: Vec<&str> = parts.filter(is_address).filter(|it| !it.is_empty()).collect();
    let name = if name.contains('@') { parts.join(" ") } else { name.to_owned() };
    let name = plain(&name, MAX_PERSON).unwrap_or_default();
    if matches!(name.as_str(), "null" | "undefined" | "admin") { String::new() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_one_line_without_markup_and_cut() {
        for (raw, title) in [
            ("  甲\n 乙\t", "甲 乙"),
            ("<b>甲</b>&amp;乙&nbsp;", "甲&乙"),
            ("A &lt; B", "A < B"),
            ("\u{0}\u{1b}[31m甲", "[31m甲"),
            ("", ""),
        ] {
            assert_eq!(plain(raw, 200).unwrap(), title);
        }
        let long = one_line(&"长".repeat(1_000_000), 200);
        assert_eq!((long.chars().count(), long.ends_with('…')), (200, true));
        assert_eq!(one_line(&"长".repeat(200), 200), "长".repeat(200));
        assert!(one_line(&"a ".repeat(1_000_000), 200).chars().count() <= 200);
        assert_eq!(plain(&"<b>".repeat(100_000), 200), None);
    }

    #[test]
    fn html_is_cleaned_and_its_addresses_are_resolved() {
        let at = Url::parse("http://a.gov.cn/art/2026/1.html").unwrap();
        let html = clean(
            "<p onclick=x>甲<script>1</script><a href='2.html'>乙</a><img src=3.jpg>\u{1}</p>",
            &at,
        );
        let html = html.unwrap();
        assert!(html.starts_with("<p>甲<a href=\"http://a.gov.cn/art/2026/2.html\""), "{html}");
        assert!(!html.contains("img") && !html.contains('\u{1}'), "{html}");
        assert_eq!(clean(&"<p>".repeat(30_000), &at), None);
        assert_eq!(clean(&"长".repeat(400_000), &at), None);
    }

    #[test]
    fn a_text_without_anything_to_see_is_none() {
        for (html, seen) in
            [("<p> &nbsp;\u{3000}</p>", false), ("", false), ("<p>甲</p>", true), ("甲", true)]
        {
            assert_eq!(shows(html), seen, "{html}");
        }
        assert_eq!(paragraphs("甲\n\n 乙 < 丙\r\n"), "<p>甲</p><p>乙 &lt; 丙</p>");
    }

    #[test]
    fn names_of_persons_lose_their_mail() {
        for (raw, name) in [
            ("张三", "张三"),
            ("zhang@a.cn（张三）", "张三"),
            ("zhang@a.cn (Zhang San)", "Zhang San"),
            ("zhang@a.cn", ""),
            ("null", ""),
            ("<b>李</b>", "李"),
        ] {
            assert_eq!(person(raw), name);
        }
    }
}
