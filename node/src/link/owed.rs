//! Acknowledgements that wait for company: one says that everything before it is durable too, so a line carries
//! one for all that came within a moment.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use lianbo_proto::v1;
use rand::RngExt as _;
use tokio::time::{Instant, sleep_until};

/// How long an acknowledgement waits for others to come, at least and at most.
const WAIT: Range<Duration> = Duration::from_millis(500)..Duration::from_millis(1500);

/// How long the next acknowledgement waits for others to come. Each time another while, or a thousand nodes that get the
/// same at once would all answer at once, and who gets something next would wait for it.
pub fn ack_after() -> Duration {
    rand::rng().random_range(WAIT)
}

/// What is durable here and not acknowledged yet.
#[derive(Debug)]
pub(super) struct Owed {
    /// Bytes that do not wait: the hub stops sending at four times as many.
    most: usize,
    bytes: usize,
    ack: Option<(Instant, v1::LaneCursor)>,
}

impl Owed {
    /// Nothing owed yet; the hub stops sending when `window` bytes are not acknowledged.
    pub(super) fn new(window: usize) -> Self {
        Self { most: window / 4, bytes: 0, ack: None }
    }

    /// A batch is durable here. One without a cursor is acknowledged by a later one.
    pub(super) fn add(&mut self, lane: i32, frame: &Bytes, cursor: Bytes) {
        self.bytes += frame.len() + cursor.len();
        if cursor.is_empty() {
            return;
        }
        let due = match &self.ack {
            _ if self.bytes >= self.most => Instant::now(),
            Some((due, _)) => *due,
            None => Instant::now() + ack_after(),
        };
        self.ack = Some((due, v1::LaneCursor { lane, cursor }));
    }

    /// The acknowledgement, once it is due; for ever without one. May be dropped while it waits.
    pub(super) async fn due(&mut self) -> v1::LaneCursor {
        if let Some((due, _)) = &self.ack {
            sleep_until(*due).await;
        }
        match self.ack.take() {
            Some((_, cursor)) => {
                self.bytes = 0;
                cursor
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next(owed: &mut Owed) -> (Duration, Bytes) {
        let began = Instant::now();
        let cursor = owed.due().await.cursor;
        (began.elapsed(), cursor)
    }

    fn batch(owed: &mut Owed, bytes: usize, cursor: &'static str) {
        owed.add(2, &vec![0; bytes].into(), Bytes::from_static(cursor.as_bytes()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_within_a_moment_is_acknowledged_once_by_the_last_and_no_later_than_the_first()
     {
        let mut owed = Owed::new(4096);
        batch(&mut owed, 10, "a");
        tokio::time::advance(WAIT.end).await;
        batch(&mut owed, 10, "b");
        let (waited, cursor) = next(&mut owed).await;
        assert_eq!(cursor, "b");
        assert_eq!(waited, Duration::ZERO);
        let nothing = tokio::time::timeout(Duration::from_hours(1), owed.due()).await;
        assert!(nothing.is_err(), "all is acknowledged");
    }

    #[test]
    fn many_who_get_the_same_at_once_do_not_answer_at_once() {
        let waits: Vec<_> = (0..1_000).map(|_| ack_after()).collect();
        assert!(waits.iter().all(|it| WAIT.contains(it)));
        let early = waits.iter().filter(|it| **it < (WAIT.start + WAIT.end) / 2).count();
        assert!((400..600).contains(&early), "{early}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quarter_of_the_window_does_not_wait() {
        let mut owed = Owed::new(4096);
        // Sent ahead of a catch-up: no cursor, but it fills the window.
        batch(&mut owed, 1000, "");
        assert!(tokio::time::timeout(WAIT.end * 2, owed.due()).await.is_err());
        batch(&mut owed, 30, "a");
        assert_eq!(next(&mut owed).await, (Duration::ZERO, "a".into()));
        batch(&mut owed, 30, "b");
        let (waited, _) = next(&mut owed).await;
        assert!(waited >= WAIT.start, "{waited:?}");
        let mut none = Owed::new(0);
        batch(&mut none, 1, "a");
        assert_eq!(next(&mut none).await.0, Duration::ZERO);
    }
}
