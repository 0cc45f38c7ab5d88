//! One follower: what it gets next, and what it says.
//!
//! Control before live before catch-up. No backlog is kept for a follower: what it has not acknowledged
//! is a window of sizes; the bytes are in the journal, or shared in the tail.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use lianbo_node::entry::Lane;
use lianbo_node::heights::Heights;
use lianbo_node::journal::{End, Meta};
use lianbo_proto::v1;
use tokio::sync::watch;
use tonic::Status;

use super::{Said, lane_of};
use crate::acks::Ack;
use crate::hub::{Hub, Members};
use crate::rpc::WINDOW;
use crate::rpc::caller::{Caller, later, no_longer_here, store_failed};
use crate::rpc::pull::{BATCH, Terms, read};
use crate::rpc::push::STOPPING;

/// One lane of one follower.
pub(super) struct LaneState {
    pub(super) terms: Terms,
    pub(super) end: End,
    /// Its cursor has to be told once it has caught up, even with nothing to carry: the next stream then
    /// begins there. Never again after that: a cursor that moves without entries would tell of hidden ones.
    pub(super) settle: bool,
}

/// New content, sent ahead of a catch-up that ends at `target`.
pub(super) struct Live {
    pub(super) target: i64,
    pub(super) end: End,
}

/// A batch on its way, until it is acknowledged.
struct Sent {
    bytes: usize,
    /// Lane, position and seal of its cursor; none for live entries sent ahead.
    cursor: Option<(Lane, i64, Bytes)>,
}

/// A stream that is open.
pub(super) struct Follower<S> {
    pub(super) hub: Arc<Hub>,
    pub(super) caller: Caller,
    pub(super) meta: Meta,
    /// Who belonged when this follower's standing was last checked; none before the first time.
    pub(super) checked: Option<Arc<Members>>,
    /// The end of the journal; also says when to look at the rest of the hub anew.
    pub(super) tail: watch::Receiver<End>,
    pub(super) held: Heights,
    pub(super) control: LaneState,
    pub(super) content: LaneState,
    pub(super) live: Option<Live>,
    pub(super) said: S,
    pub(super) on_the_way: OnTheWay,
}

/// What is not acknowledged yet.
#[derive(Default)]
pub(super) struct OnTheWay {
    sent: VecDeque<Sent>,
    bytes: usize,
}

impl<S: Said> Follower<S> {
    /// The next batch; waits for one. `None` once the follower has said all it will.
    pub(super) async fn next(&mut self) -> Result<Option<v1::FollowResponse>, Status> {
        loop {
            // Seen before anything is looked at: what changes from here on is a reason to look again.
            self.tail.mark_unchanged();
            if self.hub.stop.is_cancelled() {
                return Err(later("the hub is stopping", STOPPING));
            }
            if self.caller.not_after_ms <= self.hub.clock.now() {
                return Err(Status::unauthenticated("the certificate has expired; call Renew"));
            }
            self.check_link()?;
            let room = self.on_the_way.bytes < WINDOW;
            let batch = if room { self.batch().await? } else { self.probe() };
            if batch.is_some() {
                return Ok(batch);
            }
            if room && self.on_the_way.sent.is_empty() {
                self.note_caught_up();
            }
            // One thing to wait for beside what it says: a thousand wait here, and wake at a time for what is new. That is
            // looked for first; it was marked as seen above, so what the follower says has its turn.
            tokio::select! {
                biased;
                changed = self.tail.changed() => if changed.is_err() {
                    return Ok(None);
                },
                request = self.said.next() => match request.transpose()? {
                    Some(request) => self.acknowledge(request)?,
                    None => return Ok(None),
                },
            }
        }
    }

    /// A stream ends when another ceiling binds its reader, or the journal begins anew: its filter and its
    /// cursors are no good any more.
    fn check_link(&mut self) -> Result<(), Status> {
        let members = self.hub.members();
        if self.checked.as_ref().is_some_and(|checked| Arc::ptr_eq(checked, &members)) {
            return Ok(());
        }
        let now = self.caller.now(&members).ok_or_else(no_longer_here)?;
        if now.reader == self.caller.reader && members.meta.epoch == self.meta.epoch {
            self.checked = Some(members);
            return Ok(());
        }
        Err(Status::aborted("what goes over this link has changed; call Hello"))
    }

    /// The next batch there is: control, then what is new, then what is missing.
    async fn batch(&mut self) -> Result<Option<v1::FollowResponse>, Status> {
        loop {
            let now = *self.tail.borrow();
            if self.control.end.position < now.position {
                let (frame, end) = read_on(
                    &self.hub,
                    &self.control.terms,
                    &self.held,
                    self.control.end,
                    now.position,
                )
                .await?;
                self.control.end = end;
                if let Some(frame) = frame {
                    self.control.settle &= end.position < now.position;
                    return Ok(Some(self.message(Lane::Control, frame, true)));
                }
            } else if self.control.settle {
                self.control.settle = false;
                return Ok(Some(self.message(Lane::Control, Bytes::new(), true)));
            } else if let Some(live) = &self.live
                && live.end.position < now.position
            {
                let (target, from) = (live.target, live.end);
                let (frame, end) =
                    read_on(&self.hub, &self.content.terms, &self.held, from, now.position).await?;
                self.live = Some(Live { target, end });
                if let Some(frame) = frame {
                    return Ok(Some(self.message(Lane::Content, frame, false)));
                }
            } else if let Some(live) = &self.live {
                let (target, caught_up) = (live.target, live.end);
                if self.content.end.position >= target {
                    self.content.end = caught_up;
                    self.live = None;
                    continue;
                }
                let (frame, end) =
                    read_on(&self.hub, &self.content.terms, &self.held, self.content.end, target)
                        .await?;
                self.content.end = end;
                if let Some(frame) = frame {
                    return Ok(Some(self.message(Lane::Content, frame, true)));
                }
            } else if self.content.end.position < now.position {
                let (frame, end) = read_on(
                    &self.hub,
                    &self.content.terms,
                    &self.held,
                    self.content.end,
                    now.position,
                )
                .await?;
                self.content.end = end;
                if let Some(frame) = frame {
                    self.content.settle = false;
                    return Ok(Some(self.message(Lane::Content, frame, true)));
                }
            } else if self.content.settle {
                self.content.settle = false;
                // All caught up: nothing that is held needs to be left out any more.
                self.held = Heights::new();
                return Ok(Some(self.message(Lane::Content, Bytes::new(), true)));
            } else {
                return Ok(None);
            }
        }
    }

    /// Nothing is on its way and nothing waits: the follower holds all it may read, whatever else has come.
    fn note_caught_up(&self) {
        let ends = [(Lane::Control, self.control.end), (Lane::Content, self.content.end)];
        let ends = ends.map(|(lane, end)| (lane, end.position));
        self.hub.acks.note_caught_up(self.caller.site, ends, self.hub.clock.now());
    }

    /// The window is full of live entries, which have no cursor to be acknowledged by: gives one.
    fn probe(&mut self) -> Option<v1::FollowResponse> {
        let blind = self.on_the_way.sent.back().is_some_and(|sent| sent.cursor.is_none());
        blind.then(|| self.message(Lane::Content, Bytes::new(), true))
    }

    fn message(&mut self, lane: Lane, frame: Bytes, with_cursor: bool) -> v1::FollowResponse {
        let state = match lane {
            Lane::Control => &self.control,
            Lane::Content => &self.content,
        };
        let cursor = with_cursor.then(|| state.terms.seal(&self.meta, state.end));
        let sealed = cursor.clone().map(|cursor| (lane, state.end.position, cursor));
        // Wrapping and cursor count, so that even empty batches fill a window.
        let bytes = frame.len() + 256;
        self.on_the_way.sent.push_back(Sent { bytes, cursor: sealed });
        self.on_the_way.bytes += bytes;
        v1::FollowResponse {
            lane: i32::try_from(lane.number()).unwrap_or(0),
            frame,
            cursor: cursor.unwrap_or_default(),
        }
    }

    /// Everything up to the acknowledged batch is durable at the follower.
    fn acknowledge(&mut self, request: v1::FollowRequest) -> Result<(), Status> {
        let Some(v1::follow_request::Message::Ack(ack)) = request.message else {
            return Err(Status::invalid_argument("after the open come acknowledgements"));
        };
        let lane = lane_of(ack.lane)?;
        let foreign = || Status::invalid_argument("this cursor was not sent on this stream");
        // Every seal is another one, so the bytes themselves say which batch it is.
        let acked = |sent: &Sent| {
            sent.cursor.as_ref().is_some_and(|(of, _, seal)| *of == lane && *seal == ack.cursor)
        };
        let sent = &mut self.on_the_way.sent;
        let upto = sent.iter().position(acked).ok_or_else(foreign)?;
        let at_ms = self.hub.clock.now();
        for sent in sent.drain(..=upto) {
            self.on_the_way.bytes -= sent.bytes;
            if let Some((lane, position, _)) = sent.cursor {
                self.hub.acks.note(self.caller.site, lane, Ack { position, at_ms });
            }
        }
        if sent.is_empty() {
            // A catch-up leaves room for hundreds.
            sent.shrink_to(4);
        }
        Ok(())
    }
}

/// What `terms` let through after `after`: from the end of the journal in memory, or from the journal.
async fn read_on(
    hub: &Hub,
    terms: &Terms,
    held: &Heights,
    after: End,
    upto: i64,
) -> Result<(Option<Bytes>, End), Status> {
    if held.is_empty()
        && let Some(page) = hub.tail.page(&terms.filter, &terms.class, after.position, upto)
    {
        return Ok(page);
    }
    // Boxed: what reads the journal is large, and a follower that has caught up never does.
    let reading = Box::pin(read(hub, terms, held, after.position, upto, BATCH));
    reading.await.map_err(|error| store_failed(&error))
}
