//! Articles' texts to safe HTML: whatever their authors, or the sites these copied from, put into them.
//! Headings stand below the page's own; of pictures only the article's own show. What else may stand in a text is
//! `content::html`'s to say.

use std::borrow::Cow;

use pulldown_cmark::{Options, Parser};

use super::pictures::{self, Files};
use crate::content::article::TextFormat;
use crate::content::html::{self, MAX_TAGS};

/// In the place of a picture that has not come yet.
pub(super) const MISSING: &str = "<span>〔图片传输中〕</span>";

/// The text as safe HTML, without pictures. Takes time that grows with the text: call it where blocking is allowed.
pub fn render(format: TextFormat, text: &str) -> String {
    render_with(format, text, Files::new())
}

/// The text as safe HTML, with the pictures among `files`.
pub(super) fn render_with(format: TextFormat, text: &str, files: Files) -> String {
    let Some(written) = written(format, text) else { return plain(text) };
    let clean = if files.is_empty() {
        html::clean(&written, None)
    } else {
        html::parses(&written).then(|| {
            let mut cleaner = html::cleaner();
            pictures::let_through(&mut cleaner, files);
            pictures::settle(&cleaner.clean(&written).to_string())
        })
    };
    clean.map_or_else(|| plain(text), lower_headings)
}

/// The text as HTML that is not clean yet; `None` if it would be too much to parse.
pub(super) fn written(format: TextFormat, text: &str) -> Option<Cow<'_, str>> {
    match format {
        TextFormat::Html => html::parses(text).then_some(Cow::Borrowed(text)),
        TextFormat::Markdown => markdown(text),
    }
}

/// Markdown as HTML, not clean yet; `None` if it would be too much to parse.
fn markdown(text: &str) -> Option<Cow<'_, str>> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut html = String::with_capacity(text.len() * 3 / 2);
    let mut events = 0;
    let bounded_events = Parser::new_ext(text, options).map_while(|event| {
        events += 1;
        (events <= MAX_TAGS).then_some(event)
    });
    pulldown_cmark::html::push_html(&mut html, bounded_events);
    (events <= MAX_TAGS).then_some(Cow::Owned(html))
}

/// A text too strange to lay out, as it was written.
fn plain(text: &str) -> String {
    format!("<pre>{}</pre>", ammonia::clean_text(text))
}

/// The highest headings become `h2` and the others follow, in HTML that was cleaned: there `<` always begins a tag, but
/// in an attribute, where a changed digit harms nobody.
fn lower_headings(html: String) -> String {
    let mut bytes = html.into_bytes();
    let mut levels = Vec::new();
    let mut at = 0;
    while at + 3 < bytes.len() {
        if bytes[at] == b'<' {
            let name = if bytes[at + 1] == b'/' { at + 2 } else { at + 1 };
            if let [b'h' | b'H', b'1'..=b'6', b'>' | b' ', ..] = &bytes[name..] {
                levels.push(name + 1);
            }
        }
        at += 1;
    }
    let highest = levels.iter().map(|at| bytes[*at]).min().unwrap_or(b'2');
    for at in levels {
        bytes[at] = (bytes[at] + b'2' - highest).min(b'6');
    }
    // Digits took the place of digits.
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use TextFormat::{Html, Markdown};

    #[test]
    fn markdown_becomes_what_it_says() {
        let html = render(
            Markdown,
            "# 一\n\n###### 六\n\n正文**重点**~~旧~~\n\n|甲|乙|\n|-|-|\n|1|2|\n\n[县网](https://example.gov.cn/?a=1&b=2)",
        );
        for part in [
            "<h2>一</h2>",
            "<h6>六</h6>",
            "<strong>重点</strong><del>旧</del>",
            "<td>1</td>",
            r#"<a href="https://example.gov.cn/?a=1&amp;b=2" rel="nofollow noopener noreferrer">县网</a>"#,
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn html_keeps_its_structure_below_the_pages_heading() {
        assert_eq!(
            render(Html, "<H1 class=x>甲</H1><h2>乙</h2><h6>丙</h6><p style='color:red'>丁</p>"),
            "<h2>甲</h2><h3>乙</h3><h6>丙</h6><p>丁</p>"
        );
        assert_eq!(render(Html, r#"<abbr title="<h1>">x</abbr>"#).matches("<abbr").count(), 1);
        assert_eq!(render(Html, "1 < 2 & h1>"), "1 &lt; 2 &amp; h1&gt;");
    }

    #[test]
    fn nothing_alive_survives() {
        let attacks = [
            "<script>alert(1)</script>",
            "<scr<script>ipt>alert(1)</scr</script>ipt>",
            "<img src=x onerror=alert(1)>",
            "<img src=\"https://evil.example/pixel.gif\">",
            "![像素](https://evil.example/pixel.gif)",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<a href=\"jAvAsCrIpT&#58;alert(1)\">x</a>",
            "<a href=\"\tjava\nscript:alert(1)\">x</a>",
            "[x](javascript:alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "[x](//evil.example/)",
            "<a href=\"vbscript:x\" target=_blank style=\"position:fixed\">x</a>",
            "<svg onload=alert(1)><use href=\"#x\"/></svg>",
            "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
            "<form action=https://evil.example><input name=p><button>登录</button></form>",
            "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
            "<object data=x></object><embed src=x>",
            "<style>@import url(//evil.example)</style><link rel=stylesheet href=//evil.example>",
            "<meta http-equiv=refresh content=\"0;url=//evil.example\"><base href=//evil.example>",
            "<div onmouseover=alert(1) style=\"background:url(//evil.example)\">x</div>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<textarea><script>alert(1)</script>",
            "<template><script>alert(1)</script></template>",
            "<!--><script>alert(1)</script>-->",
            "<video src=//evil.example autoplay></video><audio src=//evil.example></audio>",
            "<p id=main class=skip name=x>x</p>",
            "<plaintext><script>alert(1)</script>",
        ];
        for attack in attacks {
            for format in [Html, Markdown] {
                let html = render(format, attack).to_lowercase();
                for alive in [
                    "<script",
                    "<img",
                    "<svg",
                    "<math",
                    "<form",
                    "<input",
                    "<button",
                    "<iframe",
                    "<object",
                    "<embed",
                    "<style",
                    "<link",
                    "<meta",
                    "<base",
                    "<video",
                    "<audio",
                    "<template",
                    "<textarea",
                    " on",
                    "style=",
                    "class=",
                    "id=",
                    "target=",
                    "href=\"javascript",
                    "href=\"data",
                    "href=\"vbscript",
                    "href=\"//",
                    "<!--",
                ] {
                    assert!(!html.contains(alive), "{alive} survives {attack} as {html}");
                }
            }
        }
    }

    #[test]
    fn a_text_of_a_megabyte_of_tags_is_shown_as_it_is_and_at_once() {
        let size = 1 << 20;
        for (format, bit) in [
            (Html, "<div>"),
            (Html, "<a><b>"),
            (Html, "<"),
            (Html, "</p>"),
            (Html, "&amp"),
            (Markdown, ">"),
            (Markdown, "> "),
            (Markdown, "* "),
            (Markdown, "["),
            (Markdown, "*a_"),
            (Markdown, "<div>"),
            (Markdown, "`"),
            (Markdown, "|-"),
            (Markdown, "![["),
            (Markdown, "[a](<"),
        ] {
            let html = render(format, &bit.repeat(size / bit.len()));
            assert!(html.matches('<').count() <= MAX_TAGS * 2, "{format:?} {bit}");
        }
        assert!(render(Html, &"<div>".repeat(size / 5)).starts_with("<pre>&lt;div&gt;"));
    }
}
