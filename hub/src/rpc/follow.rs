//! Follow: a stream that catches up and then carries new entries as they commit.
//!
//! Control before live before catch-up. No backlog is kept for a follower: what it has not acknowledged
//! is a window of sizes; the bytes are in the journal, or shared in the tail.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lianbo_node::entry::Lane;
use lianbo_node::heights::Heights;
use lianbo_node::journal::{End, Meta};
use lianbo_node::sync::filter::Filter;
use lianbo_node::wire::heights_from_proto;
use lianbo_proto::v1;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use super::caller::{Caller, no_longer_here, store_failed, subscriptions};
use super::cursor::Cursor;
use super::pull::{BATCH, read, resume, seal};
use super::{Service, WINDOW};
use crate::acks::Ack;
use crate::hub::{Hub, Members};

pub(super) type FollowStream = ReceiverStream<Result<v1::FollowResponse, Status>>;

/// How long a caller may take to say what it wants.
const OPENING: Duration = Duration::from_secs(15);

impl Service {
    pub(super) async fn answer_follow(
        &self,
        request: Request<Streaming<v1::FollowRequest>>,
    ) -> Result<FollowStream, Status> {
        let caller = self.caller(&request)?;
        let mut inbound = request.into_inner();
        let first = tokio::time::timeout(OPENING, inbound.message()).await;
        let first =
            first.map_err(|_| Status::deadline_exceeded("a stream begins with an open"))??;
        let Some(v1::follow_request::Message::Open(open)) = first.and_then(|first| first.message)
        else {
            return Err(Status::invalid_argument("a stream begins with an open"));
        };
        let (out, outbound) = mpsc::channel(2);
        let mut follower = self.follower(caller, open, out).await?;
        let stop = self.hub.stop.clone();
        self.hub.tasks.spawn(async move {
            let result = tokio::select! {
                () = stop.cancelled() => {
                    Err(super::caller::later("the hub is stopping", Duration::from_secs(2)))
                }
                result = follower.run(inbound) => result,
            };
            if let Err(status) = result
                && follower.out.send(Err(status)).await.is_err()
            {
                tracing::debug!("the follower had gone already");
            }
        });
        Ok(ReceiverStream::new(outbound))
    }

    async fn follower(
        &self,
        caller: Caller,
        open: v1::FollowOpen,
        out: mpsc::Sender<Result<v1::FollowResponse, Status>>,
    ) -> Result<Follower, Status> {
        let held = heights_from_proto(open.held)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let subscriptions = subscriptions(open.subscriptions)?;
        if open.cursors.len() > 2 {
            return Err(Status::invalid_argument("one cursor a lane"));
        }
        let meta = self.hub.members().meta.clone();
        let filter = |lane| self.filter(&caller, lane, &subscriptions, open.refill);
        let (control_filter, content_filter) = (filter(Lane::Control), filter(Lane::Content));
        let (mut control, mut content) = (End::START, End::START);
        for named in &open.cursors {
            match lane_of(named.lane)? {
                Lane::Control => {
                    control = resume(&self.hub, &meta, &control_filter, &named.cursor).await?;
                }
                Lane::Content => {
                    content = resume(&self.hub, &meta, &content_filter, &named.cursor).await?;
                }
            }
        }
        let tail = self.hub.tail.end();
        let now = *tail.borrow();
        let behind = content.position < now.position;
        Ok(Follower {
            members: self.hub.watch(),
            hub: self.hub.clone(),
            caller,
            meta,
            tail,
            held,
            out,
            control: LaneState { filter: control_filter, end: control, settle: true },
            content: LaneState { filter: content_filter, end: content, settle: true },
            live: behind.then_some(Live { target: now.position, end: now }),
            unacked: VecDeque::new(),
            unacked_bytes: 0,
        })
    }
}

/// One lane of one follower.
struct LaneState {
    filter: Filter,
    end: End,
    /// Its cursor has to be told once it has caught up, even with nothing to carry: the next stream then
    /// begins there. Never again after that: a cursor that moves without entries would tell of hidden ones.
    settle: bool,
}

/// New content, sent ahead of a catch-up that ends at `target`.
struct Live {
    target: i64,
    end: End,
}

struct Follower {
    hub: Arc<Hub>,
    caller: Caller,
    meta: Meta,
    members: watch::Receiver<Arc<Members>>,
    tail: watch::Receiver<End>,
    held: Heights,
    out: mpsc::Sender<Result<v1::FollowResponse, Status>>,
    control: LaneState,
    content: LaneState,
    live: Option<Live>,
    unacked: VecDeque<Sent>,
    unacked_bytes: usize,
}

/// A batch on its way, until it is acknowledged.
struct Sent {
    bytes: usize,
    /// Lane and position of its cursor; none for live entries sent ahead.
    cursor: Option<(Lane, i64)>,
}

impl Follower {
    async fn run(&mut self, mut inbound: Streaming<v1::FollowRequest>) -> Result<(), Status> {
        loop {
            if self.caller.not_after_ms <= self.hub.clock.now() {
                return Err(Status::unauthenticated("the certificate has expired; call Renew"));
            }
            self.check_link()?;
            let room = self.unacked_bytes < WINDOW;
            let message = if room { self.next().await? } else { self.probe() };
            if let Some(message) = message {
                if self.out.send(Ok(message)).await.is_err() {
                    return Ok(());
                }
                continue;
            }
            if room && self.unacked.is_empty() {
                self.note_caught_up();
            }
            tokio::select! {
                request = inbound.message() => match request? {
                    Some(request) => self.acknowledge(request)?,
                    None => return Ok(()),
                },
                changed = self.tail.changed(), if room => if changed.is_err() {
                    return Ok(());
                },
                changed = self.members.changed() => if changed.is_err() {
                    return Ok(());
                },
                () = self.out.closed() => return Ok(()),
            }
        }
    }

    /// A stream ends when another ceiling binds its reader, or the journal begins anew: its filter and its
    /// cursors are no good any more.
    fn check_link(&mut self) -> Result<(), Status> {
        let members = self.members.borrow_and_update();
        let now = self.caller.now(&members).ok_or_else(no_longer_here)?;
        if now.reader == self.caller.reader && members.meta.epoch == self.meta.epoch {
            return Ok(());
        }
        Err(Status::aborted("what goes over this link has changed; call Hello"))
    }

    /// The next batch: control, then what is new, then what is missing.
    async fn next(&mut self) -> Result<Option<v1::FollowResponse>, Status> {
        loop {
            let now = *self.tail.borrow_and_update();
            if self.control.end.position < now.position {
                let (frame, end) =
                    self.read(&self.control.filter, self.control.end, now.position).await?;
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
                let (frame, end) = self.read(&self.content.filter, from, now.position).await?;
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
                    self.read(&self.content.filter, self.content.end, target).await?;
                self.content.end = end;
                if let Some(frame) = frame {
                    return Ok(Some(self.message(Lane::Content, frame, true)));
                }
            } else if self.content.end.position < now.position {
                let (frame, end) =
                    self.read(&self.content.filter, self.content.end, now.position).await?;
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
        let at_ms = self.hub.clock.now();
        for (lane, state) in [(Lane::Control, &self.control), (Lane::Content, &self.content)] {
            let position = state.end.position;
            if self.hub.acks.position(self.caller.site, lane) != position {
                self.hub.acks.note(self.caller.site, lane, Ack { position, at_ms });
            }
        }
    }

    /// The window is full of live entries, which have no cursor to be acknowledged by: gives one.
    fn probe(&mut self) -> Option<v1::FollowResponse> {
        let blind = self.unacked.back().is_some_and(|sent| sent.cursor.is_none());
        blind.then(|| self.message(Lane::Content, Bytes::new(), true))
    }

    async fn read(
        &self,
        filter: &Filter,
        after: End,
        upto: i64,
    ) -> Result<(Option<Bytes>, End), Status> {
        if self.held.is_empty()
            && let Some(segment) = self.hub.tail.segment(after.position)
            && segment.end.position <= upto
        {
            return Ok((segment.frame(filter), segment.end));
        }
        read(&self.hub, filter, &self.held, after.position, upto, BATCH)
            .await
            .map_err(|error| store_failed(&error))
    }

    fn message(&mut self, lane: Lane, frame: Bytes, with_cursor: bool) -> v1::FollowResponse {
        let state = match lane {
            Lane::Control => &self.control,
            Lane::Content => &self.content,
        };
        let cursor = with_cursor.then(|| seal(&self.meta, &state.filter, state.end));
        let position = with_cursor.then_some((lane, state.end.position));
        // Wrapping and cursor count, so that even empty batches fill a window.
        let bytes = frame.len() + 256;
        self.unacked.push_back(Sent { bytes, cursor: position });
        self.unacked_bytes += bytes;
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
        let cursor = Cursor::open(&self.meta.cursor_key, &ack.cursor).ok_or_else(foreign)?;
        let acked = Some((lane, cursor.end.position));
        let upto = self.unacked.iter().position(|sent| sent.cursor == acked).ok_or_else(foreign)?;
        let at_ms = self.hub.clock.now();
        for sent in self.unacked.drain(..=upto) {
            self.unacked_bytes -= sent.bytes;
            if let Some((lane, position)) = sent.cursor {
                self.hub.acks.note(self.caller.site, lane, Ack { position, at_ms });
            }
        }
        Ok(())
    }
}

/// A lane from the wire.
pub(super) fn lane_of(lane: i32) -> Result<Lane, Status> {
    Lane::from_number(lane.into()).ok_or_else(|| Status::invalid_argument("unknown lane"))
}
