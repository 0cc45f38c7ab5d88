//! Who is connected, so that revoking a site or a harvester closes its lines, and how many may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Peer;
use super::cut::Cut;
use crate::cores::Share;

/// How much a listener takes on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of sites and harvesters, all together.
    pub connections: usize,
    /// Connections of one site or harvester.
    pub per_site: usize,
    /// Connections without a certificate, all together. A pool of their own: they cannot crowd sites out.
    pub anonymous: usize,
    /// Handshakes under way; further callers wait in the listener's backlog.
    pub handshakes: usize,
    /// Handshakes under way from one address; further ones are dropped. Does not bind this machine's
    /// own addresses, where a proxy may stand for many.
    pub handshakes_per_address: usize,
    /// How long one handshake may take.
    pub handshake_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            per_site: 16,
            anonymous: 256,
            handshakes: 512,
            handshakes_per_address: 128,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// The open connections of one program, over all its listeners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    handshakes: Arc<Semaphore>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// `None`: callers without a certificate.
    by_peer: HashMap<Option<Peer>, Lines>,
    /// Connections with a certificate.
    of_peers: usize,
    handshakes: HashMap<IpAddr, usize>,
}

/// The open connections of one peer. Who has none any more is remembered: it may come back, and owe for what was done on
/// those it had.
#[derive(Debug, Default)]
struct Lines {
    open: HashMap<u64, Arc<Cut>>,
    share: Share,
}

impl Connections {
    /// None open yet.
    pub fn new(limits: Limits) -> Self {
        let handshakes = Arc::new(Semaphore::new(limits.handshakes));
        Self(Arc::new(Inner { limits, handshakes, open: Mutex::default() }))
    }

    /// Closes every connection of a site or a harvester, at once; says how many there were. New ones are refused
    /// elsewhere, call by call: record the revocation first, then close.
    pub fn close(&self, peer: impl Into<Peer>) -> usize {
        let cuts: Vec<_> = match self.0.open().by_peer.get(&Some(peer.into())) {
            Some(lines) => lines.open.values().cloned().collect(),
            None => return 0,
        };
        for cut in &cuts {
            cut.off();
        }
        cuts.len()
    }

    /// Closes everything: the hard stop after the soft one.
    pub fn close_all(&self) {
        let cuts: Vec<_> = {
            let open = self.0.open();
            open.by_peer.values().flat_map(|lines| lines.open.values()).cloned().collect()
        };
        for cut in cuts {
            cut.off();
        }
    }

    /// Connections open now.
    pub fn count(&self) -> usize {
        self.0.open().by_peer.values().map(|lines| lines.open.len()).sum()
    }

    /// Open connections of one site or harvester.
    pub fn count_of(&self, peer: impl Into<Peer>) -> usize {
        self.0.open().by_peer.get(&Some(peer.into())).map_or(0, |lines| lines.open.len())
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Waits for room for one more handshake.
    pub(super) async fn handshake_permit(&self) -> OwnedSemaphorePermit {
        // Never closed: `None` cannot happen, and waiting for ever is what a closed one would mean.
        match Arc::clone(&self.0.handshakes).acquire_owned().await {
            Ok(permit) => permit,
            Err(_) => std::future::pending().await,
        }
    }

    /// Counts a handshake from `address` until dropped; `None` where it has too many already.
    pub(super) fn begin_handshake(&self, address: IpAddr) -> Option<Handshaking> {
        let counted = (!address.is_loopback()).then_some(address);
        if let Some(address) = counted {
            let mut open = self.0.open();
            let count = open.handshakes.entry(address).or_default();
            if *count >= self.0.limits.handshakes_per_address {
                return None;
            }
            *count += 1;
        }
        Some(Handshaking { inner: Arc::clone(&self.0), counted })
    }

    /// Enters a connection until the result is dropped; `None` where there are too many.
    pub(super) fn register(&self, peer: Option<Peer>) -> Option<Registration> {
        let limits = self.0.limits;
        let mut open = self.0.open();
        let here = open.by_peer.get(&peer).map_or(0, |lines| lines.open.len());
        let full = match peer {
            Some(_) => here >= limits.per_site || open.of_peers >= limits.connections,
            None => here >= limits.anonymous,
        };
        if full {
            return None;
        }
        if open.by_peer.len() > limits.connections {
            open.forget_even();
        }
        let id = open.next;
        open.next += 1;
        open.of_peers += usize::from(peer.is_some());
        let cut = Arc::<Cut>::default();
        let lines = open.by_peer.entry(peer).or_default();
        lines.open.insert(id, cut.clone());
        let share = lines.share.clone();
        Some(Registration { inner: Arc::clone(&self.0), peer, id, cut, share })
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing under the lock can leave the maps half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Forgets peers that are gone and owe nothing.
    fn forget_even(&mut self) {
        let now = Instant::now();
        self.by_peer.retain(|_, lines| !lines.open.is_empty() || lines.share.owes(now));
    }
}

/// One entry of the registry, for as long as it lives.
#[derive(Debug)]
pub(super) struct Registration {
    inner: Arc<Inner>,
    peer: Option<Peer>,
    id: u64,
    pub(super) cut: Arc<Cut>,
    pub(super) share: Share,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut open = self.inner.open();
        let Some(lines) = open.by_peer.get_mut(&self.peer) else { return };
        let removed = lines.open.remove(&self.id).is_some();
        open.of_peers -= usize::from(removed && self.peer.is_some());
    }
}

/// One handshake under way, for as long as it lives.
#[derive(Debug)]
pub(super) struct Handshaking {
    inner: Arc<Inner>,
    counted: Option<IpAddr>,
}

impl Drop for Handshaking {
    fn drop(&mut self) {
        let Some(address) = self.counted else { return };
        let mut open = self.inner.open();
        if let Some(count) = open.handshakes.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.handshakes.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{HarvesterId, SiteId};

    const A: Peer = Peer::Site(SiteId([0xa; 16]));
    const B: Peer = Peer::Harvester(HarvesterId([0xa; 16]));

    fn limits() -> Limits {
        Limits {
            connections: 3,
            per_site: 2,
            anonymous: 1,
            handshakes_per_address: 1,
            ..Limits::default()
        }
    }

    #[test]
    fn closing_a_site_closes_its_connections_and_nobody_elses() {
        let connections = Connections::new(limits());
        let (a1, a2) =
            (connections.register(Some(A)).unwrap(), connections.register(Some(A)).unwrap());
        let b = connections.register(Some(B)).unwrap();
        assert_eq!(connections.close(A), 2);
        assert!(a1.cut.is_off() && a2.cut.is_off() && !b.cut.is_off());
        drop((a1, a2));
        assert_eq!((connections.count(), connections.close(A)), (1, 0));
        connections.close_all();
        assert!(b.cut.is_off());
    }

    #[test]
    fn neither_one_site_nor_the_nameless_can_take_the_place_of_the_others() {
        let connections = Connections::new(limits());
        let a: Vec<_> = (0..3).map_while(|_| connections.register(Some(A))).collect();
        assert_eq!(a.len(), 2, "a site has its own bound");
        let _nameless = connections.register(None).unwrap();
        assert!(connections.register(None).is_none());
        let _b = connections.register(Some(B)).expect("the nameless take no site's place");
        assert!(connections.register(Some(B)).is_none(), "all sites together have a bound");
        drop(a);
        assert!(connections.register(Some(B)).is_some());
    }

    #[test]
    fn who_comes_back_owes_what_it_owed_and_who_owes_nothing_is_forgotten_in_time() {
        let connections = Connections::new(limits());
        let first = connections.register(Some(A)).unwrap();
        for _ in 0..2 {
            first.share.charge(Duration::from_millis(5), Instant::now());
        }
        drop((first, connections.register(Some(B)), connections.register(None)));
        let owes = |peer| connections.register(peer).unwrap().share.owes(Instant::now());
        assert!(owes(Some(A)) && !owes(Some(B)) && !owes(None));
        let known = |connections: &Connections| connections.0.open().by_peer.len();
        assert_eq!((connections.count(), known(&connections)), (0, 3));
        for other in 0..3 {
            drop(connections.register(Some(Peer::Site(SiteId([other; 16])))));
        }
        assert!(owes(Some(A)));
        assert!(known(&connections) <= 5, "those that are even make room");
    }

    #[test]
    fn one_address_has_a_bound_on_handshakes_unless_it_is_this_machine() {
        let connections = Connections::new(limits());
        let far: IpAddr = "10.0.0.1".parse().unwrap();
        let first = connections.begin_handshake(far).unwrap();
        assert!(connections.begin_handshake(far).is_none());
        drop(first);
        assert!(connections.begin_handshake(far).is_some());
        assert!(connections.0.open().handshakes.is_empty());
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let held: Vec<_> = (0..5).map_while(|_| connections.begin_handshake(here)).collect();
        assert_eq!(held.len(), 5);
    }
}
