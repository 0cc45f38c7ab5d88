//! When work begins that can wait: not amid what is done for others. A call is many short turns with short pauses between
//! them, in which other threads write; whoever begins something in one of these is in the way of all that follow, although
//! it has but what they leave of the cores.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// So long after the last turn of others nothing of theirs is under way.
const GAP: Duration = Duration::from_millis(2);
/// Who waited so long goes on anyway: others may never pause.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// When the last turn of others ended, in microseconds since then.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A turn for others ended.
pub(super) fn turn_ended(now: Instant) {
    let at = now.saturating_duration_since(*BEGAN).as_micros();
    LAST.fetch_max(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// How long it is until a lull, if no more comes.
pub(super) fn until(now: Instant) -> Duration {
    let last = *BEGAN + Duration::from_micros(LAST.load(Ordering::Relaxed));
    (last + GAP).saturating_duration_since(now)
}

/// Waits for a lull, with patience.
pub(super) async fn comes() {
    let began = Instant::now();
    loop {
        let now = Instant::now();
        let wait = until(now).min((began + PATIENCE).saturating_duration_since(now));
        if wait.is_zero() {
            return;
        }
        sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn amid_others_it_is_waited_for_no_longer_than_patience_lasts() {
        let began = Instant::now();
        turn_ended(began + 10 * PATIENCE);
        comes().await;
        assert!(began.elapsed() >= PATIENCE, "{:?}", began.elapsed());
        assert!(!until(began).is_zero());
    }

    #[test]
    fn a_lull_is_some_time_after_the_last_turn_of_others() {
        let now = Instant::now() + GAP;
        turn_ended(now);
        assert!(!until(now).is_zero() && until(now + 100 * PATIENCE).is_zero());
    }
}
