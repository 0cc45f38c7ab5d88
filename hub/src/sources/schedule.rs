//! How a source stands after a poll, and when it is polled next. Pure: time and randomness are arguments.

use lianbo_node::entry::Hash;
use serde::Serialize;

/// Longest wait after failures, unless the source is polled more seldom anyway.
const LONGEST_MS: i64 = 6 * 3_600_000;
/// First wait after a failure, unless the source is polled more often anyway.
const FIRST_MS: i64 = 5 * 60_000;
/// Longest wait a site may ask for.
const LONGEST_ASKED_MS: i64 = 24 * 3_600_000;
/// How long a site that sent the hub away is left in peace, at least.
const BLOCKED_MS: i64 = 6 * 3_600_000;
/// Fewer usual items than these, in thousandths, are too few to tell that some are missing.
const MIN_USUAL: i64 = 5000;

/// How a source stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Not polled yet.
    #[default]
    New,
    /// Its feed was read, and holds about what it always held.
    Good,
    /// Its feed was read and holds less than a quarter of what it usually held: was the site redesigned?
    Sparse,
    /// Its feed was read and holds nothing.
    Empty,
    /// It could not be asked, or what it answers is no feed.
    Failing,
    /// The site sends the hub away. It is not got round: ask its operator.
    Blocked,
}

impl Standing {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Good, Self::Sparse, Self::Empty, Self::Failing, Self::Blocked];

    /// Name in tables, metrics and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Good => "good",
            Self::Sparse => "sparse",
            Self::Empty => "empty",
            Self::Failing => "failing",
            Self::Blocked => "blocked",
        }
    }

    /// Whether somebody should look.
    pub const fn alarms(self) -> bool {
        !matches!(self, Self::New | Self::Good)
    }

    /// Number in the store.
    pub(super) fn number(self) -> i64 {
        Self::ALL
            .iter()
            .position(|it| *it == self)
            .and_then(|at| i64::try_from(at).ok())
            .unwrap_or(0)
    }

    /// Reads what [`Standing::number`] wrote.
    pub(super) fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|at| Self::ALL.get(at).copied())
    }
}

/// What the hub remembers of the polls of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Poll {
    /// Which address the rest is about.
    #[serde(skip)]
    pub url: String,
    /// When it is due.
    pub due_ms: i64,
    /// When it was polled last.
    pub polled_ms: Option<i64>,
    /// When that went well last.
    pub good_ms: Option<i64>,
    /// When it brought something new last.
    pub new_ms: Option<i64>,
    /// As the last good answer had it.
    #[serde(skip)]
    pub etag: Option<String>,
    /// As the last good answer had it.
    #[serde(skip)]
    pub modified: Option<String>,
    /// Hash of the last good answer.
    #[serde(skip)]
    pub body: Option<Hash>,
    /// How it stands.
    pub standing: Standing,
    /// Why the last poll failed; empty if it did not.
    pub error: String,
    /// Failures in a row.
    pub failures: i64,
    /// Items in the last good answer.
    pub items: i64,
    /// Items usually there, in thousandths.
    #[serde(skip)]
    pub usual: i64,
}

/// What a good answer carries for the next question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// `ETag`.
    pub etag: Option<String>,
    /// Last-Modified.
    pub modified: Option<String>,
    /// Hash of the body.
    pub body: Option<Hash>,
}

/// How a poll went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The feed is the one already known; with new marks if the answer had a body.
    Unchanged(Option<Marks>),
    /// The feed was read.
    Read {
        /// For the next question.
        marks: Marks,
        /// How many items it held.
        items: i64,
        /// Whether one of them was new or changed.
        news: bool,
    },
    /// It was not.
    Failed {
        /// Why.
        error: String,
        /// The site sent the hub away.
        blocked: bool,
        /// The site asked not to be asked for so long.
        retry_after_ms: Option<i64>,
    },
}

impl Poll {
    /// A source that is due at once.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// What is remembered after a poll of `url` at `now`. `random` lies in 0..=1.
    #[must_use]
    pub fn after(
        mut self,
        url: &str,
        every_ms: i64,
        outcome: &Outcome,
        now: i64,
        random: f64,
    ) -> Self {
        if self.url != url {
            self = Self::new(url);
        }
        self.polled_ms = Some(now);
        match outcome {
            Outcome::Unchanged(marks) => {
                if let Some(marks) = marks {
                    self.mark(marks);
                }
                self.good(now);
            }
            Outcome::Read { marks, items, news } => {
                self.mark(marks);
                self.items = *items;
                self.good(now);
                if *news {
                    self.new_ms = Some(now);
                }
                // What alarms does not become usual by lasting.
                if self.standing == Standing::Good {
                    let items = items.saturating_mul(1000);
                    self.usual = if self.usual == 0 { items } else { (self.usual * 4 + items) / 5 };
                }
            }
            Outcome::Failed { error, blocked, .. } => {
                self.standing = if *blocked { Standing::Blocked } else { Standing::Failing };
                self.error.clone_from(error);
                self.failures = self.failures.saturating_add(1);
            }
        }
        self.due_ms = now.saturating_add(self.wait(every_ms, outcome, random.clamp(0.0, 1.0)));
        self
    }

    fn mark(&mut self, marks: &Marks) {
        self.etag.clone_from(&marks.etag);
        self.modified.clone_from(&marks.modified);
        self.body = marks.body;
    }

    fn good(&mut self, now: i64) {
        self.good_ms = Some(now);
        self.error.clear();
        self.failures = 0;
        self.standing = if self.items == 0 {
            Standing::Empty
        } else if self.usual >= MIN_USUAL && self.items.saturating_mul(4000) < self.usual {
            Standing::Sparse
        } else {
            Standing::Good
        };
    }

    /// Milliseconds until it is due again. All waits are spread, so that sources added together do not stay so.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "days in ms")]
    fn wait(&self, every_ms: i64, outcome: &Outcome, random: f64) -> i64 {
        let spread =
            |ms: i64, from: f64, to: f64| (ms as f64 * (from + (to - from) * random)) as i64;
        match outcome {
            Outcome::Failed { blocked, retry_after_ms, .. } => {
                let doublings = u32::try_from(self.failures.clamp(1, 16) - 1).unwrap_or(0);
                let bound = FIRST_MS
                    .min(every_ms)
                    .saturating_mul(1 << doublings)
                    .min(LONGEST_MS.max(every_ms));
                let wait = if *blocked { bound.max(BLOCKED_MS) } else { bound };
                let asked = retry_after_ms.unwrap_or(0).clamp(0, LONGEST_ASKED_MS);
                spread(wait, 0.5, 1.0).max(asked + spread(FIRST_MS, 0.0, 0.1))
            }
            _ => spread(every_ms, 0.9, 1.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const URL: &str = "https://a.gov.cn/rss";

    fn read(items: i64) -> Outcome {
        Outcome::Read { marks: Marks::default(), items, news: true }
    }

    fn failed(blocked: bool, retry_after_ms: Option<i64>) -> Outcome {
        Outcome::Failed { error: "no".into(), blocked, retry_after_ms }
    }

    fn after(poll: Poll, outcome: &Outcome) -> Poll {
        poll.after(URL, HOUR, outcome, 1000, 0.5)
    }

    #[test]
    fn a_feed_that_yields_nothing_or_far_less_than_usual_alarms_until_it_recovers() {
        let mut poll = Poll::new(URL);
        for _ in 0..3 {
            poll = after(poll, &read(20));
            assert_eq!((poll.standing, poll.usual), (Standing::Good, 20_000));
        }
        for _ in 0..50 {
            poll = after(poll, &read(4));
            assert_eq!(poll.standing, Standing::Sparse);
        }
        poll = after(poll, &Outcome::Unchanged(None));
        assert_eq!(poll.standing, Standing::Sparse, "unchanged is no better");
        poll = after(poll, &read(0));
        assert_eq!(poll.standing, Standing::Empty);
        assert!(poll.standing.alarms() && poll.good_ms.is_some());
        poll = after(poll, &read(15));
        assert_eq!((poll.standing, poll.usual), (Standing::Good, 19_000));
        // A small feed may halve without anybody being told.
        let small = after(after(Poll::new(URL), &read(4)), &read(1));
        assert_eq!(small.standing, Standing::Good);
    }

    #[test]
    fn failures_wait_longer_and_longer_and_a_success_ends_that() {
        let mut poll = after(Poll::new(URL), &read(10));
        assert_eq!((poll.due_ms, poll.new_ms), (1000 + HOUR, Some(1000)));
        let mut waits = Vec::new();
        for _ in 0..20 {
            poll = after(poll, &failed(false, None));
            assert_eq!((poll.standing, poll.error.as_str()), (Standing::Failing, "no"));
            waits.push(poll.due_ms - 1000);
        }
        assert_eq!(waits[..3], [FIRST_MS * 3 / 4, FIRST_MS * 3 / 2, FIRST_MS * 3]);
        assert_eq!(waits[19], LONGEST_MS * 3 / 4);
        assert_eq!(poll.good_ms, Some(1000), "the last good time stays");
        poll = after(poll, &Outcome::Unchanged(None));
        assert_eq!((poll.standing, poll.failures, poll.error.as_str()), (Standing::Good, 0, ""));
    }

    #[test]
    fn a_site_that_asks_for_time_gets_it_within_reason() {
        let asked = |ms| after(Poll::new(URL), &failed(false, Some(ms))).due_ms - 1000;
        assert!(asked(2 * HOUR) >= 2 * HOUR);
        assert!(asked(i64::MAX) <= LONGEST_ASKED_MS + FIRST_MS);
        assert!(asked(-5) > 0);
        let blocked = after(Poll::new(URL), &failed(true, None));
        assert_eq!(blocked.standing, Standing::Blocked);
        assert!(blocked.due_ms - 1000 >= BLOCKED_MS / 2);
    }

    #[test]
    fn waits_are_spread_and_another_address_begins_anew() {
        let at = |random| Poll::new(URL).after(URL, HOUR, &read(1), 0, random).due_ms;
        assert_eq!((at(0.0), at(1.0)), (HOUR * 9 / 10, HOUR * 11 / 10));
        let mut poll = after(Poll::new(URL), &read(30));
        poll.etag = Some("x".into());
        let moved = poll.after("https://b.gov.cn/", HOUR, &failed(false, None), 5, 0.5);
        assert_eq!((moved.etag, moved.items, moved.good_ms), (None, 0, None));
    }

    #[test]
    fn standings_come_back_from_the_store() {
        for standing in Standing::ALL {
            assert_eq!(Standing::from_number(standing.number()), Some(standing));
        }
        assert_eq!(Standing::from_number(6), None);
    }
}
