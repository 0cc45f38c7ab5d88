//! Callers that begin much and end nothing: what they make the hub hold is bounded.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

use lianbo_proto::v1;
use prost::Message;

use super::calls::{FOLLOW, JOIN, PUSH, UNARY, enveloped, head, open, pour, status};
use super::ground::{Ground, Shown};
use super::scenario::{Scenario, Seen, many, scenarios};

/// Connections one site may have, and calls on each.
const CONNECTIONS: usize = 16;
const CALLS: usize = 32;
/// A little less than a message may have.
const UNFINISHED: usize = 4_200_000;
/// How long they stay.
const STAY: Duration = Duration::from_secs(2);

/// Never answered because it never ended, told to come back, or cut.
const EXPECTED: [&str; 5] = ["waits", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "RESET", "closed"];

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![
        "messages of 4 MiB never ended, by a site": |it| unended(it, Shown::Member, UNARY, UNFINISHED) => EXPECTED,
        "openings of 4 MiB never ended, by a site": |it| unended(it, Shown::Member, FOLLOW, UNFINISHED) => EXPECTED,
        "pushes of 4 MiB never ended, by a site": |it| unended(it, Shown::Member, PUSH, UNFINISHED) => EXPECTED,
        "messages of 4 MiB never ended, by nobody": |it| unended(it, Shown::Nothing, UNARY, UNFINISHED) => ["UNAUTHENTICATED", "RESET Some(REFUSED_STREAM)", "waits", "closed"],
        "messages of 64 KiB never ended, by nobody": |it| unended(it, Shown::Nothing, JOIN, 65_000) => EXPECTED,
        "followers that do not read": unread => EXPECTED,
        "pushes whose answers nobody reads": unanswered => EXPECTED,
    ]
}

/// So many calls at once on each of so many connections. They send `body`, do not end, and never let
/// the hub send more of an answer than `window`.
async fn calls(
    ground: Arc<Ground>,
    shown: Shown,
    path: &'static str,
    body: Bytes,
    window: u32,
) -> Seen {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.extend(open(&ground, shown, window).await);
    }
    assert!(!connections.is_empty(), "the hub lets somebody in");
    let mut next = connections.into_iter().cycle();
    many(CONNECTIONS * CALLS, |_| {
        let (requests, body) = (next.next().unwrap(), body.clone());
        async move {
            let call = async {
                let Ok(mut requests) = requests.ready().await else { return "closed".to_owned() };
                let head = head(path).body(()).unwrap();
                let Ok((response, mut stream)) = requests.send_request(head, false) else {
                    return "closed".to_owned();
                };
                tokio::join!(status(response), pour(&mut stream, body, false)).0
            };
            tokio::time::timeout(STAY, call).await.unwrap_or_else(|_| "waits".to_owned())
        }
    })
    .await
}

async fn unended(ground: Arc<Ground>, shown: Shown, path: &'static str, size: usize) -> Seen {
    let mut body = enveloped(&vec![0; size + 50]);
    body.truncate(size);
    calls(ground, shown, path, body.into(), 65_535).await
}

async fn unread(ground: Arc<Ground>) -> Seen {
    let open = v1::follow_request::Message::Open(v1::FollowOpen::default());
    let body = enveloped(&v1::FollowRequest { message: Some(open) }.encode_to_vec());
    calls(ground, Shown::Member, FOLLOW, body.into(), 0).await
}

async fn unanswered(ground: Arc<Ground>) -> Seen {
    let body = enveloped(&v1::PushRequest::default().encode_to_vec()).repeat(20_000);
    calls(ground, Shown::Member, PUSH, body.into(), 0).await
}
