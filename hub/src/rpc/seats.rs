//! How many calls of a kind one caller may have under way: each may hold a message of the largest size in memory
//! (rule 9).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Seats taken, by caller.
#[derive(Clone, Debug)]
pub(crate) struct Seats<K: Copy + Eq + Hash> {
    most: fn(K) -> usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// One call under way; its seat is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat<K: Copy + Eq + Hash> {
    seats: Seats<K>,
    caller: K,
}

impl<K: Copy + Eq + Hash> Seats<K> {
    /// So many seats for each caller as `most` says: for the call at work, and those of a broken connection that has
    /// not been noticed yet.
    pub(crate) fn new(most: fn(K) -> usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// A seat for one more call of `caller`; `None` if it has all it may have.
    pub(crate) fn take(&self, caller: K) -> Option<Seat<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&caller).copied().unwrap_or(0);
        (count < (self.most)(caller)).then(|| {
            taken.insert(caller, count + 1);
            Seat { seats: self.clone(), caller }
        })
    }
}

impl<K: Copy + Eq + Hash> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
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
    use super::*;

    #[test]
    fn a_caller_has_so_many_seats_and_takes_none_of_another() {
        let seats = Seats::new(|caller: Option<u8>| if caller.is_some() { 4 } else { 1 });
        let mut taken: Vec<_> = (0..4).map(|_| seats.take(Some(1)).unwrap()).collect();
        assert!(seats.take(Some(1)).is_none());
        assert!(seats.take(Some(2)).is_some());
        let nobody = seats.take(None).unwrap();
        assert!(seats.take(None).is_none());
        drop(nobody);
        taken.pop();
        assert!(seats.take(Some(1)).is_some());
        drop(taken);
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
