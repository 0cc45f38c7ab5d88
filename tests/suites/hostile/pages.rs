//! Hostile visitors of the pages and of the figures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lianbo_node::web::Bounds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ground::{Ground, PATIENCE};
use super::http1::{ask, codes, exchange};
use super::scenario::{Scenario, Seen, many, scenarios, tally};

/// How long slow visitors stay, where they are not there until they are cut.
const STAY: Duration = Duration::from_secs(2);
/// Visitors at once.
const CROWD: usize = 300;

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![
        "garbage": garbage => ["400 closed", "431 closed", "closed"],
        "heads a byte at a time": slowloris => ["slow", "cut", "408"],
        "large headers": large_headers => ["431 closed", "closed"],
        "addresses of 100 KB": large_address => ["414 closed", "431 closed", "closed"],
        "bodies of 10 MB": large_body => ["413", "405", "400", "404 closed", "431", "closed"],
        "chunks that are none": bad_chunks => ["200", "404", "400", "405", "closed"],
        "two requests in one (smuggling)": smuggling => ["400 closed", "404 closed", "405 closed", "closed"],
        "pipelines": pipelines => ["200 each"],
        "ranges without end": ranges => ["200"],
        "ways out of the folder": ways_out => ["404 open", "400 closed"],
        "odd methods": methods => ["405", "400", "404"],
        "a large page nobody reads": unread => ["slow", "cut"],
        "connections without a word": idle => ["held", "closed"],
        "a gzip bomb as a body": gzip_body => ["413", "405", "400", "404 closed", "closed"],
        "HTTP/2 where there is none": http2 => ["400", "404 open", "closed"],
        "a flood of pages": flood => ["200", "503", "open"],
    ]
}

/// The same to both ports.
async fn both(ground: &Ground, requests: Vec<Vec<u8>>) -> Seen {
    let to = [ground.pages, ground.metrics];
    let requests = Arc::new(requests);
    many(2 * requests.len(), |index| {
        let (to, requests) = (to[index % 2], requests.clone());
        async move { ask(to, &requests[index / 2]).await }
    })
    .await
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").into_bytes()
}

async fn garbage(ground: Arc<Ground>) -> Seen {
    let mut requests = Vec::new();
    for index in 0..50_u8 {
        requests.push(
            (0..=255_u8).cycle().take(20_000).map(|at| at.wrapping_mul(index | 0x81)).collect(),
        );
        requests.push(vec![index; 40_000]);
        requests.push(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec());
    }
    both(&ground, requests).await
}

/// Until `STAY` is over, or they are cut.
async fn slowly(mut tcp: TcpStream, drip: &'static [u8], full: bool) -> String {
    let began = Instant::now();
    let stay = if full { PATIENCE } else { STAY };
    let mut answer = [0; 512];
    for byte in drip.iter().cycle() {
        if began.elapsed() > stay {
            return "slow".to_owned();
        }
        if tcp.write_all(&[*byte]).await.is_err() {
            return "cut".to_owned();
        }
        let waited = tokio::time::timeout(Duration::from_millis(100), tcp.read(&mut answer)).await;
        if let Ok(read) = waited {
            let told = codes(&answer[..read.unwrap_or(0)]);
            return told.first().cloned().unwrap_or_else(|| "cut".to_owned());
        }
    }
    "slow".to_owned()
}

async fn slowloris(ground: Arc<Ground>) -> Seen {
    let to = [ground.pages, ground.metrics];
    let full = ground.full;
    let seen = many(CROWD, |index| async move {
        let mut tcp = TcpStream::connect(to[index % 2]).await.unwrap();
        tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
        slowly(tcp, b"y", full).await
    })
    .await;
    if full {
        assert!(!seen.contains_key("slow"), "none outstays its time: {seen:?}");
    }
    seen
}

async fn large_headers(ground: Arc<Ground>) -> Seen {
    let long = format!("X: {}\r\n", "y".repeat(1_000_000));
    let many = "X: y\r\n".repeat(50_000);
    let name = format!("{}: y\r\n", "x".repeat(100_000));
    let requests = [long, many, name].map(|headers| get("/", &headers));
    both(&ground, requests.into_iter().cycle().take(30).collect()).await
}

async fn large_address(ground: Arc<Ground>) -> Seen {
    let path = format!("/{}", "a".repeat(100_000));
    both(&ground, vec![get(&path, ""); 20]).await
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

async fn large_body(ground: Arc<Ground>) -> Seen {
    let body = vec![b'x'; 10_000_000];
    let declared = format!("Content-Length: {}\r\n", body.len());
    let with_get = [get("/", &declared), body.clone()].concat();
    let chunked = [b"989680\r\n".to_vec(), body.clone(), b"\r\n0\r\n\r\n".to_vec()].concat();
    let chunked = post("Transfer-Encoding: chunked\r\n", &chunked);
    let huge = post("Content-Length: 18446744073709551615\r\n", &body);
    let beyond = post("Content-Length: 99999999999999999999999\r\n", &body);
    both(&ground, vec![post(&declared, &body), with_get, chunked, huge, beyond]).await
}

async fn bad_chunks(ground: Arc<Ground>) -> Seen {
    let bodies: [&[u8]; 7] = [
        b"zz\r\n",
        b"-1\r\n",
        b"ffffffffffffffffff\r\nx",
        b"5\r\nabc",
        b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nx",
        b"0\r\nX: y\r\nZ",
        b"\r\n\r\n\r\n",
    ];
    let head = get("/", "Transfer-Encoding: chunked\r\n");
    let mut requests: Vec<_> = bodies.iter().map(|body| [&head[..], body].concat()).collect();
    let extension = [b"1;".to_vec(), vec![b'e'; 1_000_000], b"\r\nx\r\n".to_vec()].concat();
    requests.push([head.clone(), extension].concat());
    let trailers = [b"0\r\n".to_vec(), b"X: y\r\n".repeat(100_000), b"\r\n".to_vec()].concat();
    requests.push([head, trailers].concat());
    both(&ground, requests).await
}

/// Whatever two readers could take for different requests is answered once and ends the connection, so that
/// nothing behind it counts as a request.
async fn smuggling(ground: Arc<Ground>) -> Seen {
    let inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let heads = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 4\r\nContent-Length: 30\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 4, 4\r\nContent-Length: 5\r\n",
        "Content-Length: 0x4\r\n",
        "X: y\r\n folded: z\r\n",
        "X: y\rZ: z\r\n",
    ];
    let requests: Vec<_> =
        heads.iter().map(|head| post(head, format!("0\r\n\r\n{inner}").as_bytes())).collect();
    let mut seen = Vec::new();
    for request in &requests {
        for to in [ground.pages, ground.metrics] {
            seen.push(ask(to, request).await);
        }
    }
    tally(seen)
}

async fn pipelines(ground: Arc<Ground>) -> Seen {
    let each = ground.size(300, 20_000);
    let to = [(ground.pages, "/"), (ground.metrics, "/live")];
    many(4, |index| async move {
        let (to, path) = to[index % 2];
        let requests = get(path, "").repeat(each);
        let (answers, end) = exchange(to, &requests).await;
        let good = codes(&answers).iter().filter(|code| *code == "200").count();
        if good == each { "200 each".to_owned() } else { format!("{good} of {each}, {end}") }
    })
    .await
}

async fn ranges(ground: Arc<Ground>) -> Seen {
    let overlapping = format!("Range: bytes={}\r\n", "0-,".repeat(3_000));
    let odd = "Range: bytes=-1,9-1,18446744073709551615-\r\n";
    let mut seen = Vec::new();
    for headers in [&overlapping, odd] {
        for path in [ground.big.as_str(), "/notices"] {
            seen.push(ask(ground.pages, &get(path, headers)).await);
        }
    }
    tally(seen)
}

async fn ways_out(ground: Arc<Ground>) -> Seen {
    let paths = [
        "/../../../../etc/passwd",
        "/assets/../../lianbo.toml",
        "/assets/..%2f..%2fsite.key",
        "/assets/%2e%2e/%2e%2e/site.key",
        "/assets/..%252f..%252fsite.key",
        "/assets/..\\..\\site.key",
        "/assets/%00",
        "/assets/style.css%00.key",
        "/article/%00/%00",
        "/article/%c0%ae%c0%ae/x",
        "/column/%ff%fe/%80",
        "/%",
        "/%2",
        "/%zz",
        "//etc/passwd",
        "/column/%F0%9F%92%A9/%F4%90%80%80",
    ];
    let mut requests: Vec<_> = paths.iter().map(|path| get(path, "")).collect();
    requests.push(b"GET /\xff\xfe\x00 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
    requests.push(b"GET http:///etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
    both(&ground, requests).await
}

async fn methods(ground: Arc<Ground>) -> Seen {
    let methods = ["POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PROPFIND", "get", "X"];
    let requests = methods
        .iter()
        .map(|method| format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes())
        .collect();
    both(&ground, requests).await
}

/// A large page asked for many times over one connection, of which little is read.
async fn unread(ground: Arc<Ground>) -> Seen {
    let (to, request) = (ground.pages, get(&ground.big, "").repeat(20));
    let full = ground.full;
    many(CROWD, |_| {
        let request = request.clone();
        async move {
            let mut tcp = TcpStream::connect(to).await.unwrap();
            tcp.write_all(&request).await.unwrap();
            let (began, stay) = (Instant::now(), if full { 3 * STAY } else { STAY });
            let mut little = [0; 64];
            while began.elapsed() < stay {
                let wait = Duration::from_millis(200);
                if matches!(
                    tokio::time::timeout(wait, tcp.read(&mut little)).await,
                    Ok(Ok(0) | Err(_))
                ) {
                    return "cut".to_owned();
                }
                drop(tokio::time::timeout(wait, std::future::pending::<()>()).await);
            }
            "slow".to_owned()
        }
    })
    .await
}

/// At the figures' port, twice as many as there are places for: half of them wait until the others are gone.
async fn idle(ground: Arc<Ground>) -> Seen {
    let places = Bounds::FIGURES.connections;
    let mut readers = crowd(ground.pages, ground.size(900, 1_000)).await;
    let mut watchers = crowd(ground.metrics, places).await;
    let mut waiting = crowd(ground.metrics, places).await;
    let mut seen = answered(&mut readers).await;
    seen.extend(answered(&mut watchers).await);
    drop(watchers);
    seen.extend(answered(&mut waiting).await);
    tally(seen)
}

/// Connections that have asked for little.
async fn crowd(to: SocketAddr, size: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..size {
        let mut tcp = TcpStream::connect(to).await.unwrap();
        tcp.write_all(&get("/live", "")).await.unwrap();
        held.push(tcp);
    }
    held
}

/// What became of each.
async fn answered(held: &mut [TcpStream]) -> Vec<String> {
    let mut seen = Vec::new();
    for tcp in held {
        let mut answer = [0; 64];
        let read = tokio::time::timeout(PATIENCE, tcp.read(&mut answer)).await;
        seen.push(if matches!(read, Ok(Ok(1..))) { "held" } else { "not served" }.to_owned());
    }
    seen
}

async fn gzip_body(ground: Arc<Ground>) -> Seen {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 64 << 20), &mut bomb).unwrap();
    let bomb = bomb.finish().unwrap();
    let headers = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", bomb.len());
    let with_get = [get("/", &headers), bomb.clone()].concat();
    both(&ground, [post(&headers, &bomb), with_get].into_iter().cycle().take(20).collect()).await
}

async fn http2(ground: Arc<Ground>) -> Seen {
    let mut preface = super::raw::PREFACE.to_vec();
    preface.extend(super::raw::frame(super::raw::SETTINGS, 0, 0, &[]).repeat(1_000));
    let upgrade =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    both(&ground, vec![preface, get("/nothing", upgrade)]).await
}

async fn flood(ground: Arc<Ground>) -> Seen {
    let to: [(SocketAddr, String); 3] = [
        (ground.pages, "/".to_owned()),
        (ground.pages, ground.big.clone()),
        (ground.metrics, "/metrics".to_owned()),
    ];
    many(ground.size(300, 5_000), |index| {
        let (to, path) = to[index % 3].clone();
        async move { ask(to, &get(&path, "Connection: close\r\n")).await }
    })
    .await
}
