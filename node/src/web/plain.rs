//! Clean HTML as plain text: for readers that show no markup, and for whoever searches.

/// Elements that begin on a line of their own.
const BLOCKS: &[&str] = &[
    "blockquote",
    "br",
    "caption",
    "dd",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "table",
    "tr",
    "ul",
];

/// The text of HTML that was cleaned, a paragraph a line. There `<` always begins a tag and `&` one of the few
/// references that are written.
pub fn plain_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('<') {
            let end = tag_end(rest);
            let name = rest[1..end].trim_start_matches('/');
            let length = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
            if BLOCKS.contains(&&name[..length]) {
                text.push('\n');
            } else if matches!(&name[..length], "td" | "th") && !rest.starts_with("</") {
                text.push(' ');
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        } else {
            let references = [
                ("&amp;", "&"),
                ("&lt;", "<"),
                ("&gt;", ">"),
                ("&quot;", "\""),
                ("&nbsp;", "\u{a0}"),
            ];
            let known = references.iter().find(|(written, _)| rest.starts_with(written));
            let (written, meant) = known.copied().unwrap_or(("&", "&"));
            text.push_str(meant);
            rest = &rest[written.len()..];
        }
    }
    text.push_str(rest);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// Where the tag at the beginning of `rest` ends: a `>` may stand in an attribute.
fn tag_end(rest: &str) -> usize {
    let mut quoted = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'>' if !quoted => return at,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::super::render::render;
    use super::*;
    use crate::content::article::TextFormat;

    #[test]
    fn paragraphs_become_lines_and_nothing_of_the_markup_stays() {
        let markdown =
            "# 标题\n\n第一段**重点** a < b & c > d\n\n- 甲\n- 乙\n\n|一|二|\n|-|-|\n|三|四|";
        let html = render(TextFormat::Markdown, markdown);
        assert_eq!(plain_text(&html), "标题\n第一段重点 a < b & c > d\n甲\n乙\n一 二\n三 四");
        let html =
            render(TextFormat::Html, "<p>a<br>b</p><p title='>'>c<a href='http://x/?a=1>2'>d</a>");
        assert_eq!(plain_text(&html), "a\nb\ncd");
        assert_eq!(plain_text("&amp;lt; &unknown; <p"), "&lt; &unknown;");
        assert_eq!(plain_text(""), "");
    }
}
