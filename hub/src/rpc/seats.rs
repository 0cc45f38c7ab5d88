//! How many pushes one site may have under way: each may hold a frame of the largest size in memory (rule 9).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lianbo_node::entry::SiteId;

/// Pushes of one site at a time: the one at work, and those of a broken connection that has not been
/// noticed yet.
const PER_SITE: usize = 4;

/// Seats taken, by site.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seats(Arc<Mutex<HashMap<SiteId, usize>>>);

/// One push under way; its seat is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    site: SiteId,
}

impl Seats {
    /// A seat for one more push of `site`; `None` if it has all it may have.
    pub(crate) fn take(&self, site: SiteId) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(site).or_default();
        (*count < PER_SITE).then(|| {
            *count += 1;
            Seat { seats: self.clone(), site }
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.site) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.site);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_so_many_seats_and_takes_none_of_another() {
        let (seats, one, other) = (Seats::default(), SiteId([1; 16]), SiteId([2; 16]));
        let mut taken: Vec<_> = (0..PER_SITE).map(|_| seats.take(one).unwrap()).collect();
        assert!(seats.take(one).is_none());
        assert!(seats.take(other).is_some());
        taken.pop();
        assert!(seats.take(one).is_some());
        drop(taken);
        assert!(seats.0.lock().unwrap().is_empty());
    }
}
