//! Who calls, and what may cross the link: decided for every call.

use std::time::Duration;

use lianbo_node::cores::Share;
use lianbo_node::entry::{Lane, SiteId};
use lianbo_node::ingest::IngestError;
use lianbo_node::link::tls::{Peer, PeerInfo};
use lianbo_node::scope::{Reader, Scope};
use lianbo_node::store::StoreError;
use lianbo_node::sync::filter::{Filter, Subscription};
use lianbo_proto::v1;
use tonic::{Request, Status};

use super::Service;
use super::gate::CallSeat;
use crate::hub::Members;

/// Said to callers without a certificate.
pub(super) const NEEDS_CERTIFICATE: &str =
    "this call needs a client certificate; join first with an invitation";

/// A site in good standing, behind this listener.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) site: SiteId,
    pub(super) reader: Reader,
    /// The narrowest scope that rises from it.
    pub(super) rises: Scope,
    listener: Scope,
    /// Held for as long as the call.
    _seat: Option<CallSeat>,
    /// End of its certificate, milliseconds since 1970-01-01 UTC.
    pub(super) not_after_ms: i64,
    /// What its work is charged to.
    pub(super) share: Share,
}

impl Caller {
    /// The narrowest scope that crosses this link upward.
    pub(super) fn ceiling(&self) -> Scope {
        self.rises
    }

    /// What crosses the link now, if that is anything; a stream outlives many changes.
    pub(super) fn now(&self, members: &Members) -> Option<Self> {
        let (reader, rises) = members.crossing(self.site, self.listener)?;
        Some(Self { reader, rises, ..self.clone() })
    }
}

impl Service {
    /// The certificate's site, valid or expired, but not revoked.
    pub(super) fn known_peer<T>(&self, request: &Request<T>) -> Result<(SiteId, PeerInfo), Status> {
        let peer = request
            .extensions()
            .get::<PeerInfo>()
            .ok_or_else(|| Status::internal("the connection does not say who calls"))?;
        let site = match peer.peer {
            Some(Peer::Site(site)) => site,
            Some(Peer::Harvester(_)) => {
                return Err(Status::permission_denied(
                    "this call is for sites; a harvester calls the service Harvest",
                ));
            }
            None => {
                return Err(Status::unauthenticated(NEEDS_CERTIFICATE));
            }
        };
        match self.hub.members().sites.get(&site) {
            Some(member) if member.revoked => Err(Status::permission_denied(
                "this site was revoked; ask the hub's operator for a new invitation",
            )),
            // A restored hub may not know a site yet that it once enrolled; its CA does.
            None if !self.hub.members().refilling() => {
                Err(Status::permission_denied("this site is not enrolled here"))
            }
            _ => Ok((site, peer.clone())),
        }
    }

    /// A site whose certificate is valid now.
    pub(super) fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let (site, peer) = self.known_peer(request)?;
        let not_after_ms = peer.not_after_ms.unwrap_or(0);
        if not_after_ms <= self.hub.clock.now() {
            return Err(Status::unauthenticated(
                "the certificate has expired; only Renew can be called with it",
            ));
        }
        let listener = self.listener;
        let (reader, rises) =
            self.hub.members().crossing(site, listener).ok_or_else(no_longer_here)?;
        let seat = request.extensions().get::<CallSeat>().cloned();
        Ok(Caller { site, reader, rises, listener, _seat: seat, not_after_ms, share: peer.share })
    }

    /// What of the journal goes to a caller in one lane.
    pub(super) fn filter(
        &self,
        caller: &Caller,
        lane: Lane,
        subscriptions: &[Subscription],
        refill: bool,
    ) -> Filter {
        Filter {
            reader: caller.reader,
            trunk: self.hub.identity.site,
            lane,
            subscriptions: subscriptions.to_vec(),
            refill,
        }
    }
}

/// Subscriptions from the wire; there are no more than a message may hold.
pub(super) fn subscriptions(list: Vec<v1::Subscription>) -> Result<Vec<Subscription>, Status> {
    list.into_iter()
        .map(|it| {
            let site = if it.site.is_empty() {
                None
            } else {
                Some(SiteId::from_slice(&it.site).ok_or_else(|| {
                    Status::invalid_argument("a subscription's site id is not 16 bytes")
                })?)
            };
            lianbo_node::content::site::check_code(&it.column)
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            Ok(Subscription { site, column: it.column })
        })
        .collect()
}

/// The site was revoked while it was speaking.
pub(super) fn no_longer_here() -> Status {
    Status::permission_denied("this site no longer belongs here; ask the hub's operator")
}

/// A status that asks to come back after a while.
pub(super) fn later(message: &str, after: Duration) -> Status {
    let mut status = Status::unavailable(message);
    if let Ok(value) = after.as_millis().to_string().parse() {
        status.metadata_mut().insert(lianbo_node::link::RETRY_AFTER, value);
    }
    status
}

/// The store failed: said in the log, not to the peer.
pub(super) fn store_failed(error: &StoreError) -> Status {
    tracing::error!(%error, "a call failed at the store");
    later("the hub cannot reach its database; try again later", Duration::from_secs(5))
}

/// The door failed.
pub(super) fn door_failed(error: &IngestError) -> Status {
    match error {
        IngestError::Stopping => later("the hub is stopping", Duration::from_secs(2)),
        IngestError::Store(_) => {
            later("the hub cannot reach its database; try again later", Duration::from_secs(5))
        }
        IngestError::Signature => Status::internal(error.to_string()),
        IngestError::Fenced(what) => Status::failed_precondition(*what),
        IngestError::Refused(why) => Status::failed_precondition(why.to_string()),
        IngestError::Rule(refusal) => Status::invalid_argument(refusal.to_string()),
    }
}
