//! 采集源: a site whose feed the hub reads, as its operator describes it.

use lianbo_node::content::site::check_code;
use lianbo_node::scope::Scope;
use serde::Serialize;
use url::Url;

/// Shortest time between two polls of a source: five minutes is often for a site of news.
pub const MIN_EVERY_MS: i64 = 5 * 60_000;
/// Longest.
pub const MAX_EVERY_MS: i64 = 7 * 24 * 3_600_000;

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Short name in commands. Articles are named after it: the same source under the same name brings the same
    /// articles, even if everything about it was forgotten in between.
    pub source: String,
    /// 来源, as articles show it.
    pub name: String,
    /// Address of the feed.
    pub url: String,
    /// Slug of the hub's own column that its articles stand in.
    pub column: String,
    /// How far its articles travel.
    pub scope: Scope,
    /// Milliseconds between polls, give or take a tenth.
    #[serde(rename = "every_minutes", serialize_with = "minutes")]
    pub every_ms: i64,
    /// Is not polled.
    pub paused: bool,
    /// When it was added.
    pub created_ms: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
fn minutes<S: serde::Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(ms / 60_000)
}

/// Why there cannot be such a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSource(pub &'static str);

impl Source {
    /// Checks every field.
    pub fn check(&self) -> Result<(), BadSource> {
        check_code(&self.source).map_err(|bad| BadSource(bad.0))?;
        check_code(&self.column).map_err(|bad| BadSource(bad.0))?;
        let line = self.name.trim();
        if line.is_empty() || line.chars().count() > 100 || line.chars().any(char::is_control) {
            return Err(BadSource("the name of a source has 1 to 100 characters, on one line"));
        }
        check_url(&self.url)?;
        if self.scope == Scope::Public {
            return Err(BadSource(
                "what a hub gathers does not go to the internet by itself: two persons release it",
            ));
        }
        if !(MIN_EVERY_MS..=MAX_EVERY_MS).contains(&self.every_ms) {
            return Err(BadSource("a source is polled every 5 minutes to 7 days"));
        }
        Ok(())
    }
}

/// Checks the address of a feed: it must not hold a password, for it is shown.
fn check_url(url: &str) -> Result<Url, BadSource> {
    const COMPLAINT: BadSource = BadSource(
        "a source is an http or https address of at most 2000 bytes, without a name or password",
    );
    let url = Url::parse(url).ok().filter(|_| url.len() <= 2000).ok_or(COMPLAINT)?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    if plain { Ok(url) } else { Err(COMPLAINT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source {
            source: "province".into(),
            name: "省委组织部".into(),
            url: "https://a.gov.cn/rss.xml?x=1".into(),
            column: "news".into(),
            scope: Scope::Organization,
            every_ms: 1_800_000,
            paused: false,
            created_ms: 0,
        }
    }

    #[test]
    fn a_source_is_checked_field_by_field() {
        assert_eq!(source().check(), Ok(()));
        let wrong: [fn(&mut Source); 12] = [
            |it| it.source = "省".into(),
            |it| it.column = String::new(),
            |it| it.name = " ".into(),
            |it| it.name = "长".repeat(101),
            |it| it.name = "甲\n乙".into(),
            |it| it.url = "ftp://a.gov.cn/".into(),
            |it| it.url = "file:///etc/passwd".into(),
            |it| it.url = "https://user:secret@a.gov.cn/".into(),
            |it| it.url = format!("https://a.gov.cn/{}", "a".repeat(2000)),
            |it| it.scope = Scope::Public,
            |it| it.every_ms = 1000,
            |it| it.every_ms = i64::MAX,
        ];
        for (index, spoil) in wrong.into_iter().enumerate() {
            let mut source = source();
            spoil(&mut source);
            let error = source.check().expect_err(&index.to_string()).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
