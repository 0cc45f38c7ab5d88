//! The page tags of government sites (国办发〔2017〕47号): what machines read of a page.

use super::page::Frame;
use super::plain_text;

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

/// The beginning of a text, from its clean HTML.
pub(super) fn beginning(html: &str) -> String {
    let text = plain_text(html).split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MAX_DESCRIPTION) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_begins_without_its_tags_on_one_line() {
        let html = "<h2>一、标题</h2>\n<p>正文 &lt;b&gt;</p>";
        assert_eq!(beginning(html), "一、标题 正文 <b>");
        assert_eq!(beginning(""), "");
        let long = beginning(&format!("<p>{}</p>", "长".repeat(500)));
        assert_eq!(long.chars().count(), MAX_DESCRIPTION + 1);
        assert!(long.ends_with('…'));
    }
}
