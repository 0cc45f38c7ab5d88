//! Follow: a stream that catches up and then carries new entries as they commit.

mod body;
mod follower;

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{self, HeaderValue};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use lianbo_node::entry::Lane;
use lianbo_node::journal::End;
use lianbo_node::wire::heights_from_proto;
use lianbo_proto::v1;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor as _;
use tonic::{Request, Status};

use self::body::Batches;
use self::follower::{Follower, LaneState, Live, OnTheWay};
use super::Service;
use super::caller::{Caller, subscriptions};
use super::gate::Gate;
use super::messages::Requests;
use super::pull::{Terms, resume};

/// What a follower gets: batches, and at the end perhaps the reason.
pub(super) type FollowStream = BoxStream<'static, Result<v1::FollowResponse, Status>>;

/// What a follower says: an open, then acknowledgements.
pub(super) trait Said:
    Stream<Item = Result<v1::FollowRequest, Status>> + Unpin + Send + 'static
{
}

impl<S: Stream<Item = Result<v1::FollowRequest, Status>> + Unpin + Send + 'static> Said for S {}

/// How long a caller may take to say what it wants.
const OPENING: Duration = Duration::from_secs(15);

impl Service {
    /// Answers a call of Follow.
    pub(super) async fn serve_follow(
        &self,
        mut gate: Gate,
        request: http::Request<Body>,
    ) -> http::Response<Body> {
        let (parts, body) = request.into_parts();
        let metadata = MetadataMap::from_headers(parts.headers);
        let request = gate.call(Request::from_parts(metadata, parts.extensions, ()));
        let opened = match request.and_then(|request| self.caller(&request)) {
            Ok(caller) => self.answer_follow(caller, Requests::new(body)).await,
            Err(status) => Err(status),
        };
        match opened {
            Ok(stream) => {
                let mut response = http::Response::new(Body::new(Batches::new(stream)));
                let grpc = HeaderValue::from_static("application/grpc");
                response.headers_mut().insert(CONTENT_TYPE, grpc);
                response
            }
            Err(status) => status.into_http(),
        }
    }

    /// Opens a stream. It runs where its batches are taken from: one that is not read from costs nothing, and one
    /// that is dropped has ended.
    pub(super) async fn answer_follow(
        &self,
        caller: Caller,
        mut said: impl Said,
    ) -> Result<FollowStream, Status> {
        let first = tokio::time::timeout(OPENING, said.next()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("a stream begins with an open"))?;
        let first = first.transpose()?.and_then(|first| first.message);
        let Some(v1::follow_request::Message::Open(open)) = first else {
            return Err(Status::invalid_argument("a stream begins with an open"));
        };
        let follower = Box::new(self.follower(caller, open, said).await?);
        let stream = stream::unfold(Some(follower), async |follower| {
            let mut follower = follower?;
            let next = follower.next().await.transpose()?;
            let goes_on = next.is_ok().then_some(follower);
            Some((next, goes_on))
        });
        Ok(stream.boxed())
    }

    async fn follower<S: Said>(
        &self,
        caller: Caller,
        open: v1::FollowOpen,
        said: S,
    ) -> Result<Follower<S>, Status> {
        let held = heights_from_proto(open.held)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let subscriptions = subscriptions(open.subscriptions)?;
        if open.cursors.len() > 2 {
            return Err(Status::invalid_argument("one cursor a lane"));
        }
        let meta = self.hub.members().meta.clone();
        let terms = |lane| Terms::new(self.filter(&caller, lane, &subscriptions, open.refill));
        let (of_control, of_content) = (terms(Lane::Control), terms(Lane::Content));
        let (mut control, mut content) = (End::START, End::START);
        for named in &open.cursors {
            match lane_of(named.lane)? {
                Lane::Control => {
                    control = resume(&self.hub, &meta, &of_control, &named.cursor).await?;
                }
                Lane::Content => {
                    content = resume(&self.hub, &meta, &of_content, &named.cursor).await?;
                }
            }
        }
        let tail = self.hub.tail.end();
        let now = *tail.borrow();
        let behind = content.position < now.position;
        Ok(Follower {
            hub: self.hub.clone(),
            caller,
            meta,
            // Whoever called may have been known otherwise then: it says what it wants later.
            checked: None,
            tail,
            held,
            control: LaneState { terms: of_control, end: control, settle: true },
            content: LaneState { terms: of_content, end: content, settle: true },
            live: behind.then_some(Live { target: now.position, end: now }),
            said,
            on_the_way: OnTheWay::default(),
        })
    }
}

/// A lane from the wire.
pub(super) fn lane_of(lane: i32) -> Result<Lane, Status> {
    Lane::from_number(lane.into()).ok_or_else(|| Status::invalid_argument("unknown lane"))
}
