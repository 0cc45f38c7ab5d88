//! Push: entries come up; each answer means that everything it names is on the disk.

use std::sync::Arc;
use std::time::Duration;

use lianbo_node::ingest::{Checked, Origin};
use lianbo_node::wire::heights_to_proto;
use lianbo_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
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

/// Takes frames in their order: the next is read and checked while one is written, and no further one is held.
async fn run(
    hub: &Arc<Hub>,
    caller: Caller,
    inbound: Streaming<v1::PushRequest>,
    answers: &mpsc::Sender<Result<v1::PushResponse, Status>>,
) {
    let (ahead, mut checked) = mpsc::channel(1);
    let checking = caller.share.charged(read(hub.clone(), caller.clone(), inbound, ahead));
    // Ends with the writing. That is not charged: others wait while something is written, so it must not rest.
    let _checking = AbortOnDropHandle::new(hub.tasks.spawn(checking));
    while let Some(frame) = checked.recv().await {
        let answer = match frame {
            Ok(frame) => take(hub, &caller, frame).await,
            Err(status) => Err(status),
        };
        let failed = answer.is_err();
        if answers.send(answer).await.is_err() || failed {
            break;
        }
    }
}

/// Reads and checks frames until one fails, none comes any more or nobody takes them.
async fn read(
    hub: Arc<Hub>,
    caller: Caller,
    mut inbound: Streaming<v1::PushRequest>,
    ahead: mpsc::Sender<Result<Checked, Status>>,
) {
    // Room first: what is read has somewhere to go.
    while let Ok(room) = ahead.reserve().await {
        let frame = match inbound.message().await {
            Ok(Some(push)) => check(&hub, &caller, push).await,
            Ok(None) => break,
            // Larger than a message may be, for one; if the line broke, nobody hears it.
            Err(status) => Err(status),
        };
        let failed = frame.is_err();
        room.send(frame);
        if failed {
            break;
        }
    }
}

/// Whether a frame holds this hub's own entries and no others. Whoever has one got it from here, so it is
/// taken back at any time: a node may have been away when the hub lost it, and come back late.
fn gives_back(hub: &Hub, frame: &Checked) -> bool {
    let mut authors = frame.authors().peekable();
    authors.peek().is_some() && authors.all(|author| author == hub.identity.site)
}

/// Who calls, if it still may.
fn present(hub: &Hub, caller: &Caller) -> Result<Caller, Status> {
    if caller.not_after_ms <= hub.clock.now() {
        return Err(Status::unauthenticated("the certificate has expired; call Renew"));
    }
    caller.now(&hub.members()).ok_or_else(no_longer_here)
}

async fn check(hub: &Hub, caller: &Caller, push: v1::PushRequest) -> Result<Checked, Status> {
    present(hub, caller)?;
    let checked = Checked::of_frame(push.frame, &caller.share).await;
    checked.map_err(|error| Status::invalid_argument(error.to_string()))
}

async fn take(hub: &Hub, caller: &Caller, frame: Checked) -> Result<v1::PushResponse, Status> {
    let caller = present(hub, caller)?;
    let origin = Origin::Below {
        site: caller.site,
        ceiling: caller.ceiling(),
        refill: hub.members().refilling() || gives_back(hub, &frame),
    };
    let taken = hub.door.take_checked(frame, origin, None).await;
    let taken = taken.map_err(|error| door_failed(&error))?;
    if hub.members().refilling() && taken.accepted() > 0 {
        // What came back may be an enrolment or a revocation: it counts from here on.
        hub.refresh_members().await.map_err(|error| store_failed(&error))?;
    }
    Ok(v1::PushResponse {
        acked: heights_to_proto(&taken.heights),
        refused: taken.refusals().map(refusal_to_proto).collect(),
    })
}
