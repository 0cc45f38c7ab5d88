//! What every call passes before a byte of its message is kept: who calls, and how much of it is under way.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::Response;
use axum::middleware::Next;
use lianbo_node::entry::SiteId;
use lianbo_node::link::tls::{Peer, PeerInfo};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::FOLLOW;
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

/// Questions, whose message may be as large as a frame; the opening of a Follow is one too.
const QUESTIONS: [&str; 4] =
    ["/lianbo.v1.Sync/Hello", "/lianbo.v1.Sync/Pull", "/lianbo.v1.Sync/Offer", FOLLOW];

/// A site's turn to ask: taken before anything of the question is read, free again when its answer begins.
pub(super) async fn turn(
    State(questions): State<Seats<SiteId>>,
    request: HttpRequest,
    next: Next,
) -> Response<Body> {
    let asks = QUESTIONS.contains(&request.uri().path());
    let peer = request.extensions().get::<PeerInfo>().and_then(|info| info.peer);
    // Nobody else's question gets past the gate.
    let Some(Peer::Site(site)) = peer.filter(|_| asks) else { return next.run(request).await };
    let Some(_turn) = questions.take(site) else {
        return later("this site has too many questions under way", STOPPING).into_http();
    };
    next.run(request).await
}
