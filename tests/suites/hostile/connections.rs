//! Before any protocol: garbage, floods, and certificates that are no good.

use std::net::SocketAddr;
use std::sync::Arc;

use prost::Message;
use rand::RngExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::calls::{UNARY, ask, enveloped};
use super::ground::{Ground, PATIENCE, Shown};
use super::raw::Line;
use super::scenario::{Scenario, Seen, many, scenarios, tally};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![
        "garbage before TLS": garbage_before_tls => ["closed"],
        "connections without a word": connects => ["held", "dropped"],
        "handshakes half open": half_open => ["held", "closed"],
        "garbage inside TLS": garbage_inside_tls => ["GOAWAY PROTOCOL_ERROR", "closed"],
        "handshakes and nothing more": handshakes => ["held", "closed"],
        "no certificate": |ground| stranger(ground, Shown::Nothing) => ["UNAUTHENTICATED"],
        "a certificate of another CA": |ground| stranger(ground, Shown::Foreign) => ["closed"],
        "an expired certificate": |ground| stranger(ground, Shown::Expired) => ["UNAUTHENTICATED", "closed"],
        "a revoked certificate": |ground| stranger(ground, Shown::Revoked) => ["PERMISSION_DENIED", "closed"],
    ]
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::rng().fill(&mut bytes[..]);
    bytes
}

/// Says something and reads until the other end closes.
async fn say(to: SocketAddr, bytes: Vec<u8>) -> String {
    let Ok(mut tcp) = TcpStream::connect(to).await else { return "not let in".to_owned() };
    // A connection closed while this is written is an answer.
    drop(tcp.write_all(&bytes).await);
    match tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut Vec::new())).await {
        Ok(_) => "closed".to_owned(),
        Err(_) => "left open".to_owned(),
    }
}

async fn garbage_before_tls(ground: Arc<Ground>) -> Seen {
    let to = ground.grpc;
    many(400, move |index| {
        // A record header that promises more than a record may hold, and other protocols.
        let garbage = match index % 5 {
            0 => random(64 * 1024),
            1 => [&[0x16, 3, 1, 0xff, 0xff][..], &random(70_000)].concat(),
            2 => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            3 => super::raw::PREFACE.to_vec(),
            _ => [&[0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &random(100_000)].concat(),
        };
        say(to, garbage)
    })
    .await
}

/// Connections that come and go without a word, a few hundred at a time.
async fn connects(ground: Arc<Ground>) -> Seen {
    let mut held = std::collections::VecDeque::new();
    let mut seen = Vec::new();
    for _ in 0..ground.size(3_000, 50_000) {
        let connected = TcpStream::connect(ground.grpc).await;
        seen.push(if connected.is_ok() { "held" } else { "dropped" }.to_owned());
        held.extend(connected);
        if held.len() > 400 {
            held.pop_front();
        }
    }
    tally(seen)
}

/// The first bytes of a handshake, and no more.
async fn half_open(ground: Arc<Ground>) -> Seen {
    let mut held = Vec::new();
    for _ in 0..ground.size(500, 500) {
        let mut tcp = TcpStream::connect(ground.grpc).await.unwrap();
        tcp.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        held.push(tcp);
    }
    if !ground.full {
        return tally(held.iter().map(|_| "held".to_owned()));
    }
    let mut held = held.into_iter();
    many(held.len(), |_| {
        let mut tcp = held.next().unwrap();
        async move {
            let ended = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut Vec::new())).await;
            if ended.is_ok() { "closed" } else { "left open" }.to_owned()
        }
    })
    .await
}

async fn garbage_inside_tls(ground: Arc<Ground>) -> Seen {
    many(60, |index| {
        let ground = ground.clone();
        async move {
            let shown = if index % 2 == 0 { Shown::Nothing } else { Shown::Member };
            let Ok(tls) = ground.tls(shown).await else { return "closed".to_owned() };
            let (reader, writer) = tokio::io::split(tls);
            Line { reader, writer }.talk(std::iter::once(random(100_000))).await
        }
    })
    .await
}

/// As many whole handshakes as the hub takes; then nothing is said.
async fn handshakes(ground: Arc<Ground>) -> Seen {
    let mut held = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..ground.size(400, 2_000) {
        match ground.tls(Shown::Nothing).await {
            Ok(tls) => {
                held.push(tls);
                seen.push("held".to_owned());
            }
            Err(_) => seen.push("closed".to_owned()),
        }
    }
    tally(seen)
}

/// Calls with a certificate that is no good, or with none. Of those without there may be 256, and handshakes of the attack
/// before may hold all places until they are cleared away: then the hub hangs up, and is called again.
async fn stranger(ground: Arc<Ground>, shown: Shown) -> Seen {
    let hello = enveloped(&lianbo_tests::raw::hello(ground.member).encode_to_vec());
    many(15, |_| {
        let (ground, hello) = (ground.clone(), hello.clone());
        async move {
            loop {
                let answer = ask(&ground, shown, UNARY, hello.clone()).await;
                if answer != "closed" || !matches!(shown, Shown::Nothing) {
                    return answer;
                }
            }
        }
    })
    .await
}
