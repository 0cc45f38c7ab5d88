//! When to try again: exponential backoff with full jitter, and the server's word over it.

use std::time::Duration;

/// Shortest upper bound of a wait.
const FIRST: Duration = Duration::from_millis(500);
/// Longest upper bound of a wait.
const LONGEST: Duration = Duration::from_mins(1);
/// Longest wait a server may ask for; a hostile one shall not silence a node for long.
const LONGEST_ASKED: Duration = Duration::from_mins(15);

/// Counts failures in a row. Never gives up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Things went well: the next failure is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after one more failure. `random` lies in 0..=1. A server's retry-after is a
    /// lower bound; the jitter comes on top, so that a hub's nodes do not all come back at once.
    pub fn next(&mut self, random: f64, retry_after: Option<Duration>) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let jitter = bound.mul_f64(random.clamp(0.0, 1.0));
        retry_after.unwrap_or_default().min(LONGEST_ASKED) + jitter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.next(1.0, None).as_millis()).collect();
        assert_eq!(waits[..4], [500, 1000, 2000, 4000]);
        assert_eq!(waits[9], 60_000);
        backoff.reset();
        assert_eq!(backoff.next(1.0, None), FIRST);
    }

    #[test]
    fn jitter_is_full_and_a_server_is_heard_within_reason() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(0.0, None), Duration::ZERO);
        let asked = Duration::from_secs(30);
        assert!(backoff.next(0.5, Some(asked)) >= asked);
        assert!(backoff.next(0.0, Some(Duration::from_secs(1 << 30))) <= LONGEST_ASKED);
    }
}
