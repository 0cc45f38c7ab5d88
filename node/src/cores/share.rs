//! How much work may be done for one peer: beyond its share that rests, and others have their turn (rule 9).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::ready;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep};

/// One peer may take one part in so many of the time of a core.
const PARTS: u32 = 5;
/// What it may take at once before it rests: what others wait behind it is no longer than that, as a rule.
const AT_ONCE: Duration = Duration::from_millis(1);
/// Most that one turn is charged with: a longer one waited for a core, as a rule.
const LONGEST: Duration = Duration::from_millis(5);

/// What was done for one peer lately, on all its lines together. Cheap to clone; clones share it.
///
/// A virtual scheduling clock (ITU-T I.371, Annex A): it runs ahead of the real one by what is owed.
#[derive(Clone, Debug)]
pub struct Share(Option<Arc<Mutex<Option<Instant>>>>);

impl Default for Share {
    fn default() -> Self {
        Self(Some(Arc::default()))
    }
}

impl Share {
    /// For work that is done for no peer: charged to nobody, it never rests.
    pub fn nobodys() -> Self {
        Self(None)
    }

    /// Does work for the peer: each turn of it when the peer is not beyond its share, and charges it for that. Takes the
    /// room of the work once: idle lines are many.
    pub fn charged<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let (share, mut work) = (self.clone(), Box::pin(work));
        let mut rests: Option<Pin<Box<Sleep>>> = None;
        poll_fn(move |cx| {
            let began = Instant::now();
            if rests.is_none() {
                rests = share.rest(began).map(|rest| Box::pin(sleep(rest)));
            }
            if let Some(resting) = &mut rests {
                ready!(resting.as_mut().poll(cx));
                rests = None;
            }
            let polled = work.as_mut().poll(cx);
            let now = Instant::now();
            share.charge(now - began, now);
            // Left to itself, the system lets a busy thread go on until its next tick, 4 ms as a rule.
            if share.rest(now).is_some() {
                yield_now();
            }
            polled
        })
    }

    /// How long the peer's work rests from `now` on, if at all.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        let ahead = (*self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))?;
        let rest = ahead.saturating_duration_since(now).saturating_sub(AT_ONCE * PARTS);
        (!rest.is_zero()).then_some(rest)
    }

    /// Charges a turn that took so long until `now`.
    fn charge(&self, took: Duration, now: Instant) {
        let Some(clock) = &self.0 else { return };
        let mut ahead = clock.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = Some(ahead.map_or(now, |ahead| ahead.max(now)) + took.min(LONGEST) * PARTS);
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
        assert!(worked >= most && worked < most + 2 * AT_ONCE, "{worked:?} of {most:?}");
    }

    #[test]
    fn lines_of_one_peer_share_and_a_long_wait_costs_no_more_than_a_turn_may() {
        let (share, now) = (Share::default(), Instant::now());
        let rest_after = |took, now| {
            share.clone().charge(took, now);
            share.rest(now)
        };
        assert_eq!(rest_after(AT_ONCE, now), None);
        assert_eq!(rest_after(MS, now), Some(PARTS * MS));
        assert_eq!(rest_after(MS, now), Some(2 * PARTS * MS));
        let later = now + Duration::from_hours(1);
        assert_eq!(
            rest_after(Duration::from_mins(1), later),
            LONGEST.checked_sub(AT_ONCE).map(|rest| PARTS * rest)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_charged_the_time_between_them_is_not_and_the_next_one_waits_for_its_time() {
        let share = Share::default();
        share.charged(sleep(30 * MS)).await;
        assert_eq!(share.rest(Instant::now()), None);
        let busy = || {
            let began = Instant::now();
            while began.elapsed() < LONGEST {}
        };
        share.charged(async { busy() }).await;
        assert!(share.rest(Instant::now()).is_some());
        // Time stands still here unless somebody waits for it.
        let (before, rest) = (tokio::time::Instant::now(), share.rest(Instant::now()).unwrap());
        share.charged(async {}).await;
        assert!(before.elapsed() + LONGEST >= rest, "{rest:?}");
        let nobodys = Share::nobodys();
        nobodys.charged(async { busy() }).await;
        assert_eq!(nobodys.rest(Instant::now()), None);
    }
}
