//! Push: entries come up; each answer means that everything it names is on the disk.

use std::sync::Arc;

use lianbo_node::ingest::Origin;
use lianbo_node::wire::{decode_frame, heights_to_proto};
use lianbo_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use super::Service;
use super::caller::{Caller, door_failed};
use super::refusal::refusal_to_proto;
use crate::hub::Hub;

pub(super) type PushStream = ReceiverStream<Result<v1::PushResponse, Status>>;

impl Service {
    pub(super) fn answer_push(
        &self,
        request: Request<Streaming<v1::PushRequest>>,
    ) -> Result<PushStream, Status> {
        let caller = self.caller(&request)?;
        let inbound = request.into_inner();
        // One answer may wait to be read; a peer that does not read stops being read from (rule 9).
        let (answers, outbound) = mpsc::channel(1);
        let hub = self.hub.clone();
        self.hub.tasks.spawn(async move {
            let stop = hub.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = run(&hub, caller, inbound, answers) => {}
            }
        });
        Ok(ReceiverStream::new(outbound))
    }
}

async fn run(
    hub: &Arc<Hub>,
    caller: Caller,
    mut inbound: Streaming<v1::PushRequest>,
    answers: mpsc::Sender<Result<v1::PushResponse, Status>>,
) {
    // A broken request stream ends the call by itself; there is nobody to tell.
    while let Ok(Some(push)) = inbound.message().await {
        let answer = take(hub, &caller, push).await;
        let failed = answer.is_err();
        if answers.send(answer).await.is_err() || failed {
            break;
        }
    }
}

async fn take(
    hub: &Hub,
    caller: &Caller,
    push: v1::PushRequest,
) -> Result<v1::PushResponse, Status> {
    if caller.not_after_ms <= hub.clock.now() {
        return Err(Status::unauthenticated("the certificate has expired; call Renew"));
    }
    let entries =
        decode_frame(&push.frame).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let origin = Origin::Below {
        site: caller.site,
        ceiling: caller.ceiling(),
        refill: hub.members().refilling(),
    };
    let taken = hub.door.take(entries, origin).await.map_err(|error| door_failed(&error))?;
    Ok(v1::PushResponse {
        acked: heights_to_proto(&taken.heights),
        refused: taken.refusals().map(refusal_to_proto).collect(),
    })
}
