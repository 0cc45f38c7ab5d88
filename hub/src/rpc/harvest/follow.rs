//! Follow: pages as things happen. One page waits to be read at a time; what a slow harvester has not read yet is in
//! the journal, not in memory (rule 9).

use std::sync::Arc;

use lianbo_node::entry::HarvesterId;
use lianbo_node::journal::{End, Meta};
use lianbo_proto::v1;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Caller;
use super::cursor::{Start, open};
use super::list::{ask, page};
use crate::hub::{Hub, Members};
use crate::rpc::caller::later;
use crate::rpc::push::STOPPING;
use crate::rpc::seats::Seat;

pub(super) type FollowStream = ReceiverStream<Result<v1::HarvestPage, Status>>;

pub(super) async fn follow(
    hub: &Arc<Hub>,
    caller: Caller,
    request: v1::HarvestRequest,
) -> Result<FollowStream, Status> {
    let members = hub.members();
    caller.check(hub, &members)?;
    let seat = caller.seat(hub)?;
    let start = open(hub, &members.meta, &request.cursor).await?;
    let (out, outbound) = mpsc::channel(1);
    let follower = Follower {
        tail: hub.tail.end(),
        members: hub.watch(),
        hub: hub.clone(),
        meta: members.meta.clone(),
        caller,
        request,
        out,
    };
    let stop = hub.stop.clone();
    hub.tasks.spawn(async move {
        let out = follower.out.clone();
        let result = tokio::select! {
            () = stop.cancelled() => Err(later("the hub is stopping", STOPPING)),
            result = follower.run(start, seat) => result,
        };
        if let Err(status) = result
            && out.send(Err(status)).await.is_err()
        {
            tracing::debug!("the harvester had gone already");
        }
    });
    Ok(ReceiverStream::new(outbound))
}

struct Follower {
    hub: Arc<Hub>,
    caller: Caller,
    meta: Meta,
    tail: watch::Receiver<End>,
    members: watch::Receiver<Arc<Members>>,
    request: v1::HarvestRequest,
    out: mpsc::Sender<Result<v1::HarvestPage, Status>>,
}

impl Follower {
    async fn run(mut self, start: Start, mut seat: Seat<HarvesterId>) -> Result<(), Status> {
        let mut after = start.after;
        // The first page goes out even if there is nothing in it: it tells that all is known.
        let mut first = true;
        loop {
            // Room first: what is read before there is any may be withdrawn by then.
            let Ok(room) = self.out.clone().reserve_owned().await else { return Ok(()) };
            self.check()?;
            let upto = self.tail.borrow_and_update().position;
            if first || after < upto {
                let upto = upto.max(after);
                let ask = ask(&self.request, after, upto);
                let ready;
                (ready, seat) = page(&self.hub, &self.meta, ask, seat).await?;
                after = ready.end;
                // No word of a position that moved: it would tell of what is hidden.
                if first || !ready.message.items.is_empty() {
                    let restarted = first && start.restarted;
                    room.send(Ok(v1::HarvestPage { restarted, ..ready.message }));
                    first = false;
                }
                continue;
            }
            drop(room);
            tokio::select! {
                changed = self.tail.changed() => if changed.is_err() { return Ok(()) },
                changed = self.members.changed() => if changed.is_err() { return Ok(()) },
                () = self.out.closed() => return Ok(()),
            }
        }
    }

    /// A stream ends when its harvester is revoked, or the journal begins anew.
    fn check(&mut self) -> Result<(), Status> {
        let members = self.members.borrow_and_update();
        self.caller.check(&self.hub, &members)?;
        if members.meta.epoch == self.meta.epoch {
            return Ok(());
        }
        Err(Status::aborted("the hub's journal begins anew; follow again from the last cursor"))
    }
}
