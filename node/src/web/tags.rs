//! The page tags of government sites (国办发〔2017〕47号): what machines read of a page.

use super::page::Frame;

/// Longest description of an article, in characters.
const MAX_DESCRIPTION: usize = 120;

/// Tags of a column's page, and of what stands in it.
#[derive(Clone, Debug)]
pub(super) struct ColumnTags {
    /// `ColumnName`.
    pub(super) name: String,
    /// `ColumnDescription`.
    pub(super) description: String,
    /// `ColumnKeywords`.
    pub(super) keywords: String,
    /// `ColumnType`.
    pub(super) kind: String,
}

impl ColumnTags {
    /// Those of the column `slug`, or of a page that stands for one. `unit` may be empty: the site's own.
    pub(super) fn new(
        frame: &Frame,
        slug: &str,
        name: &str,
        description: &str,
        unit: &str,
    ) -> Self {
        let unit = if unit.is_empty() { &frame.site_name } else { unit };
        let description = match description {
            "" => format!("{unit}的{name}"),
            told => told.to_owned(),
        };
        Self {
            keywords: format!("{name},{unit}"),
            kind: frame.imprint.column_type(slug, name).to_owned(),
            name: name.to_owned(),
            description,
        }
    }

    /// Those of the home page.
    pub(super) fn home(frame: &Frame) -> Self {
        let site = &frame.site_name;
        Self {
            name: "首页".to_owned(),
            description: format!("{site}的稿件、通知和各栏目"),
            keywords: site.clone(),
            kind: "首页".to_owned(),
        }
    }
}

/// The beginning of a text, from its clean HTML, without tags.
pub(super) fn beginning(html: &str) -> String {
    let mut text = String::new();
    let mut count = 0;
    for part in html.split('<') {
        // In clean HTML `>` stands in a text as `&gt;`; before the first `<` there is no tag.
        let words = part.split_once('>').map_or(part, |(_, words)| words);
        for word in words.split_whitespace() {
            if !text.is_empty() && text.ends_with(|c: char| c.is_ascii()) {
                text.push(' ');
                count += 1;
            }
            for c in unescape(word).chars() {
                if count == MAX_DESCRIPTION {
                    return text + "…";
                }
                text.push(c);
                count += 1;
            }
        }
    }
    text
}

fn unescape(word: &str) -> String {
    word.replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_begins_without_its_tags() {
        for (html, text) in [
            ("<h2>一、标题</h2>\n<p>正文 &amp;lt; &lt;b&gt;</p>", "一、标题正文&lt; <b>"),
            ("<p>Party school opens</p>", "Party school opens"),
            ("纯文字", "纯文字"),
            ("", ""),
            ("<p", "p"),
        ] {
            assert_eq!(beginning(html), text);
        }
        let long = beginning(&format!("<p>{}</p>", "长".repeat(500)));
        assert_eq!(long.chars().count(), MAX_DESCRIPTION + 1);
        assert!(long.ends_with('…'));
    }
}
