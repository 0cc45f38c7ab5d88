//! What articles say: text from files, or Chinese text without meaning, its words and characters as unevenly
//! frequent as in real prose, so that it compresses about as well. The same on every run.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lianbo_node::cli::usage;
use lianbo_node::content::article::{Article, TextFormat};
use lianbo_node::entry::RecordId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Bytes of a generated article's text.
const BYTES: usize = 3072;
/// Largest file of a corpus, in bytes.
const LARGEST: u64 = 512 * 1024;
/// Characters of a text that make its title.
const TITLE: usize = 24;
/// Characters in use: from the block that begins with 一.
const CHARACTERS: u32 = 3000;
const WORDS: usize = 20_000;
/// When the first was published: 2026-11-23 08:00 in Beijing. Each later one up to two minutes after it.
const PUBLISHED_MS: i64 = 1_795_392_000_000;

/// Where texts come from.
#[derive(Clone, Debug, Default)]
pub(super) enum Texts {
    /// They are made up.
    #[default]
    Generated,
    /// From files, over and over in the order of their names.
    Corpus(Arc<[String]>),
}

impl Texts {
    /// Reads every file of a folder.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot read the folder {}", folder.display());
        let mut files = std::fs::read_dir(folder)
            .and_then(|entries| {
                entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()
            })
            .with_context(cannot)?;
        files.retain(|path| path.is_file());
        files.sort();
        let texts: Vec<String> =
            files.iter().map(|path| text_in(path)).collect::<anyhow::Result<_>>()?;
        if texts.is_empty() {
            let what = format!("{} holds no file", folder.display());
            return Err(usage(what, "put UTF-8 text files there, one article each").into());
        }
        Ok(Self::Corpus(texts.into()))
    }

    /// Writer `n` of several that write `each` articles: no two begin alike.
    pub(super) fn writer(&self, n: usize, each: usize) -> Writer {
        let mut rng = StdRng::seed_from_u64(n as u64);
        let source = match self {
            Self::Generated => Source::Words(words(&mut rng)),
            Self::Corpus(texts) => Source::Texts { texts: texts.clone(), next: n * each },
        };
        Writer { rng, source, published_ms: PUBLISHED_MS }
    }
}

/// The text in a file, if an article may have it.
fn text_in(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let wrong = |what: &str| usage(format!("{name} {what}"), "take it out of the corpus");
    let size = path.metadata().with_context(|| format!("cannot read {name}"))?.len();
    if size > LARGEST {
        return Err(wrong("is larger than 512 KiB").into());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8"))?;
    let article = article(RecordId([0; 16]), title_of(&text), text, PUBLISHED_MS);
    article.check().map_err(|error| wrong(&format!("is no article: {error}")))?;
    Ok(article.text)
}

/// The first characters of the first line that says something.
fn title_of(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(TITLE).collect()
}

fn article(id: RecordId, title: String, text: String, published_ms: i64) -> Article {
    Article {
        id,
        column: "news".to_owned(),
        title,
        format: TextFormat::Markdown,
        text,
        source: "县委组织部".to_owned(),
        author: "王芳".to_owned(),
        editor: "李明".to_owned(),
        keywords: vec!["党建".to_owned(), "基层".to_owned()],
        published_ms,
        link: String::new(),
        origin: None,
        attachments: Vec::new(),
    }
}

/// Writes articles in column `news`.
#[derive(Debug)]
pub(super) struct Writer {
    rng: StdRng,
    source: Source,
    published_ms: i64,
}

#[derive(Debug)]
enum Source {
    Words(Vec<String>),
    Texts { texts: Arc<[String]>, next: usize },
}

impl Writer {
    /// The next article.
    pub(super) fn article(&mut self) -> Article {
        let text = self.text();
        self.finish(text)
    }

    /// An article with a text of so many bytes, or up to three fewer.
    pub(super) fn article_of(&mut self, bytes: usize) -> Article {
        let mut text = self.text();
        while text.len() < bytes {
            text.push_str("\n\n");
            text.push_str(&self.text());
        }
        text.truncate(text.floor_char_boundary(bytes));
        self.finish(text)
    }

    fn finish(&mut self, text: String) -> Article {
        self.published_ms += self.rng.random_range(0..120_000);
        article(RecordId(self.rng.random()), title_of(&text), text, self.published_ms)
    }

    fn text(&mut self) -> String {
        match &mut self.source {
            Source::Words(words) => generated(&mut self.rng, words),
            Source::Texts { texts, next } => {
                let text = texts[*next % texts.len()].clone();
                *next += 1;
                text
            }
        }
    }
}

fn words(rng: &mut StdRng) -> Vec<String> {
    let word = |rng: &mut StdRng| {
        let length = [1, 2, 2, 2, 2, 3, 4][rng.random_range(0..7)];
        (0..length)
            .filter_map(|_| char::from_u32(0x4e00 + rank(rng, CHARACTERS) * 6))
            .collect::<String>()
    };
    (0..WORDS).map(|_| word(rng)).collect()
}

fn generated(rng: &mut StdRng, words: &[String]) -> String {
    let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
    let mut text = String::with_capacity(BYTES + 16);
    let mut sentence = 0;
    while text.len() < BYTES {
        text.push_str(&words[rank(rng, count) as usize]);
        sentence += 1;
        if sentence > 4 && rng.random_range(0..6) == 0 {
            text.push_str(["，", "，", "。", "、", "；"][rng.random_range(0..5)]);
            sentence = 0;
        }
    }
    text.truncate(text.floor_char_boundary(BYTES));
    text
}

/// A number below `count`, small ones far more often: Zipf's law, near enough.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below `count`")]
fn rank(rng: &mut StdRng, count: u32) -> u32 {
    let uniform: f64 = rng.random();
    (f64::from(count).powf(uniform) - 1.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_articles_are_good_ones_of_3_kb_and_the_same_on_every_run() {
        let mut writer = Texts::Generated.writer(7, 10);
        let articles: Vec<_> = (0..10).map(|_| writer.article()).collect();
        for article in &articles {
            article.check().unwrap();
            assert!((BYTES - 3..=BYTES).contains(&article.text.len()), "{}", article.text.len());
        }
        let mut again = Texts::Generated.writer(7, 10);
        assert!(articles.iter().all(|article| *article == again.article()));
        assert_ne!(Texts::Generated.writer(8, 10).article().text, articles[0].text);
        let long = writer.article_of(30_000).text.len();
        assert!((29_997..=30_000).contains(&long), "{long}");
    }

    #[test]
    fn a_corpus_is_read_whole_and_its_writers_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("b.txt", "第二篇\n正文"), ("a.txt", "\n第一篇"), ("c", "第三篇")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let texts = Texts::read(folder.path()).unwrap();
        let mut second = texts.writer(1, 2);
        let titles: Vec<_> = (0..3).map(|_| second.article().title).collect();
        assert_eq!(titles, ["第三篇", "第一篇", "第二篇"]);
    }

    #[test]
    fn a_file_that_makes_no_article_is_named() {
        let large = "大".repeat(200_000);
        let wrong: [(&[u8], &str); 4] = [
            (b"\xff\xfe", "UTF-8"),
            (b" \n", "title"),
            (b"a\0b", "NUL"),
            (large.as_bytes(), "512 KiB"),
        ];
        for (bytes, why) in wrong {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("it.txt"), bytes).unwrap();
            let error = Texts::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("it.txt") && error.contains(why), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(Texts::read(folder.path()).unwrap_err().to_string().contains("no file"));
    }
}
