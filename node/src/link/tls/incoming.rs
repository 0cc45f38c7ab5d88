//! From a bound listener to connections ready for gRPC.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Acceptor, Connections, ServerStream};
use crate::cores::Share;
use crate::cores::turn::spend;

/// How long a silent line may stand before the kernel asks whether the other end is still there.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// Between such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// What taking one caller in costs of a turn: eight of them are one.
const ACCEPT: usize = 16;
/// Rest after the kernel refused to accept: it is out of descriptors or memory and needs a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

struct Incoming {
    listener: TcpListener,
    acceptor: Acceptor,
    connections: Connections,
    shutdown: CancellationToken,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<ServerStream>>>,
    /// What all of them are charged to: who may call is known only after them.
    share: Share,
}

/// The connections of a listener, each after its handshake, in the order the handshakes end: a slow
/// one holds up nobody. Failed ones are logged and skipped. Ends when `shutdown` is cancelled; those
/// still shaking hands are dropped. For tonic's `serve_with_incoming_shutdown`.
pub fn incoming(
    listener: TcpListener,
    acceptor: Acceptor,
    connections: Connections,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<ServerStream>> + Send {
    let handshakes = FuturesUnordered::new();
    let share = Share::default();
    let state = Incoming { listener, acceptor, connections, shutdown, handshakes, share };
    stream::unfold(state, async |mut state| {
        let stream = state.next().await?;
        Some((Ok(stream), state))
    })
}

impl Incoming {
    async fn next(&mut self) -> Option<ServerStream> {
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                Some(done) = self.handshakes.next() => {
                    if done.is_some() {
                        return done;
                    }
                }
                (tcp, addr, permit) = accept(&self.listener, &self.connections, &self.share) => {
                    let Some(counted) = self.connections.begin_handshake(addr.ip()) else {
                        debug!(peer.addr = %addr, "too many handshakes from one address");
                        continue;
                    };
                    let (acceptor, connections) = (self.acceptor.clone(), self.connections.clone());
                    let share = self.share.clone();
                    self.handshakes.push(Box::pin(async move {
                        let shaking = handshake(tcp, addr, acceptor, connections);
                        let stream = share.charged(shaking).await;
                        // Held until here.
                        drop((permit, counted));
                        stream
                    }));
                }
            }
        }
    }
}

/// The next caller, once there is room for one more handshake and time for it.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    share: &Share,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = connections.handshake_permit().await;
    while let Some(rest) = share.rest(Instant::now()) {
        tokio::time::sleep(rest).await;
    }
    loop {
        spend(ACCEPT).await;
        match listener.accept().await {
            Ok((tcp, addr)) => return (tcp, addr, permit),
            Err(error) if is_callers(&error) => debug!(%error, "a caller went away"),
            Err(error) => {
                warn!(%error, "cannot accept connections for now");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether an error of `accept` belongs to one caller and not to this machine.
fn is_callers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

async fn handshake(
    tcp: TcpStream,
    addr: SocketAddr,
    acceptor: Acceptor,
    connections: Connections,
) -> Option<ServerStream> {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL);
    let set =
        tcp.set_nodelay(true).and_then(|()| SockRef::from(&tcp).set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        debug!(peer.addr = %addr, %error, "a caller went away");
        return None;
    }
    let limit = connections.limits().handshake_timeout;
    let tls = match tokio::time::timeout(limit, acceptor.accept(tcp)).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            debug!(peer.addr = %addr, %error, "handshake failed");
            return None;
        }
        Err(_) => {
            debug!(peer.addr = %addr, "handshake took too long");
            return None;
        }
    };
    match ServerStream::new(tls, addr, &connections) {
        Ok(stream) => Some(stream),
        Err(error) => {
            debug!(peer.addr = %addr, %error, "connection not taken");
            None
        }
    }
}
