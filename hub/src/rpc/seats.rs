//! How many calls of a kind one caller may have under way: each may hold a message of the largest size in memory
//! (rule 9).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Calls of one caller at a time: the one at work, and those of a broken connection that has not been
/// noticed yet.
const PER_CALLER: usize = 4;

/// Seats taken, by caller.
#[derive(Clone, Debug)]
pub(crate) struct Seats<K: Copy + Eq + Hash>(Arc<Mutex<HashMap<K, usize>>>);

impl<K: Copy + Eq + Hash> Default for Seats<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// One call under way; its seat is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat<K: Copy + Eq + Hash> {
    seats: Seats<K>,
    caller: K,
}

impl<K: Copy + Eq + Hash> Seats<K> {
    /// A seat for one more call of `caller`; `None` if it has all it may have.
    pub(crate) fn take(&self, caller: K) -> Option<Seat<K>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(caller).or_default();
        (*count < PER_CALLER).then(|| {
            *count += 1;
            Seat { seats: self.clone(), caller }
        })
    }
}

impl<K: Copy + Eq + Hash> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lianbo_node::entry::SiteId;

    use super::*;

    #[test]
    fn a_caller_has_so_many_seats_and_takes_none_of_another() {
        let (seats, one, other) = (Seats::default(), SiteId([1; 16]), SiteId([2; 16]));
        let mut taken: Vec<_> = (0..PER_CALLER).map(|_| seats.take(one).unwrap()).collect();
        assert!(seats.take(one).is_none());
        assert!(seats.take(other).is_some());
        taken.pop();
        assert!(seats.take(one).is_some());
        drop(taken);
        assert!(seats.0.lock().unwrap().is_empty());
    }
}
