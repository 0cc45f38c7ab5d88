//! Time, injected. Milliseconds since 1970-01-01 UTC everywhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Says what time it is.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now, in milliseconds since 1970-01-01 UTC.
    fn now(&self) -> i64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let millis = |d: std::time::Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        // The one place that reads it. A clock before 1970 counts backwards rather than fails.
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        }
    }
}

/// A clock that moves when told to; for tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `ms`.
    pub fn new(ms: i64) -> Self {
        Self(AtomicI64::new(ms))
    }

    /// Sets it to `ms`, forwards or backwards.
    pub fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    /// Moves it by `ms`.
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
    clock: Arc<dyn Clock>,
    floor: AtomicI64,
}

impl FlooredClock {
    /// `clock`, but never less than `floor_ms`.
    pub fn new(clock: Arc<dyn Clock>, floor_ms: i64) -> Self {
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
