//! Serving pages on a bound listener, so that slow and many visitors harm only themselves (rule 9).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::cores::spare::giving_way;

/// Headers of a request, and the bytes they may take.
const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 16 * 1024;
/// How long one connection may live, so that one who reads a byte a minute does not hold it for ever.
const LIFETIME: Duration = Duration::from_mins(5);
/// Bytes of answers that may wait in the system for a visitor who does not read; what is on its way comes on top.
const UNSENT: u32 = 128 * 1024;
/// After a stop, how long answers under way may take.
const GRACE: Duration = Duration::from_secs(5);
/// After a failed accept: out of descriptors, as a rule.
const BREATH: Duration = Duration::from_millis(100);

/// What a listener allows; `..Bounds::PAGES` for those that differ.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Open connections, some 16 KB each; further ones wait in the system's queue.
    pub connections: usize,
    /// Of these, of one address, or one /64 of IPv6. A reverse proxy on this machine speaks for everybody and is not bound.
    pub per_address: usize,
    /// For the first byte to come, and for a request's head to come from then on or since the answer before.
    pub head_within: Duration,
}

impl Bounds {
    /// For everybody who reads pages.
    pub const PAGES: Self =
        Self { connections: 1_024, per_address: 128, head_within: Duration::from_secs(15) };
    /// For the few programs that watch over this one.
    pub const FIGURES: Self = Self { connections: 64, per_address: 8, ..Self::PAGES };
}

/// Serves `router` until `stop`; then takes no more, lets what is under way finish for 5 s, and cuts the rest.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
    let seats = Arc::new(Semaphore::new(bounds.connections));
    let connections = TaskTracker::new();
    let guests = Guests::default();
    let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_within)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD);
    let server = Arc::new(server);
    loop {
        let accepted = async {
            let seat = seats.clone().acquire_owned().await.ok();
            (seat, listener.accept().await)
        };
        let (seat, accepted) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        match (seat, accepted) {
            (Some(seat), Ok((stream, peer))) => {
                let Some(guest) = guests.enter(peer.ip(), bounds.per_address) else {
                    debug!("one address holds too many connections; closed a further one");
                    continue;
                };
                let (server, router) = (server.clone(), router.clone());
                let (soft, hard) = (soft.clone(), hard.clone());
                if let Err(error) = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT) {
                    debug!(%error, "a visitor went away");
                    continue;
                }
                connections.spawn(giving_way(async move {
                    if speaks(&stream, bounds.head_within, &soft).await {
                        // What serves a visitor takes room: not before there is something to serve.
                        Box::pin(connection(stream, server, router, soft, hard)).await;
                    }
                    drop((seat, guest));
                }));
            }
            (_, Err(error)) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
            (None, Ok(_)) => break,
        }
    }
    drop(listener);
    soft.cancel();
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        hard.cancel();
        connections.wait().await;
    }
}

/// Whether a visitor says anything in time.
async fn speaks(stream: &TcpStream, within: Duration, soft: &CancellationToken) -> bool {
    tokio::select! {
        spoken = tokio::time::timeout(within, stream.readable()) => matches!(spoken, Ok(Ok(()))),
        () = soft.cancelled() => false,
    }
}

/// One connection to its end.
async fn connection(
    stream: TcpStream,
    server: Arc<auto::Builder<TokioExecutor>>,
    router: Router,
    soft: CancellationToken,
    hard: CancellationToken,
) {
    let service = TowerToHyperService::new(router);
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let done = tokio::select! {
        done = connection.as_mut() => Some(done),
        () = hard.cancelled() => return,
        () = soft.cancelled() => None,
        () = tokio::time::sleep(LIFETIME) => None,
    };
    let done = if let Some(done) = done {
        done
    } else {
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            done = connection => done,
            () = hard.cancelled() => return,
            () = tokio::time::sleep(GRACE) => return,
        }
    };
    if let Err(error) = done {
        debug!(%error, "a connection of a visitor ended badly");
    }
}

/// How many connections each address holds.
#[derive(Clone, Debug, Default)]
struct Guests(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address, until dropped.
#[derive(Debug)]
struct Guest {
    guests: Guests,
    address: Option<IpAddr>,
}

impl Guests {
    /// `None` if the address holds so many already.
    fn enter(&self, address: IpAddr, most: usize) -> Option<Guest> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Some(Guest { guests: self.clone(), address: None });
        }
        let address = match address {
            IpAddr::V6(it) => IpAddr::V6(Ipv6Addr::from_bits(it.to_bits() >> 64 << 64)),
            it @ IpAddr::V4(_) => it,
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Guest { guests: self.clone(), address: Some(address) })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_its_network_of_ipv6_holds_so_many_and_this_machine_any_number() {
        let guests = Guests::default();
        let enter = |address: &str| guests.enter(address.parse().unwrap(), 2);
        let here = ["127.0.0.1"; 3].map(enter);
        assert!(here.iter().all(Option::is_some));
        for [first, second, third, other] in [
            ["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"],
            ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:3", "2001:db8:0:1::1"],
        ] {
            let held = [first, second].map(enter);
            assert!(held.iter().all(Option::is_some));
            assert!(enter(third).is_none() && enter(other).is_some());
            drop(held);
            assert!(enter(third).is_some());
        }
        drop(here);
        assert!(guests.0.lock().unwrap().is_empty(), "who left is forgotten");
    }
}
