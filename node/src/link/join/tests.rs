use lianbo_proto::v1::enrol_server::{Enrol, EnrolServer};
use lianbo_proto::v1::{JoinRequest, JoinResponse, RenewRequest, RenewResponse};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::*;
use crate::clock::ManualClock;
use crate::link::tls::testing::TestCa;
use crate::link::tls::{Acceptor, Connections, Limits, incoming};

const HUB: SiteId = SiteId([0x1b; 16]);
const OTHER: SiteId = SiteId([0x51; 16]);
const DAY: i64 = 86_400_000;
const NOW: i64 = 20_000 * DAY;

/// A hub that answers every join alike.
struct Hub(Result<JoinResponse, Status>);

#[tonic::async_trait]
impl Enrol for Hub {
    async fn join(&self, _: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        self.0.clone().map(Response::new)
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

/// Joins a hub that answers so, by a clock that says `now`; the hub's certificate is good around [`NOW`].
async fn try_join(now: i64, answer: Result<JoinResponse, Status>) -> JoinError {
    let ca = TestCa::new("county");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let key = ca.server(HUB, NOW - DAY, NOW + DAY);
    let clock = Arc::new(ManualClock::new(NOW));
    let acceptor = Acceptor::new(&ca.der(), watch::channel(key).1, clock).unwrap();
    let connections = Connections::new(Limits::default());
    let stop = CancellationToken::new();
    let stream = incoming(listener, acceptor, connections.clone(), stop.clone());
    let stopped = stop.clone().cancelled_owned();
    let task = TaskTracker::new().spawn(async move {
        tonic::transport::Server::builder()
            .add_service(EnrolServer::new(Hub(answer)))
            .serve_with_incoming_shutdown(stream, stopped)
            .await
            .unwrap();
    });
    let token = Token { secret: [7; 20], ca_fingerprint: ca.fingerprint() };
    let identity = Identity::generate(&mut rand::rng());
    let clock = Arc::new(ManualClock::new(now));
    let error = join(&url, &token, identity, None, clock).await.unwrap_err();
    stop.cancel();
    connections.close_all();
    task.await.unwrap();
    error
}

#[tokio::test]
async fn a_clock_outside_the_hubs_certificate_is_named() {
    for now in [NOW - 3 * DAY, NOW + 3 * DAY] {
        let error = try_join(now, Ok(JoinResponse::default())).await;
        let JoinError::Tls { source, .. } = error else { panic!("{error:?}") };
        assert!(matches!(source, TlsProblem::Clock { now_ms, .. } if now_ms == now), "{source:?}");
    }
}

#[tokio::test]
async fn a_hubs_refusal_is_shown_in_its_words_and_cannot_steer_a_terminal() {
    let error = try_join(NOW, Err(Status::failed_precondition("expired\u{1b}[31m\n"))).await;
    assert_eq!(error.to_string(), "the hub refuses: expired[31m");
    let long = try_join(NOW, Err(Status::not_found("长".repeat(2000)))).await;
    assert!(long.to_string().chars().count() < 600);
    let broken = try_join(NOW, Err(Status::unavailable("stopping"))).await;
    assert!(matches!(broken, JoinError::Broken(_)), "the token may be spent: {broken:?}");
}

#[tokio::test]
async fn an_answer_with_another_sites_certificate_is_not_taken() {
    let foreign = TestCa::new("elsewhere").site(OTHER, NOW - DAY, NOW + DAY);
    let certificates = foreign.chain.iter().map(|der| der.to_vec().into()).collect();
    let answer = JoinResponse { certificates, ..JoinResponse::default() };
    for answer in [answer, JoinResponse::default()] {
        let error = try_join(NOW, Ok(answer)).await;
        assert!(matches!(error, JoinError::Answer(_)), "{error:?}");
    }
}
