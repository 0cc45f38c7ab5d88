//! How much work one peer may make: beyond its share its lines rest, and others have their turn (rule 9).

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// All lines of one peer may take one part in so many of the time of a core.
const PARTS: u32 = 5;
/// What they may take at once before they rest.
const AT_ONCE: Duration = Duration::from_millis(5);
/// Most that one turn is charged with: a longer one waited for a core, as a rule.
const LONGEST: Duration = Duration::from_millis(5);

/// What one peer took lately, on all its lines together. Cheap to clone; clones share it.
///
/// A virtual scheduling clock (ITU-T I.371, Annex A): it runs ahead of the real one by what is owed.
#[derive(Clone, Debug, Default)]
pub struct Share(Arc<Mutex<Option<Instant>>>);

impl Share {
    /// Does work for the peer, and charges it for every turn of that. Takes the room of the work once: idle lines are many.
    pub fn charged<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let (share, mut work) = (self.clone(), Box::pin(work));
        poll_fn(move |cx| {
            let began = Instant::now();
            let polled = work.as_mut().poll(cx);
            let now = Instant::now();
            share.charge(now - began, now);
            polled
        })
    }

    /// How long the peer's lines rest from `now` on, if at all.
    pub(super) fn rest(&self, now: Instant) -> Option<Duration> {
        let until = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let rest = until.saturating_duration_since(now).saturating_sub(AT_ONCE * PARTS);
        (!rest.is_zero()).then_some(rest)
    }

    /// Charges a turn that took so long until `now`.
    fn charge(&self, took: Duration, now: Instant) {
        let mut owed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *owed = Some(owed.map_or(now, |until| until.max(now)) + took.min(LONGEST) * PARTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn who_makes_little_work_never_rests_and_who_makes_it_without_end_has_its_share() {
        let (share, mut now) = (Share::default(), Instant::now());
        for _ in 0..1_000 {
            now += PARTS * MS;
            share.charge(MS, now);
            assert_eq!(share.rest(now), None);
        }
        let (began, mut worked) = (now, Duration::ZERO);
        while now < began + 1_000 * MS {
            now += MS;
            worked += MS;
            share.charge(MS, now);
            now += share.rest(now).unwrap_or_default();
        }
        let most = (now - began) / PARTS;
        assert!(worked > most && worked < most + 2 * AT_ONCE, "{worked:?} of {most:?}");
    }

    #[test]
    fn lines_of_one_peer_share_and_a_long_wait_costs_no_more_than_a_turn_may() {
        let (share, now) = (Share::default(), Instant::now());
        let rest_after = |took, now| {
            share.clone().charge(took, now);
            share.rest(now)
        };
        assert_eq!(rest_after(AT_ONCE, now), None);
        assert_eq!(rest_after(MS, now), Some(MS * PARTS));
        assert_eq!(rest_after(MS, now), Some(2 * MS * PARTS));
        let later = now + Duration::from_hours(1);
        assert_eq!(rest_after(Duration::from_mins(1), later), None);
        assert_eq!(rest_after(MS, later), Some(MS * PARTS));
    }

    #[tokio::test]
    async fn turns_are_charged_and_the_time_between_them_is_not() {
        let share = Share::default();
        share.charged(tokio::time::sleep(30 * MS)).await;
        assert_eq!(share.rest(Instant::now()), None);
        for _ in 0..3 {
            let began = Instant::now();
            share.charged(async { while began.elapsed() < LONGEST {} }).await;
        }
        assert!(share.rest(Instant::now()).is_some());
    }
}
