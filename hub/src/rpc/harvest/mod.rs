//! The service for harvesters: whoever takes over what this hub publishes. They see what is public and by this hub's
//! own word, whatever network they call through.

mod admit;
mod cursor;
mod follow;
mod list;

use lianbo_node::entry::HarvesterId;
use lianbo_node::link::tls::{Peer, PeerInfo};
use lianbo_proto::v1;
use tonic::{Request, Response, Status};

use super::Service;
use super::caller::later;
use super::push::STOPPING;
use super::seats::Seat;
use crate::hub::{Hub, Members};

/// A harvester in good standing.
#[derive(Clone, Copy, Debug)]
struct Caller {
    id: HarvesterId,
    /// End of its certificate, milliseconds since 1970-01-01 UTC.
    not_after_ms: i64,
}

impl Caller {
    /// Whether it may go on: a stream outlives many changes.
    fn check(self, hub: &Hub, members: &Members) -> Result<(), Status> {
        if self.not_after_ms <= hub.clock.now() {
            return Err(Status::unauthenticated(
                "the certificate has expired; only Renew can be called with it",
            ));
        }
        belongs(members, self.id)?;
        // As pages do: what is here may have been withdrawn since.
        if members.refilling() { Err(refilling()) } else { Ok(()) }
    }

    /// A seat for one more call.
    fn seat(self, hub: &Hub) -> Result<Seat<HarvesterId>, Status> {
        let seat = hub.harvests.take(self.id);
        seat.ok_or_else(|| later("this harvester has too many calls under way", STOPPING))
    }
}

fn refilling() -> Status {
    later("the hub lost data and is being filled up again", STOPPING)
}

fn belongs(members: &Members, id: HarvesterId) -> Result<(), Status> {
    match members.harvesters.get(&id) {
        Some(harvester) if harvester.revoked => Err(Status::permission_denied(
            "this harvester was revoked; ask the hub's operator for a new invitation",
        )),
        Some(_) => Ok(()),
        // It may have been let in before.
        None if members.refilling() => Err(refilling()),
        None => Err(Status::permission_denied("this harvester was not let in here")),
    }
}

/// The certificate's harvester, and when that ends.
fn harvester<T>(request: &Request<T>) -> Result<Caller, Status> {
    let peer = request
        .extensions()
        .get::<PeerInfo>()
        .ok_or_else(|| Status::internal("the connection does not say who calls"))?;
    match peer.peer {
        Some(Peer::Harvester(id)) => {
            Ok(Caller { id, not_after_ms: peer.not_after_ms.unwrap_or(0) })
        }
        Some(Peer::Site(_)) => Err(Status::permission_denied(
            "this call is for harvesters; a site calls the service Sync",
        )),
        None => Err(Status::unauthenticated(
            "this call needs a harvester's certificate; join first with an invitation",
        )),
    }
}

#[tonic::async_trait]
impl v1::harvest_server::Harvest for Service {
    async fn join(
        &self,
        request: Request<v1::HarvestJoinRequest>,
    ) -> Result<Response<v1::HarvestJoinResponse>, Status> {
        admit::join(&self.hub, request.into_inner()).await.map(Response::new)
    }

    async fn renew(
        &self,
        request: Request<v1::HarvestRenewRequest>,
    ) -> Result<Response<v1::HarvestRenewResponse>, Status> {
        let caller = harvester(&request)?;
        belongs(&self.hub.members(), caller.id)?;
        admit::renew(&self.hub, caller.id, &request.into_inner()).map(Response::new)
    }

    async fn list(
        &self,
        request: Request<v1::HarvestRequest>,
    ) -> Result<Response<v1::HarvestPage>, Status> {
        let caller = harvester(&request)?;
        list::list(&self.hub, caller, &request.into_inner()).await.map(Response::new)
    }

    type FollowStream = follow::FollowStream;

    async fn follow(
        &self,
        request: Request<v1::HarvestRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let caller = harvester(&request)?;
        follow::follow(&self.hub, caller, request.into_inner()).await.map(Response::new)
    }
}
