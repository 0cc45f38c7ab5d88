//! Time comes in from here, and nowhere else, so that tests can hold it.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time. No rule of Lianbo rests on it but expiry of tokens and certificates (rule 6).
pub trait Clock: Send + Sync + Debug {
    /// Milliseconds since 1970-01-01 UTC.
    fn now(&self) -> i64;
}

/// A clock that many share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Stands at `now`, milliseconds since 1970-01-01 UTC.
    pub fn new(now: i64) -> Self {
        Self(AtomicI64::new(now))
    }

    /// Sets it to `now`.
    pub fn set(&self, now: i64) {
        self.0.store(now, Ordering::SeqCst);
    }

    /// Moves it by `ms` milliseconds.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A clock that never says less than a kept floor, so that setting the machine's clock back does not
/// revive an expired certificate. The owner reads the floor from the store and keeps it there.
#[derive(Debug)]
pub struct FlooredClock {
    clock: SharedClock,
    floor: AtomicI64,
}

impl FlooredClock {
    /// `clock`, but never less than `floor_ms`.
    pub fn new(clock: SharedClock, floor_ms: i64) -> Self {
        Self { clock, floor: AtomicI64::new(floor_ms) }
    }

    /// Raises the floor to `ms`; a lower value changes nothing.
    pub fn raise(&self, ms: i64) {
        self.floor.fetch_max(ms, Ordering::SeqCst);
    }

    /// The floor, for keeping.
    pub fn floor(&self) -> i64 {
        self.floor.load(Ordering::SeqCst)
    }
}

impl Clock for FlooredClock {
    fn now(&self) -> i64 {
        self.clock.now().max(self.floor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_does_not_go_below_its_floor() {
        let manual = Arc::new(ManualClock::new(1_000));
        let clock = FlooredClock::new(manual.clone(), 500);
        assert_eq!(clock.now(), 1_000);
        clock.raise(2_000);
        clock.raise(1_500);
        assert_eq!((clock.now(), clock.floor()), (2_000, 2_000));
        manual.set(10);
        assert_eq!(clock.now(), 2_000);
        manual.advance(5_000);
        assert_eq!(clock.now(), 5_010);
    }

    #[test]
    fn the_machines_clock_is_past_2020() {
        assert!(SystemClock.now() > 1_577_836_800_000);
    }
}
