//! What a command answers: a table for people, or one JSON document.

use console::{Alignment, measure_text_width, pad_str, truncate_str};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{print, time};

/// Widest a cell of a table gets, in terminal columns: a title of 200 Chinese characters would hide the rest.
const WIDEST: usize = 60;

/// Where answers go, and how they look.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON document instead of text.
    pub json: bool,
}

impl Output {
    /// Prints `value` as JSON, or else the text.
    pub fn either(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let mut out = if self.json { document(value)? } else { text() };
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        Ok(print::text(&out)?)
    }

    /// Prints a list: a JSON array, or a table with one row each. An empty table says `nothing` on stderr.
    pub fn list<T: Serialize>(
        self,
        items: &[T],
        heads: &[&str],
        nothing: &str,
        row: impl Fn(&T) -> Vec<String>,
    ) -> anyhow::Result<()> {
        if items.is_empty() && !self.json {
            print::note(nothing);
            return Ok(());
        }
        self.either(&items, || table(heads, items.iter().map(row).collect()))
    }
}

/// A value as a JSON document. Beside every `…_ms` stands the same time in RFC 3339, under the name
/// without `_ms`.
fn document(value: &impl Serialize) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(value)?;
    add_times(&mut value);
    Ok(serde_json::to_string_pretty(&value)?)
}

fn add_times(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(add_times),
        Value::Object(map) => {
            map.values_mut().for_each(add_times);
            let times: Map<String, Value> = map
                .iter()
                .filter_map(|(key, value)| {
                    let shown = match value {
                        Value::Null => Value::Null,
                        other => Value::String(time::rfc3339(other.as_i64()?)),
                    };
                    Some((key.strip_suffix("_ms")?.to_owned(), shown))
                })
                .collect();
            map.extend(times);
        }
        _ => {}
    }
}

/// Columns aligned by what characters take on a terminal: a Chinese one takes two.
pub fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut lines: Vec<Vec<String>> = vec![heads.iter().map(|head| (*head).to_owned()).collect()];
    lines.extend(rows.into_iter().map(|row| {
        row.iter().map(|cell| truncate_str(&plain(cell), WIDEST, "…").into_owned()).collect()
    }));
    let widths: Vec<usize> = (0..heads.len())
        .map(|at| lines.iter().map(|line| measure_text_width(&line[at])).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<_> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| pad_str(cell, *width, Alignment::Left, None))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// `name  value` lines, aligned.
pub fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| measure_text_width(name)).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in facts {
        text.push_str(&pad_str(name, width, Alignment::Left, None));
        text.push_str("  ");
        text.push_str(&plain(value));
        text.push('\n');
    }
    text
}

/// Text of others without what could steer a terminal: control characters, and marks that turn the
/// direction of writing. Line ends and tabs stay.
pub fn plain(text: &str) -> String {
    let steers = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|c| !steers(c)).collect()
}

/// The beginning of an id: enough to find it by, as a rule.
pub fn short(id: impl std::fmt::Display) -> String {
    id.to_string().chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_and_latin_cells_line_up() {
        let text = table(
            &["id", "title", "unit"],
            vec![
                vec!["1".into(), "党建工作".into(), "a".into()],
                vec!["22".into(), "ab".into(), "b".into()],
            ],
        );
        assert_eq!(text, "id  title     unit\n1   党建工作  a\n22  ab        b\n");
        let long = table(&["title"], vec![vec!["长".repeat(200)]]);
        assert!(long.lines().all(|line| measure_text_width(line) <= WIDEST), "{long}");
    }

    #[test]
    fn json_has_every_time_twice() {
        #[derive(Serialize)]
        struct It {
            at_ms: i64,
            deadline_ms: Option<i64>,
            inner: Vec<It>,
        }
        let it = It {
            at_ms: 1_795_000_000_000,
            deadline_ms: None,
            inner: vec![It { at_ms: 0, deadline_ms: Some(1), inner: vec![] }],
        };
        let value: Value = serde_json::from_str(&document(&it).unwrap()).unwrap();
        assert_eq!(value["at_ms"], 1_795_000_000_000_i64);
        assert_eq!(value["at"], "2026-11-18T11:06:40Z");
        assert_eq!(value["deadline"], Value::Null);
        assert_eq!(value["inner"][0]["at"], "1970-01-01T00:00:00Z");
        assert_eq!(value["inner"][0]["deadline"], "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn nothing_of_others_steers_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\r\n\td\u{9b}"), "a[31mbc\n\td");
    }
}
