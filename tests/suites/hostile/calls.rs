//! Calls that keep to HTTP/2 and to nothing else.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use lianbo_node::entry::Lane;
use lianbo_node::wire::MAX_RAW;
use lianbo_proto::v1;
use lianbo_tests::raw::{hello, pull};
use prost::Message;

use super::ground::{Ground, PATIENCE, Shown};
use super::scenario::{Scenario, Seen, many, scenarios, tally};

/// A call with one question and one answer.
pub(super) const UNARY: &str = "/lianbo.v1.Sync/Hello";
pub(super) const PUSH: &str = "/lianbo.v1.Sync/Push";
pub(super) const FOLLOW: &str = "/lianbo.v1.Sync/Follow";
const PULL: &str = "/lianbo.v1.Sync/Pull";
const OFFER: &str = "/lianbo.v1.Sync/Offer";
pub(super) const JOIN: &str = "/lianbo.v1.Enrol/Join";

/// Names of status codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub(super) fn scenarios() -> Vec<Scenario> {
    const TOO_LARGE: &str = "OUT_OF_RANGE";
    const BAD: &str = "INVALID_ARGUMENT";
    // To who begins more calls than agreed, before it has read what is agreed (RFC 9113, 5.1.2).
    const REFUSED: &str = "RESET Some(REFUSED_STREAM)";
    scenarios![
        "a message said to be of 4 GiB": said_large => [TOO_LARGE, "UNAUTHENTICATED"],
        "messages cut short": cut_short => ["INTERNAL", "INVALID_ARGUMENT", "UNAUTHENTICATED"],
        "messages of garbage": garbage => ["INTERNAL", BAD, "UNAUTHENTICATED"],
        "methods that are none": no_methods => ["UNIMPLEMENTED", "UNAUTHENTICATED", REFUSED, "closed"],
        "gzip where none was agreed": gzip => ["UNIMPLEMENTED"],
        "other types than gRPC's": types => ["HTTP 415", "UNAUTHENTICATED"],
        "a zstd bomb": zstd_bomb => [BAD, "UNAVAILABLE"],
        "a zstd bomb in a zstd bomb": nested_bomb => [BAD, "UNAVAILABLE"],
        "a frame of four million entries": entry_bomb => [BAD, "UNAVAILABLE"],
        "ten thousand subscriptions": subscriptions => [BAD],
        "two million heights": heights_bomb => [BAD, TOO_LARGE, "UNAVAILABLE"],
        "a flood of Hello": hello_flood => ["OK", "UNAVAILABLE", "RESOURCE_EXHAUSTED", REFUSED],
    ]
}

/// A message behind its head (gRPC over HTTP/2, Length-Prefixed-Message).
pub(super) fn enveloped(message: &[u8]) -> Vec<u8> {
    with_length(message.len(), message)
}

fn with_length(length: usize, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes
}

/// A connection that speaks HTTP/2 by its rules, with windows of this size.
pub(super) async fn open(ground: &Ground, shown: Shown, window: u32) -> Option<SendRequest<Bytes>> {
    let tls = ground.tls(shown).await.ok()?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window).initial_connection_window_size(65_535);
    let (requests, connection) = builder.handshake(tls).await.ok()?;
    tokio::spawn(async move {
        // Its end is seen by whoever waits for an answer.
        drop(connection.await);
    });
    Some(requests)
}

/// The head of a call.
pub(super) fn head(path: &str) -> http::request::Builder {
    let builder = Request::post(format!("https://localhost{path}"));
    builder.header("content-type", "application/grpc").header("te", "trailers")
}

/// Sends a body as far as the other side lets it go.
pub(super) async fn pour(stream: &mut h2::SendStream<Bytes>, mut rest: Bytes, end: bool) -> bool {
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(Ok(room)) = room else { return false };
        if stream.send_data(rest.split_to(room.min(rest.len())), false).is_err() {
            return false;
        }
    }
    !end || stream.send_data(Bytes::new(), true).is_ok()
}

/// What came of a call: its status, by name.
pub(super) async fn status(response: h2::client::ResponseFuture) -> String {
    let response = match response.await {
        Ok(response) => response,
        Err(error) => return ended(&error),
    };
    let named = |headers: &http::HeaderMap| {
        let code = headers.get("grpc-status")?.to_str().ok()?.parse::<usize>().ok()?;
        Some(CODES.get(code).copied().unwrap_or("?").to_owned())
    };
    if !response.status().is_success() {
        return format!("HTTP {}", response.status().as_u16());
    }
    if let Some(status) = named(response.headers()) {
        return status;
    }
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return "closed".to_owned() };
        drop(body.flow_control().release_capacity(data.len()));
    }
    match body.trailers().await {
        Ok(Some(trailers)) => named(&trailers).unwrap_or_else(|| "no status".to_owned()),
        Ok(None) => "no trailers".to_owned(),
        Err(error) => ended(&error),
    }
}

fn ended(error: &h2::Error) -> String {
    if error.is_go_away() || error.is_io() || error.reason().is_none() {
        return "closed".to_owned();
    }
    format!("RESET {:?}", error.reason())
}

/// One call over one connection; its status.
pub(super) async fn ask(
    ground: &Ground,
    shown: Shown,
    path: &str,
    body: impl Into<Bytes>,
) -> String {
    let Some(requests) = open(ground, shown, 65_535).await else { return "closed".to_owned() };
    ask_over(requests, head(path), body.into()).await
}

async fn ask_over(
    requests: SendRequest<Bytes>,
    head: http::request::Builder,
    body: Bytes,
) -> String {
    let asked = async {
        let Ok(mut requests) = requests.ready().await else { return "closed".to_owned() };
        let (response, mut stream) = requests.send_request(head.body(()).unwrap(), false).unwrap();
        // Refused in the middle of it, or taken whole: the status tells.
        let (answer, _) = tokio::join!(status(response), pour(&mut stream, body, true));
        answer
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| "no answer".to_owned())
}

/// These bodies to these paths, by a member and by nobody.
async fn each(ground: Arc<Ground>, paths: &[&'static str], bodies: Vec<Vec<u8>>) -> Seen {
    let mut calls = Vec::new();
    for path in paths {
        for body in &bodies {
            calls.extend([Shown::Member, Shown::Nothing].map(|shown| (*path, body.clone(), shown)));
        }
    }
    let mut seen = Vec::new();
    for (path, body, shown) in calls {
        seen.push(ask(&ground, shown, path, body).await);
    }
    tally(seen)
}

async fn said_large(ground: Arc<Ground>) -> Seen {
    let large = with_length(u32::MAX as usize, &[0; 1000]);
    each(ground, &[UNARY, PUSH, FOLLOW, PULL, OFFER], vec![large]).await
}

async fn cut_short(ground: Arc<Ground>) -> Seen {
    let whole = enveloped(&hello(ground.member).encode_to_vec());
    let cut = vec![whole[..3].to_vec(), whole[..whole.len() - 1].to_vec()];
    each(ground, &[UNARY, PUSH, FOLLOW, PULL, OFFER, JOIN], cut).await
}

async fn garbage(ground: Arc<Ground>) -> Seen {
    let bodies = vec![enveloped(&[0xff; 5_000]), enveloped(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])];
    each(ground, &[UNARY, PUSH, FOLLOW, PULL, OFFER, JOIN], bodies).await
}

async fn no_methods(ground: Arc<Ground>) -> Seen {
    let count = ground.size(1_000, 20_000);
    let requests = open(&ground, Shown::Nothing, 65_535).await.unwrap();
    many(count, |index| {
        let requests = requests.clone();
        async move {
            let paths = ["/", "/lianbo.v1.Sync/", "/lianbo.v1.Sync/%00", "/../../etc/passwd"];
            let path = paths.get(index % 8).map_or("/no.Such/Method", |path| *path);
            ask_over(requests, head(path), Bytes::new()).await
        }
    })
    .await
}

async fn gzip(ground: Arc<Ground>) -> Seen {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![0; 3_000_000]).unwrap();
    let mut body = enveloped(&bomb.finish().unwrap());
    body[0] = 1;
    let body = Bytes::from(body);
    let mut seen = Vec::new();
    for path in [UNARY, PUSH, FOLLOW, PULL, OFFER] {
        for encoding in ["gzip", "zstd", "none such"] {
            let requests = open(&ground, Shown::Member, 65_535).await.unwrap();
            seen.push(
                ask_over(requests, head(path).header("grpc-encoding", encoding), body.clone())
                    .await,
            );
        }
    }
    tally(seen)
}

async fn types(ground: Arc<Ground>) -> Seen {
    let mut seen = Vec::new();
    for kind in ["text/html", "application/json", "application/grpc-web", "application/grpc+json"] {
        let requests = open(&ground, Shown::Nothing, 65_535).await.unwrap();
        let head = Request::post(format!("https://localhost{UNARY}")).header("content-type", kind);
        seen.push(ask_over(requests, head, enveloped(b"{}").into()).await);
    }
    tally(seen)
}

fn push(frame: Vec<u8>) -> Vec<u8> {
    enveloped(&v1::PushRequest { frame: frame.into() }.encode_to_vec())
}

async fn pushes(ground: Arc<Ground>, count: usize, frame: Vec<u8>) -> Seen {
    let body = Bytes::from(push(frame));
    let mut seen = Seen::new();
    // More at once than one site may have.
    for _ in 0..count {
        let once = many(4, |_| {
            let (ground, body) = (ground.clone(), body.clone());
            async move { ask(&ground, Shown::Member, PUSH, body).await }
        });
        for (outcome, count) in once.await {
            *seen.entry(outcome).or_default() += count;
        }
    }
    seen
}

async fn zstd_bomb(ground: Arc<Ground>) -> Seen {
    let bomb =
        zstd::stream::encode_all(std::io::Read::take(std::io::repeat(0), 256 << 20), 1).unwrap();
    let rounds = ground.size(3, 100);
    pushes(ground, rounds, bomb).await
}

async fn nested_bomb(ground: Arc<Ground>) -> Seen {
    let mut bomb = vec![0; MAX_RAW];
    for _ in 0..3 {
        bomb = zstd::bulk::compress(&bomb, 19).unwrap();
    }
    let rounds = ground.size(3, 100);
    pushes(ground, rounds, bomb).await
}

/// Entries of nothing, two bytes each.
async fn entry_bomb(ground: Arc<Ground>) -> Seen {
    let bomb = zstd::bulk::compress(&[0x0a, 0].repeat(MAX_RAW / 2), 1).unwrap();
    let rounds = ground.size(3, 100);
    pushes(ground, rounds, bomb).await
}

async fn subscriptions(ground: Arc<Ground>) -> Seen {
    let column = v1::Subscription { site: Bytes::new(), column: "news".into() };
    let subscriptions = vec![column; 10_000];
    let hello = v1::HelloRequest { subscriptions: subscriptions.clone(), ..hello(ground.member) };
    let pull = v1::PullRequest { subscriptions: subscriptions.clone(), ..pull(Lane::Content) };
    let open = v1::FollowOpen { subscriptions, ..v1::FollowOpen::default() };
    let follow = v1::FollowRequest { message: Some(v1::follow_request::Message::Open(open)) };
    let asked = [
        (UNARY, hello.encode_to_vec()),
        (PULL, pull.encode_to_vec()),
        (FOLLOW, follow.encode_to_vec()),
    ];
    let mut seen = Vec::new();
    for (path, message) in asked {
        seen.push(ask(&ground, Shown::Member, path, enveloped(&message)).await);
    }
    tally(seen)
}

/// Heights of nothing, two bytes each, in every call that names heights.
async fn heights_bomb(ground: Arc<Ground>) -> Seen {
    let nothing = vec![v1::LogHeight::default(); 2_000_000];
    let hello = v1::HelloRequest { own: nothing.clone(), ..hello(ground.member) }.encode_to_vec();
    let offer = v1::OfferRequest { held: nothing.clone() }.encode_to_vec();
    let open = v1::FollowOpen { held: nothing, ..v1::FollowOpen::default() };
    let follow = v1::FollowRequest { message: Some(v1::follow_request::Message::Open(open)) };
    let asked = [(UNARY, hello), (OFFER, offer), (FOLLOW, follow.encode_to_vec())];
    many(6, |index| {
        let (ground, (path, message)) = (ground.clone(), asked[index % 3].clone());
        async move { ask(&ground, Shown::Member, path, enveloped(&message)).await }
    })
    .await
}

async fn hello_flood(ground: Arc<Ground>) -> Seen {
    let body = Bytes::from(enveloped(&hello(ground.member).encode_to_vec()));
    let mut connections = Vec::new();
    for _ in 0..8 {
        connections.push(open(&ground, Shown::Member, 65_535).await.unwrap());
    }
    let mut connections = connections.into_iter().cycle();
    many(ground.size(3_000, 100_000), |_| {
        let (requests, body) = (connections.next().unwrap(), body.clone());
        async move { ask_over(requests, head(UNARY), body).await }
    })
    .await
}
