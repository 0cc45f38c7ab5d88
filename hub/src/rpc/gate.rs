//! What every call passes before a byte of its message is kept: who calls, and how much of it is under way.

use std::sync::Arc;

use lianbo_node::link::tls::{Peer, PeerInfo};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::caller::{NEEDS_CERTIFICATE, later};
use super::push::STOPPING;
use super::seats::{Seat, Seats};

/// The seat of one call, for as long as any part of it goes on.
#[derive(Clone, Debug)]
pub(super) struct CallSeat(
    #[expect(dead_code, reason = "held, not looked at")] Arc<Seat<Option<Peer>>>,
);

/// The gate before one service.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    calls: Seats<Option<Peer>>,
    /// Whether callers without a certificate are turned away.
    sites_only: bool,
}

impl Gate {
    pub(super) fn new(calls: Seats<Option<Peer>>, sites_only: bool) -> Self {
        Self { calls, sites_only }
    }
}

impl Interceptor for Gate {
    /// The seat goes along with the request, and from there with its [`Caller`](super::caller::Caller).
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<PeerInfo>().and_then(|info| info.peer);
        if self.sites_only && peer.is_none() {
            return Err(Status::unauthenticated(NEEDS_CERTIFICATE));
        }
        let seat = self.calls.take(peer);
        let seat = seat.ok_or_else(|| later("too many calls are under way", STOPPING))?;
        request.extensions_mut().insert(CallSeat(Arc::new(seat)));
        Ok(request)
    }
}
