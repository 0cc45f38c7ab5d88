//! The lines of one listener: HTTP/2 on each, and all that is done for its peer charged to the peer's share.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use futures_util::{Stream, StreamExt};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lianbo_node::cores::Share;
use lianbo_node::link::tls::PeerInfo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::transport::server::Connected;
use tower::ServiceExt as _;
use tracing::debug;

/// Calls under way on one connection; a node needs seven, and who has no certificate yet one.
const STREAMS: u32 = 32;
const STRANGERS_STREAMS: u32 = 4;
/// How long a call with one question may take, its message and its answer together; a stream until it has begun.
const CALL_WITHIN: Duration = Duration::from_mins(10);
/// Streams that a caller opened and reset before they were looked at; more end the connection. A node opens a call to
/// have its answer; whoever opens and resets without end has more of them in one read, however small a part that is.
const RESETS: usize = 4;
/// Bytes of the headers of a call.
const MAX_HEADERS: u32 = 16 * 1024;
/// Bytes a caller may send ahead, on one stream and on all together.
const STREAM_WINDOW: u32 = 1024 * 1024;
const LINE_WINDOW: u32 = 4 * 1024 * 1024;
/// After how long without a word the other end is asked whether it is there, and how long it may take to say so.
const SILENCE: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Serves every line that comes in until `stop`; then takes no more, and returns when those there are have ended.
pub(super) async fn serve<IO>(
    routes: Router,
    incoming: impl Stream<Item = std::io::Result<IO>>,
    stop: CancellationToken,
) where
    IO: AsyncRead + AsyncWrite + Connected<ConnectInfo = PeerInfo> + Unpin + Send + 'static,
{
    let tasks = TaskTracker::new();
    {
        let mut incoming = pin!(incoming.take_until(stop.cancelled()));
        while let Some(line) = incoming.next().await {
            match line {
                Ok(line) => {
                    let charged =
                        Charged { share: line.connect_info().share, tasks: tasks.clone() };
                    let (routes, stop) = (routes.clone(), stop.clone());
                    charged.execute(serve_line(line, routes, charged.clone(), stop));
                }
                Err(error) => debug!(%error, "a line did not come about"),
            }
        }
    }
    tasks.close();
    tasks.wait().await;
}

fn serve_line<IO>(
    line: IO,
    routes: Router,
    tasks: Charged,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send
where
    IO: AsyncRead + AsyncWrite + Connected<ConnectInfo = PeerInfo> + Unpin + Send + 'static,
{
    let peer = line.connect_info();
    let streams = if peer.peer.is_some() { STREAMS } else { STRANGERS_STREAMS };
    let mut http = Builder::new(tasks);
    http.timer(TokioTimer::new())
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(ANSWER_WITHIN)
        .max_pending_accept_reset_streams(RESETS)
        .max_concurrent_streams(streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(LINE_WINDOW)
        .max_header_list_size(MAX_HEADERS);
    let calls = service_fn(move |request| answer(routes.clone(), peer.clone(), request));
    let mut served = Box::pin(http.serve_connection(TokioIo::new(line), calls));
    async move {
        let done = tokio::select! {
            done = served.as_mut() => done,
            () = stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = done {
            debug!(%error, "a line ended badly");
        }
    }
}

async fn answer(
    routes: Router,
    peer: PeerInfo,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let answered = tokio::time::timeout(CALL_WITHIN, routes.oneshot(request)).await;
    answered.unwrap_or_else(|_| {
        Ok(Status::deadline_exceeded("a call may take ten minutes").into_http())
    })
}

/// Runs what belongs to one peer's lines.
#[derive(Clone, Debug)]
struct Charged {
    share: Share,
    tasks: TaskTracker,
}

impl<F> Executor<F> for Charged
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, work: F) {
        self.tasks.spawn(self.share.charged(work));
    }
}
