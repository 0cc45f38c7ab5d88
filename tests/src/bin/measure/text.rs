//! Chinese text without meaning: words and characters as unevenly frequent as in real prose, so that it compresses
//! about as well. The same on every run.

use lianbo_node::content::Record;
use lianbo_node::content::article::{Article, TextFormat};
use lianbo_node::entry::RecordId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Bytes of an article's text.
const BYTES: usize = 3072;
/// Characters in use: from the block that begins with 一.
const CHARACTERS: u32 = 3000;
const WORDS: usize = 20_000;
/// When the first was published: 2026-11-23 08:00 in Beijing. Each later one a minute after the one before.
const PUBLISHED_MS: i64 = 1_795_392_000_000;

/// Writes articles.
#[derive(Debug)]
pub(crate) struct Writer {
    rng: StdRng,
    words: Vec<String>,
    published_ms: i64,
}

impl Writer {
    /// Begins anew.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let words = (0..WORDS)
            .map(|_| {
                let length = [1, 2, 2, 2, 2, 3, 4][rng.random_range(0..7)];
                (0..length)
                    .filter_map(|_| char::from_u32(0x4e00 + rank(&mut rng, CHARACTERS) * 6))
                    .collect()
            })
            .collect();
        Self { rng, words, published_ms: PUBLISHED_MS }
    }

    fn text(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 16);
        let mut sentence = 0;
        while text.len() < bytes {
            let word = rank(&mut self.rng, u32::try_from(WORDS).unwrap_or(u32::MAX));
            text.push_str(&self.words[word as usize]);
            sentence += 1;
            if sentence > 4 && self.rng.random_range(0..6) == 0 {
                text.push_str(["，", "，", "。", "、", "；"][self.rng.random_range(0..5)]);
                sentence = 0;
            }
        }
        let end = text.floor_char_boundary(bytes);
        text.truncate(end);
        text
    }

    /// The next article, in column `news`.
    pub(crate) fn article(&mut self) -> Record {
        let text = self.text(BYTES);
        self.published_ms += self.rng.random_range(0..120_000);
        Record::Article(Article {
            id: RecordId(self.rng.random()),
            column: "news".to_owned(),
            title: self.text(60),
            format: TextFormat::Markdown,
            text,
            source: "县委组织部".to_owned(),
            author: self.text(9),
            editor: self.text(9),
            keywords: vec![self.text(6), self.text(6)],
            published_ms: self.published_ms,
            link: String::new(),
            origin: None,
            attachments: Vec::new(),
        })
    }
}

/// A number below `count`, small ones far more often: Zipf's law, near enough.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below `count`")]
fn rank(rng: &mut StdRng, count: u32) -> u32 {
    let uniform: f64 = rng.random();
    (f64::from(count).powf(uniform) - 1.0) as u32
}
