//! Push: entries come up; each answer means that everything it names is on the disk.

use std::sync::Arc;
use std::time::Duration;

use lianbo_node::entry::Entry;
use lianbo_node::ingest::Origin;
use lianbo_node::wire::{decode_frame, decode_head, heights_to_proto};
use lianbo_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use super::Service;
use super::caller::{Caller, door_failed, later, no_longer_here, store_failed};
use super::refusal::refusal_to_proto;
use crate::hub::Hub;

/// How long a stopping or busy hub asks to be left alone.
pub(super) const STOPPING: Duration = Duration::from_secs(2);

pub(super) type PushStream = ReceiverStream<Result<v1::PushResponse, Status>>;

impl Service {
    pub(super) fn answer_push(
        &self,
        request: Request<Streaming<v1::PushRequest>>,
    ) -> Result<PushStream, Status> {
        let caller = self.caller(&request)?;
        let seat = self.hub.pushes.take(caller.site);
        let seat =
            seat.ok_or_else(|| later("this site has too many pushes under way", STOPPING))?;
        let inbound = request.into_inner();
        // One answer may wait to be read; a peer that does not read stops being read from (rule 9).
        let (answers, outbound) = mpsc::channel(1);
        let hub = self.hub.clone();
        self.hub.tasks.spawn(async move {
            let stop = hub.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {
                    let bye = Err(later("the hub is stopping", STOPPING));
                    if answers.try_send(bye).is_err() {
                        tracing::debug!("a pushing site does not hear that the hub is stopping");
                    }
                }
                () = run(&hub, caller, inbound, &answers) => {}
            }
            drop(seat);
        });
        Ok(ReceiverStream::new(outbound))
    }
}

async fn run(
    hub: &Arc<Hub>,
    caller: Caller,
    mut inbound: Streaming<v1::PushRequest>,
    answers: &mpsc::Sender<Result<v1::PushResponse, Status>>,
) {
    loop {
        let answer = match inbound.message().await {
            Ok(Some(push)) => take(hub, &caller, push).await,
            Ok(None) => break,
            // Larger than a message may be, for one; if the line broke, nobody hears it.
            Err(status) => Err(status),
        };
        let failed = answer.is_err();
        if answers.send(answer).await.is_err() || failed {
            break;
        }
    }
}

/// Whether a frame holds this hub's own entries and no others. Whoever has one got it from here, so it is
/// taken back at any time: a node may have been away when the hub lost it, and come back late.
fn gives_back(hub: &Hub, entries: &[Entry]) -> bool {
    let own = |entry: &Entry| {
        decode_head(&entry.head).is_ok_and(|head| head.log.site == hub.identity.site)
    };
    !entries.is_empty() && entries.iter().all(own)
}

async fn take(
    hub: &Hub,
    caller: &Caller,
    push: v1::PushRequest,
) -> Result<v1::PushResponse, Status> {
    if caller.not_after_ms <= hub.clock.now() {
        return Err(Status::unauthenticated("the certificate has expired; call Renew"));
    }
    let caller = caller.now(&hub.members()).ok_or_else(no_longer_here)?;
    let entries =
        decode_frame(&push.frame).map_err(|error| Status::invalid_argument(error.to_string()))?;
    // Not held beside its entries while they wait for the door.
    drop(push);
    let origin = Origin::Below {
        site: caller.site,
        ceiling: caller.ceiling(),
        refill: hub.members().refilling() || gives_back(hub, &entries),
    };
    let taken = hub.door.take(entries, origin).await.map_err(|error| door_failed(&error))?;
    if hub.members().refilling() && taken.accepted() > 0 {
        // What came back may be an enrolment or a revocation: it counts from here on.
        hub.refresh_members().await.map_err(|error| store_failed(&error))?;
    }
    Ok(v1::PushResponse {
        acked: heights_to_proto(&taken.heights),
        refused: taken.refusals().map(refusal_to_proto).collect(),
    })
}
