//! What becomes of polls that have come in: which articles are written, what is remembered. Pure.

use std::collections::{BTreeSet, HashMap};

use lianbo_node::content::Record;
use lianbo_node::content::article::Told;
use lianbo_node::entry::{Hash, RecordId};
use lianbo_node::ingest::Draft;
use lianbo_node::scope::Audience;
use serde::Serialize;

use super::candidate::Candidate;
use super::schedule::{Marks, Outcome, Poll, Standing};
use super::state::{Seen, Watched};

/// One source's answer on its way to the store.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) watched: Watched,
    pub(super) answer: Answer,
    /// Lies in 0..=1; spreads the next poll.
    pub(super) random: f64,
}

/// What a source answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Nothing new.
    Unchanged(Option<Marks>),
    /// Its items.
    Read { marks: Marks, candidates: Vec<Candidate>, skipped: usize },
    /// No feed.
    Failed { error: String, blocked: bool, retry_after_ms: Option<i64> },
}

/// How one source's poll went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Polled {
    /// Which source.
    pub source: String,
    /// How it stands now.
    pub standing: Standing,
    /// The site said that nothing changed, or sent what it sent before.
    pub unchanged: bool,
    /// Items in its feed that can be articles.
    pub items: usize,
    /// Articles written for the first time.
    pub new: usize,
    /// Articles revised.
    pub changed: usize,
    /// Items whose article was withdrawn here: they stay withdrawn.
    pub withdrawn: usize,
    /// Items that cannot be articles.
    pub skipped: usize,
    /// Why it failed; empty if it did not.
    pub error: String,
}

/// What the store knows of the items that came.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Columns that are there and open.
    pub(super) open: BTreeSet<String>,
    /// What their sources said of them last.
    pub(super) seen: HashMap<RecordId, Hash>,
    /// What was told of those that are new or changed.
    pub(super) told: HashMap<RecordId, Told>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) drafts: Vec<Draft>,
    pub(super) seen: Vec<Seen>,
    pub(super) polls: Vec<(String, Poll)>,
    pub(super) polled: Vec<Polled>,
}

/// Decides for all of `batch`, polled at `now`.
pub(super) fn decide(batch: &[Taken], known: &Known, now: i64) -> Decided {
    let mut decided = Decided::default();
    for taken in batch {
        decided.take(taken, known, now);
    }
    decided
}

impl Decided {
    fn take(&mut self, taken: &Taken, known: &Known, now: i64) {
        let source = &taken.watched.source;
        let mut polled = Polled { source: source.source.clone(), ..Polled::default() };
        let outcome = match &taken.answer {
            Answer::Unchanged(marks) => {
                polled.unchanged = true;
                polled.items = usize::try_from(taken.watched.poll.items).unwrap_or(0);
                Outcome::Unchanged(marks.clone())
            }
            Answer::Failed { error, blocked, retry_after_ms } => Outcome::Failed {
                error: error.clone(),
                blocked: *blocked,
                retry_after_ms: *retry_after_ms,
            },
            Answer::Read { candidates, .. }
                if !candidates.is_empty() && !known.open.contains(&source.column) =>
            {
                Outcome::Failed {
                    error: format!("this hub has no open column {}", source.column),
                    blocked: false,
                    retry_after_ms: None,
                }
            }
            Answer::Read { marks, candidates, skipped } => {
                polled.skipped = *skipped;
                polled.items = candidates.len();
                for candidate in candidates {
                    self.weigh(candidate, taken, known, &mut polled);
                }
                Outcome::Read {
                    marks: marks.clone(),
                    items: i64::try_from(candidates.len()).unwrap_or(i64::MAX),
                    news: polled.new + polled.changed > 0,
                }
            }
        };
        let poll = taken.watched.poll.clone();
        let poll = poll.after(&source.url, source.every_ms, &outcome, now, taken.random);
        polled.standing = poll.standing;
        polled.error.clone_from(&poll.error);
        self.polls.push((source.source.clone(), poll));
        self.polled.push(polled);
    }

    /// One item: new, changed, or neither.
    fn weigh(&mut self, candidate: &Candidate, taken: &Taken, known: &Known, polled: &mut Polled) {
        let id = candidate.article.id;
        let seen = known.seen.get(&id);
        if seen == Some(&candidate.content) {
            return;
        }
        let source = &taken.watched.source;
        self.seen.push(Seen {
            source: source.source.clone(),
            article: id,
            content: candidate.content,
        });
        let told = known.told.get(&id);
        if told.is_some_and(|told| told.withdrawn) {
            polled.withdrawn += 1;
            return;
        }
        let revisions = told.map_or(&[][..], |told| &told.revisions);
        // What its source said last is not remembered: if any revision says the same, a desk may have gone on from there.
        if seen.is_none() && revisions.iter().any(|revision| candidate.is(revision)) {
            return;
        }
        let mut article = candidate.article.clone();
        match revisions.first() {
            None => polled.new += 1,
            Some(first) => {
                polled.changed += 1;
                if candidate.undated {
                    article.published_ms = first.published_ms;
                }
            }
        }
        self.drafts.push(Draft::new(Audience::all(source.scope), Record::Article(article)));
    }
}

#[cfg(test)]
mod tests {
    use lianbo_node::content::article::{Article, TextFormat};
    use lianbo_node::scope::Scope;

    use super::*;
    use crate::sources::source::Source;

    const NOW: i64 = 1000;

    fn candidate(id: u8, title: &str) -> Candidate {
        let article = Article {
            id: RecordId([id; 16]),
            column: "news".into(),
            title: title.into(),
            format: TextFormat::Html,
            text: "<p>文</p>".into(),
            source: "省".into(),
            author: String::new(),
            editor: String::new(),
            keywords: Vec::new(),
            published_ms: NOW,
            link: String::new(),
            origin: None,
            attachments: Vec::new(),
        };
        Candidate { article, undated: true, content: Hash::of(title.as_bytes()) }
    }

    fn taken(answer: Answer) -> Taken {
        let source = Source {
            source: "province".into(),
            name: "省".into(),
            url: "https://a.gov.cn/".into(),
            column: "news".into(),
            scope: Scope::Internal,
            every_ms: 3_600_000,
            paused: false,
            created_ms: 0,
        };
        let poll = Poll::new(&source.url);
        Taken { watched: Watched { source, poll }, answer, random: 0.5 }
    }

    fn read(candidates: Vec<Candidate>) -> Taken {
        taken(Answer::Read { marks: Marks::default(), candidates, skipped: 1 })
    }

    fn known() -> Known {
        Known { open: BTreeSet::from(["news".into()]), ..Known::default() }
    }

    fn told(titles: &[(&str, i64)], withdrawn: bool) -> Told {
        let revision = |(title, at): &(&str, i64)| Article {
            published_ms: *at,
            ..candidate(1, title).article
        };
        Told { revisions: titles.iter().map(revision).collect(), withdrawn }
    }

    fn counts(decided: &Decided) -> (usize, usize, usize, usize) {
        let it = &decided.polled[0];
        (it.new, it.changed, it.withdrawn, decided.drafts.len())
    }

    #[test]
    fn what_is_new_is_written_and_what_its_source_said_before_is_not() {
        let batch = [read(vec![candidate(1, "甲"), candidate(2, "乙")])];
        let decided = decide(&batch, &known(), NOW);
        assert_eq!(counts(&decided), (2, 0, 0, 2));
        assert_eq!(decided.drafts[0].audience, Audience::all(Scope::Internal));
        assert_eq!((decided.seen.len(), decided.polled[0].skipped), (2, 1));
        assert_eq!(decided.polls[0].1.new_ms, Some(NOW));

        let mut again = known();
        again.seen = decided.seen.iter().map(|it| (it.article, it.content)).collect();
        let decided = decide(&batch, &again, NOW);
        assert_eq!((counts(&decided), decided.seen.len()), ((0, 0, 0, 0), 0));
        assert_eq!(decided.polls[0].1.new_ms, None);
    }

    #[test]
    fn a_changed_item_is_a_revision_and_keeps_the_date_of_the_first() {
        let mut known = known();
        known.seen.insert(RecordId([1; 16]), Hash::of("甲".as_bytes()));
        known.told.insert(RecordId([1; 16]), told(&[("甲", 5), ("甲甲", 6)], false));
        let decided = decide(&[read(vec![candidate(1, "乙")])], &known, NOW);
        assert_eq!(counts(&decided), (0, 1, 0, 1));
        let Record::Article(article) = &decided.drafts[0].record else { panic!("an article") };
        assert_eq!((article.title.as_str(), article.published_ms), ("乙", 5));
        // Back to what it once said, it says so again.
        let decided = decide(&[read(vec![candidate(1, "甲甲")])], &known, NOW);
        assert_eq!(counts(&decided), (0, 1, 0, 1));
    }

    #[test]
    fn what_was_forgotten_is_found_in_the_journal_and_a_desks_own_revision_stands() {
        let mut known = known();
        known.told.insert(RecordId([1; 16]), told(&[("甲", 5), ("甲，改", 6)], false));
        let decided = decide(&[read(vec![candidate(1, "甲")])], &known, NOW);
        assert_eq!((counts(&decided), decided.seen.len()), ((0, 0, 0, 0), 1));
        let decided = decide(&[read(vec![candidate(1, "乙")])], &known, NOW);
        assert_eq!(counts(&decided), (0, 1, 0, 1));
    }

    #[test]
    fn what_was_withdrawn_stays_withdrawn() {
        let mut known = known();
        known.told.insert(RecordId([1; 16]), told(&[], true));
        let decided = decide(&[read(vec![candidate(1, "甲")])], &known, NOW);
        assert_eq!((counts(&decided), decided.seen.len()), ((0, 0, 1, 0), 1));
    }

    #[test]
    fn a_closed_column_fails_its_sources_alone_and_keeps_their_marks() {
        let mut other = read(vec![candidate(2, "乙")]);
        other.watched.source.column = "old".into();
        other.watched.poll.etag = Some("x".into());
        let decided = decide(&[read(vec![candidate(1, "甲")]), other], &known(), NOW);
        assert_eq!((decided.drafts.len(), decided.seen.len()), (1, 1));
        assert_eq!(decided.polled[1].standing, Standing::Failing);
        assert!(decided.polled[1].error.contains("old"));
        assert_eq!(decided.polls[1].1.etag.as_deref(), Some("x"), "it is asked for again");
    }
}
