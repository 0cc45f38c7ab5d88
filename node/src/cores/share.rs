//! How much work may be done for one peer: beyond its share that waits, and others have their turn (rule 9).

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::{lull, spare};

/// One peer may take one part in so many of the time of a core.
const PARTS: u32 = 5;
/// What it may take at once before it rests.
const AT_ONCE: Duration = Duration::from_millis(5);
/// How long it owes nothing before its work is done among that of others again: who had to rest is likely to come back with
/// as much, and even the first turn may be a long one.
const QUIET: Duration = Duration::from_secs(1);
/// Most that one turn is charged with: a longer one waited for a core, as a rule.
const LONGEST: Duration = Duration::from_millis(5);

/// What was done for one peer lately, on all its lines together. Cheap to clone; clones share it.
///
/// A virtual scheduling clock (ITU-T I.371, Annex A): it runs ahead of the real one by what is owed.
#[derive(Clone, Debug)]
pub struct Share(Option<Arc<Mutex<Clock>>>);

/// The peer's clock; `None` is long ago.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// What it shows.
    ahead: Option<Instant>,
    /// Until when its work is done apart from that of others.
    apart: Option<Instant>,
}

impl Default for Share {
    fn default() -> Self {
        Self(Some(Arc::default()))
    }
}

impl Share {
    /// For work that is done for no peer: charged to nobody, it never waits.
    pub fn nobodys() -> Self {
        Self(None)
    }

    /// Does work for the peer, and charges it for every turn: among that of others while it takes no more than its share,
    /// else apart, with what they leave of the cores, and no more than its share of that, until it is quiet. What the work
    /// starts is begun among others always. Takes the room of the work once: idle lines are many.
    pub fn charged<F>(&self, work: F) -> impl Future<Output = F::Output> + use<F>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (share, mut work) = (self.clone(), Box::pin(work));
        async move {
            loop {
                if let Some(done) = share.turns(work.as_mut(), None, Self::apart).await {
                    return done;
                }
                let apart = share.clone().done_apart(work, Handle::current());
                let done;
                (work, done) = match spare::for_peers() {
                    None => apart.await,
                    Some(spare) => finished(spare.spawn(apart)).await,
                };
                if let Some(done) = done {
                    return done;
                }
            }
        }
    }

    /// Does one long turn of work for the peer, on a thread where it may block and with what others leave of the cores;
    /// charges it.
    pub(super) async fn long_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let share = self.clone();
        let charged = move || {
            let began = Instant::now();
            let done = work();
            let now = Instant::now();
            share.charge(now - began, now);
            done
        };
        if self.apart(Instant::now()) {
            lull::comes().await;
        }
        let spare = self.0.as_ref().and_then(|_| spare::for_peers());
        let begun = match spare {
            Some(spare) => spare.spawn_blocking(charged),
            None => spawn_blocking(charged),
        };
        finished(begun).await
    }

    /// Work that others need not wait for, until it is done or belongs among theirs again.
    async fn done_apart<F: Future>(
        self,
        mut work: Pin<Box<F>>,
        home: Handle,
    ) -> (Pin<Box<F>>, Option<F::Output>) {
        loop {
            if let Some(rest) = self.rest(Instant::now()) {
                sleep(rest).await;
            }
            lull::comes().await;
            // The first turn is taken, whatever others do meanwhile.
            let mut first = true;
            let over = |share: &Self, now| {
                let amid = !std::mem::take(&mut first) && !lull::until(now).is_zero();
                amid || !share.apart(now) || share.rest(now).is_some()
            };
            let done = self.turns(work.as_mut(), Some(&home), over).await;
            if done.is_some() || !self.apart(Instant::now()) {
                return (work, done);
            }
        }
    }

    /// Turns of the work until it is done or `over` says so before one; what it starts is begun at `home`.
    async fn turns<F: Future>(
        &self,
        mut work: Pin<&mut F>,
        home: Option<&Handle>,
        mut over: impl FnMut(&Self, Instant) -> bool,
    ) -> Option<F::Output> {
        poll_fn(|cx| {
            let began = Instant::now();
            if over(self, began) {
                return Poll::Ready(None);
            }
            let home = home.map(Handle::enter);
            let polled = work.as_mut().poll(cx);
            let now = Instant::now();
            self.charge(now - began, now);
            if home.is_some() {
                spare::give_way();
            } else {
                lull::turn_ended(now);
            }
            polled.map(Some)
        })
        .await
    }

    /// How long the peer's work rests from `now` on, if at all.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        let rest = self.owed(now).saturating_sub(AT_ONCE * PARTS);
        (!rest.is_zero()).then_some(rest)
    }

    /// Whether the peer's work is not to be done among that of others.
    pub(crate) fn apart(&self, now: Instant) -> bool {
        self.clock().apart.is_some_and(|until| now < until)
    }

    /// Whether the peer's work would be done otherwise if it were not known what was done for it.
    pub(crate) fn owes(&self, now: Instant) -> bool {
        self.apart(now) || !self.owed(now).is_zero()
    }

    /// How far the clock of the peer runs ahead.
    fn owed(&self, now: Instant) -> Duration {
        self.clock().ahead.map_or(Duration::ZERO, |ahead| ahead.saturating_duration_since(now))
    }

    fn clock(&self) -> Clock {
        let Some(clock) = &self.0 else { return Clock::default() };
        *clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges a turn that took so long until `now`.
    pub(crate) fn charge(&self, took: Duration, now: Instant) {
        let Some(clock) = &self.0 else { return };
        let mut clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = clock.ahead.map_or(now, |ahead| ahead.max(now)) + took.min(LONGEST) * PARTS;
        clock.ahead = Some(ahead);
        if ahead - now > AT_ONCE * PARTS {
            clock.apart = Some(ahead + QUIET);
        }
    }
}

/// What a task gave, panics included. It ends where nobody waits for it any more.
async fn finished<T>(task: JoinHandle<T>) -> T {
    match AbortOnDropHandle::new(task).await {
        Ok(done) => done,
        Err(failed) => resume_unwind(failed.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::oneshot::error::TryRecvError;
    use tokio::sync::{Notify, oneshot};
    use tokio::task::yield_now;
    use tokio_util::task::TaskTracker;

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
        assert_eq!(rest_after(MS, now), Some(PARTS * MS));
        assert_eq!(rest_after(MS, now), Some(2 * PARTS * MS));
        let later = now + Duration::from_hours(1);
        assert_eq!(rest_after(Duration::from_mins(1), later), None);
        assert_eq!(share.owed(later), PARTS * LONGEST);
    }

    #[test]
    fn who_had_to_rest_is_apart_until_it_is_quiet() {
        let (share, now) = (Share::default(), Instant::now());
        share.charge(AT_ONCE, now);
        assert!(!share.apart(now));
        share.charge(AT_ONCE, now);
        let even = now + 2 * PARTS * AT_ONCE;
        assert_eq!(share.owed(even), Duration::ZERO);
        assert!(share.apart(now) && share.apart(even + QUIET.saturating_sub(MS)));
        assert!(!share.apart(even + QUIET));
    }

    /// On which thread the turns of some work were taken.
    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    fn busy(time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {}
    }

    #[tokio::test]
    async fn work_beyond_its_share_is_done_with_what_others_leave_until_its_peer_is_quiet() {
        let (here, share) = (thread(), Share::default());
        let (turn, awaited) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let seen = share.charged({
            let (turn, awaited) = (turn.clone(), awaited.clone());
            async move {
                let mut seen = vec![thread()];
                // Where the system has no time for this thread, what it owes is past before the next turn.
                for _ in 0..1_000 {
                    busy(AT_ONCE);
                    yield_now().await;
                    if thread() != seen[0] {
                        break;
                    }
                }
                seen.push(thread());
                let begun = TaskTracker::new().spawn(async { thread() });
                seen.push(begun.await.unwrap());
                awaited.store(true, Ordering::SeqCst);
                turn.notified().await;
                seen.push(thread());
                seen
            }
        });
        let quiet = async {
            while !awaited.load(Ordering::SeqCst) || share.apart(Instant::now()) {
                yield_now().await;
            }
            turn.notify_one();
        };
        let (seen, ()) = tokio::join!(seen, quiet);
        assert_eq!(seen, [&here, "peers", &here, &here]);
    }

    #[tokio::test]
    async fn amid_the_work_of_others_it_has_a_turn_at_a_time() {
        const TURNS: u32 = 3;
        let share = Share::default();
        share.charge(AT_ONCE, Instant::now());
        share.charge(MS, Instant::now());
        sleep(share.rest(Instant::now()).unwrap_or_default()).await;
        let began = Instant::now();
        lull::turn_ended(began + 10 * TURNS * lull::PATIENCE);
        let turns = async {
            for _ in 1..TURNS {
                yield_now().await;
            }
        };
        share.charged(turns).await;
        assert!(began.elapsed() >= TURNS * lull::PATIENCE, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_long_turn_is_taken_of_what_others_leave_and_charged() {
        let (share, nobodys) = (Share::default(), Share::nobodys());
        let long = || {
            busy(AT_ONCE);
            thread()
        };
        assert_eq!(share.long_turn(long).await, "peers");
        assert!(!share.owed(Instant::now()).is_zero());
        assert_ne!(nobodys.long_turn(long).await, "peers");
        let panics = TaskTracker::new().spawn(async move {
            share.long_turn(|| panic!("as expected")).await;
        });
        assert!(panics.await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn a_panic_of_the_work_is_its_own_and_what_is_dropped_ends() {
        let (share, tasks) = (Share::default(), TaskTracker::new());
        let apart = || (0..2).for_each(|_| share.charge(AT_ONCE, Instant::now()));
        apart();
        let panics = tasks.spawn(share.charged(async { panic!("as expected") }));
        assert!(panics.await.unwrap_err().is_panic());
        apart();
        let (begun, begins) = oneshot::channel();
        let (held, mut freed) = oneshot::channel::<()>();
        let work = tasks.spawn(share.charged(async move {
            begun.send(thread()).unwrap();
            pending::<()>().await;
            drop(held);
        }));
        assert_eq!(begins.await.unwrap(), "peers");
        assert!(freed.try_recv().is_err_and(|error| error == TryRecvError::Empty));
        work.abort();
        assert!(freed.await.is_err());
    }

    #[tokio::test]
    async fn beyond_what_it_may_take_at_once_the_work_rests() {
        let share = Share::default();
        (0..10).for_each(|_| share.charge(LONGEST, Instant::now()));
        let began = Instant::now();
        let rest = share.rest(began).unwrap();
        share.charged(async {}).await;
        assert!(began.elapsed() >= rest, "{:?} of {rest:?}", began.elapsed());
    }

    #[tokio::test]
    async fn time_between_turns_is_not_charged_and_what_is_nobodys_neither() {
        let share = Share::default();
        share.charged(sleep(30 * MS)).await;
        assert!(share.owed(Instant::now()) < PARTS * 5 * MS);
        let nobodys = Share::nobodys();
        nobodys.charged(async { busy(AT_ONCE) }).await;
        assert!(nobodys.owed(Instant::now()).is_zero());
    }
}
