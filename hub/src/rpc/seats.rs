//! How many calls one site may have under way: each may hold a message of the largest size in memory (rule 9).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lianbo_node::entry::SiteId;

/// Seats taken, by site; callers without a certificate are as one.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    per_site: usize,
    anonymous: usize,
    taken: Arc<Mutex<HashMap<Option<SiteId>, usize>>>,
}

/// One call under way; its seat is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    site: Option<SiteId>,
}

impl Seats {
    /// Seats of calls: a node needs three, and as many of a broken connection may not have been noticed yet.
    /// Without a certificate one joins, in a moment.
    pub(crate) fn of_calls() -> Self {
        Self::new(6, 64)
    }

    /// Seats of pushes: the one at work, and that of a broken connection.
    pub(crate) fn of_pushes() -> Self {
        Self::new(2, 0)
    }

    fn new(per_site: usize, anonymous: usize) -> Self {
        Self { per_site, anonymous, taken: Arc::default() }
    }

    /// A seat for one more call of `site`; `None` if it has all it may have.
    pub(crate) fn take(&self, site: Option<SiteId>) -> Option<Seat> {
        let most = if site.is_some() { self.per_site } else { self.anonymous };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&site).copied().unwrap_or(0);
        (count < most).then(|| {
            taken.insert(site, count + 1);
            Seat { seats: self.clone(), site }
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
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
        let (one, other) = (Some(SiteId([1; 16])), Some(SiteId([2; 16])));
        let seats = Seats::new(4, 1);
        let mut taken: Vec<_> = (0..4).map(|_| seats.take(one).unwrap()).collect();
        assert!(seats.take(one).is_none());
        assert!(seats.take(other).is_some());
        let nobody = seats.take(None).unwrap();
        assert!(seats.take(None).is_none());
        drop(nobody);
        taken.pop();
        assert!(seats.take(one).is_some());
        drop(taken);
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
