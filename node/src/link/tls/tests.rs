//! Real handshakes: every pairing of who calls, who answers and what the clocks say.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::coop::has_budget_remaining;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::testing::TestCa;
use super::*;
use crate::clock::{FlooredClock, ManualClock};
use crate::entry::SiteId;

const HUB: SiteId = SiteId([0x1b; 16]);
const SITE: SiteId = SiteId([0x51; 16]);
const DAY: i64 = 86_400_000;
const NOW: i64 = 20_000 * DAY;

fn clock(ms: i64) -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(ms))
}

fn acceptor(ca: &TestCa, server: Arc<CertifiedKey>, clock: Arc<dyn Clock>) -> Acceptor {
    Acceptor::new(&ca.der(), watch::channel(server).1, clock).unwrap()
}

fn joined(pki: &ClientPki, clock: Arc<dyn Clock>) -> ClientConfig {
    joined_config(&pki.ca, watch::channel(pki.certified_key().unwrap()).1, clock).unwrap()
}

fn name(hub: SiteId) -> ServerName<'static> {
    ServerName::try_from(hub_name(hub)).unwrap()
}

type Ends = (
    std::io::Result<tokio_rustls::client::TlsStream<DuplexStream>>,
    std::io::Result<tokio_rustls::server::TlsStream<DuplexStream>>,
);

async fn shake(config: ClientConfig, to: ServerName<'static>, acceptor: &Acceptor) -> Ends {
    let (here, there) = duplex(64 * 1024);
    let connector = TlsConnector::from(Arc::new(config));
    tokio::join!(connector.connect(to, here), acceptor.accept(there))
}

fn problem(error: &std::io::Error) -> Option<TlsProblem> {
    TlsProblem::find(error)
}

#[tokio::test]
async fn a_site_and_its_hub_know_each_other() {
    let ca = TestCa::new("county");
    let acceptor = acceptor(&ca, ca.server(HUB, NOW - DAY, NOW + DAY), clock(NOW));
    let pki = ca.site(SITE, NOW - DAY, NOW + DAY);
    let (client, server) = shake(joined(&pki, clock(NOW)), name(HUB), &acceptor).await;
    let server = server.unwrap();
    let leaf = &server.get_ref().1.peer_certificates().unwrap()[0];
    assert_eq!(certificate_info(leaf).unwrap().site, Some(SITE));
    assert_eq!(client.unwrap().get_ref().1.alpn_protocol(), Some(ALPN));
}

#[tokio::test]
async fn another_hub_under_the_same_ca_and_another_ca_are_told_apart() {
    let (ca, other) = (TestCa::new("county"), TestCa::new("county"));
    let pki = ca.site(SITE, NOW - DAY, NOW + DAY);
    let own = acceptor(&ca, ca.server(HUB, NOW - DAY, NOW + DAY), clock(NOW));
    let (client, _) = shake(joined(&pki, clock(NOW)), name(SITE), &own).await;
    assert_eq!(problem(&client.unwrap_err()), Some(TlsProblem::WrongName));
    let strange = acceptor(&other, other.server(HUB, NOW - DAY, NOW + DAY), clock(NOW));
    let (client, _) = shake(joined(&pki, clock(NOW)), name(HUB), &strange).await;
    assert_eq!(problem(&client.unwrap_err()), Some(TlsProblem::WrongCa));
}

#[tokio::test]
async fn a_site_cannot_pose_as_a_hub() {
    let ca = TestCa::new("county");
    let pki = ca.site(SITE, NOW - DAY, NOW + DAY);
    let mut chain = pki.chain.clone();
    chain.push(ca.der());
    let impostor = certified_key(chain, pki.key.clone_key()).unwrap();
    let posing = acceptor(&ca, impostor, clock(NOW));
    let (client, _) = shake(joined(&pki, clock(NOW)), name(HUB), &posing).await;
    assert!(client.is_err());
    let (config, seen) = joining_config(ca.fingerprint(), clock(NOW)).unwrap();
    let (client, _) = shake(config, "localhost".try_into().unwrap(), &posing).await;
    assert_eq!(problem(&client.unwrap_err()), Some(TlsProblem::WrongName));
    assert!(seen.ca().is_none());
}

#[tokio::test]
async fn a_skewed_clock_is_named_as_such_and_a_stranger_with_old_papers_is_not() {
    let ca = TestCa::new("county");
    let (from, to) = (NOW - DAY, NOW + DAY);
    let acceptor_ = acceptor(&ca, ca.server(HUB, from, to), clock(NOW));
    for skewed in [NOW - 30 * DAY, NOW + 30 * DAY] {
        let expected = TlsProblem::Clock { now_ms: skewed, not_before_ms: from, not_after_ms: to };
        let pki = ca.site(SITE, NOW - DAY, NOW + DAY);
        let (client, _) = shake(joined(&pki, clock(skewed)), name(HUB), &acceptor_).await;
        assert_eq!(problem(&client.unwrap_err()), Some(expected.clone()));
        let (config, _) = joining_config(ca.fingerprint(), clock(skewed)).unwrap();
        let (client, _) = shake(config, name(HUB), &acceptor_).await;
        assert_eq!(problem(&client.unwrap_err()), Some(expected));
    }
    let other = TestCa::new("county");
    let strange = acceptor(&other, other.server(HUB, from, to), clock(NOW));
    let pki = ca.site(SITE, NOW - DAY, NOW + DAY);
    let (client, _) = shake(joined(&pki, clock(NOW + 30 * DAY)), name(HUB), &strange).await;
    assert_eq!(problem(&client.unwrap_err()), Some(TlsProblem::WrongCa));
}

#[tokio::test]
async fn a_clock_set_back_does_not_revive_a_servers_expired_certificate() {
    let ca = TestCa::new("county");
    let acceptor = acceptor(&ca, ca.server(HUB, NOW - DAY, NOW + DAY), clock(NOW));
    let pki = ca.site(SITE, NOW - DAY, NOW + 90 * DAY);
    let floored: Arc<dyn Clock> = Arc::new(FlooredClock::new(clock(NOW), NOW + 2 * DAY));
    let (client, _) = shake(joined(&pki, floored), name(HUB), &acceptor).await;
    assert!(matches!(problem(&client.unwrap_err()), Some(TlsProblem::Clock { .. })));
}

#[tokio::test]
async fn joining_finds_the_ca_the_token_pins_and_no_other() {
    let ca = TestCa::new("county");
    let acceptor = acceptor(&ca, ca.server(HUB, NOW - DAY, NOW + DAY), clock(NOW));
    let (config, seen) = joining_config(ca.fingerprint(), clock(NOW)).unwrap();
    let (client, server) = shake(config, "192.0.2.7".try_into().unwrap(), &acceptor).await;
    client.unwrap();
    assert!(server.unwrap().get_ref().1.peer_certificates().is_none());
    assert_eq!((seen.ca(), seen.site()), (Some(ca.der()), Some(HUB)));

    let (config, seen) = joining_config([9; 32], clock(NOW)).unwrap();
    let (client, _) = shake(config, "localhost".try_into().unwrap(), &acceptor).await;
    assert_eq!(problem(&client.unwrap_err()), Some(TlsProblem::WrongCa));
    assert!(seen.ca().is_none());
}

#[tokio::test]
async fn showing_the_pinned_ca_beside_a_leaf_of_another_does_not_help() {
    let (ca, stranger) = (TestCa::new("county"), TestCa::new("county"));
    let forged = stranger.server(HUB, NOW - DAY, NOW + DAY);
    let chain = vec![forged.cert[0].clone(), ca.der()];
    let forged = Arc::new(CertifiedKey::new(chain, forged.key.clone()));
    let posing = acceptor(&ca, forged, clock(NOW));
    let (config, seen) = joining_config(ca.fingerprint(), clock(NOW)).unwrap();
    let (client, _) = shake(config, name(HUB), &posing).await;
    assert_eq!(problem(&client.unwrap_err()), Some(TlsProblem::WrongCa));
    assert!(seen.ca().is_none());
}

#[tokio::test]
async fn an_expired_certificate_of_ours_may_knock_and_a_strangers_may_not() {
    let (ca, other) = (TestCa::new("county"), TestCa::new("county"));
    let acceptor = acceptor(&ca, ca.server(HUB, NOW - DAY, NOW + DAY), clock(NOW));
    let expired = ca.site(SITE, NOW - 60 * DAY, NOW - 30 * DAY);
    let (_, server) = shake(joined(&expired, clock(NOW)), name(HUB), &acceptor).await;
    let server = server.unwrap();
    let leaf = &server.get_ref().1.peer_certificates().unwrap()[0];
    assert_eq!(certificate_info(leaf).unwrap().not_after_ms, NOW - 30 * DAY);

    for (from, to) in [(NOW - 60 * DAY, NOW - 30 * DAY), (NOW - DAY, NOW + DAY)] {
        let mut strange = other.site(SITE, from, to);
        strange.ca = ca.der();
        let (client, server) = shake(joined(&strange, clock(NOW)), name(HUB), &acceptor).await;
        assert!(server.is_err());
        let told = client.unwrap().read(&mut [0]).await.unwrap_err();
        assert_eq!(problem(&told), Some(TlsProblem::WrongCa));
    }
}

#[tokio::test]
async fn a_certificate_from_the_hubs_future_is_refused_and_the_site_learns_why() {
    let ca = TestCa::new("county");
    let acceptor = acceptor(&ca, ca.server(HUB, NOW - DAY, NOW + DAY), clock(NOW));
    let early = ca.site(SITE, NOW + DAY, NOW + 2 * DAY);
    let (client, server) = shake(joined(&early, clock(NOW)), name(HUB), &acceptor).await;
    assert!(server.is_err());
    let told = client.unwrap().read(&mut [0]).await.unwrap_err();
    assert_eq!(problem(&told), Some(TlsProblem::ClockThere));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_by_the_next_connection_at_either_end() {
    let ca = TestCa::new("county");
    let (renew_server, current) = watch::channel(ca.server(HUB, NOW - DAY, NOW + DAY));
    let acceptor = Acceptor::new(&ca.der(), current, clock(NOW)).unwrap();
    let old = ca.site(SITE, NOW - DAY, NOW + DAY);
    let (renew_site, current) = watch::channel(old.certified_key().unwrap());
    let config = joined_config(&ca.der(), current, clock(NOW)).unwrap();
    shake(config.clone(), name(HUB), &acceptor).await.0.unwrap();

    renew_server.send_replace(ca.server(HUB, NOW - DAY, NOW + 9 * DAY));
    let new = ca.site(SITE, NOW - DAY, NOW + 7 * DAY);
    renew_site.send_replace(new.certified_key().unwrap());
    let (client, server) = shake(config, name(HUB), &acceptor).await;
    let (client, server) = (client.unwrap(), server.unwrap());
    let end = |certificates: Option<&[CertificateDer<'_>]>| {
        certificate_info(&certificates.unwrap()[0]).unwrap().not_after_ms
    };
    assert_eq!(end(client.get_ref().1.peer_certificates()), NOW + 9 * DAY);
    assert_eq!(end(server.get_ref().1.peer_certificates()), NOW + 7 * DAY);
}

/// A listener on loopback, its address and its registry.
async fn listen(ca: &TestCa, limits: Limits) -> (TcpListener, SocketAddr, Acceptor, Connections) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let acceptor = acceptor(ca, ca.server(HUB, NOW - DAY, NOW + DAY), clock(NOW));
    (listener, addr, acceptor, Connections::new(limits))
}

async fn dial(
    addr: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(addr).await?;
    TlsConnector::from(Arc::new(config)).connect(name(HUB), tcp).await
}

/// Both ends of a site's connection.
async fn taken_in() -> (ServerStream, tokio_rustls::client::TlsStream<TcpStream>) {
    let ca = TestCa::new("county");
    let (listener, addr, acceptor, connections) = listen(&ca, Limits::default()).await;
    let mut incoming = pin!(incoming(listener, acceptor, connections, CancellationToken::new()));
    let pki = ca.site(SITE, NOW - DAY, NOW + DAY);
    let (server, client) = tokio::join!(incoming.next(), dial(addr, joined(&pki, clock(NOW))));
    (server.unwrap().unwrap(), client.unwrap())
}

#[tokio::test]
async fn a_silent_caller_holds_up_nobody_and_is_dropped_in_the_end() {
    let ca = TestCa::new("county");
    let limits = Limits { handshake_timeout: Duration::from_millis(200), ..Limits::default() };
    let (listener, addr, acceptor, connections) = listen(&ca, limits).await;
    let shutdown = CancellationToken::new();
    let mut incoming = pin!(incoming(listener, acceptor, connections.clone(), shutdown.clone()));
    let mut silent = TcpStream::connect(addr).await.unwrap();
    let pki = ca.site(SITE, NOW - DAY, NOW + DAY);
    let (server, client) = tokio::join!(incoming.next(), dial(addr, joined(&pki, clock(NOW))));
    let (server, _client) = (server.unwrap().unwrap(), client.unwrap());
    assert_eq!(server.peer().peer, Some(Peer::Site(SITE)));
    assert_eq!(server.peer().not_after_ms, Some(NOW + DAY));
    assert_eq!((connections.count(), connections.count_of(SITE)), (1, 1));
    // The silent one sees its line closed, while the listener goes on.
    let mut byte = [0];
    tokio::select! {
        read = silent.read(&mut byte) => assert!(matches!(read, Ok(0) | Err(_)), "{read:?}"),
        _ = incoming.next() => panic!("the silent caller got through"),
    }
    drop(server);
    assert_eq!(connections.count(), 0);
    shutdown.cancel();
    assert!(incoming.next().await.is_none());
}

#[tokio::test]
async fn many_who_call_at_once_are_not_taken_in_within_one_turn() {
    let ca = TestCa::new("county");
    let (listener, addr, acceptor, connections) = listen(&ca, Limits::default()).await;
    let mut incoming = pin!(incoming(listener, acceptor, connections, CancellationToken::new()));
    let mut callers = Vec::new();
    for _ in 0..10 {
        callers.push(TcpStream::connect(addr).await.unwrap());
    }
    tokio::task::yield_now().await;
    poll_fn(|cx| {
        assert!(incoming.poll_next_unpin(cx).is_pending() && !has_budget_remaining());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn looking_for_what_has_not_come_costs_no_turn() {
    let (mut server, mut client) = taken_in().await;
    poll_fn(|cx| {
        for _ in 0..10 {
            let mut byte = [0];
            let read = Pin::new(&mut server).poll_read(cx, &mut ReadBuf::new(&mut byte));
            assert!(read.is_pending() && has_budget_remaining());
        }
        Poll::Ready(())
    })
    .await;
    client.write_all(&[7]).await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), 7);
}

#[tokio::test]
async fn a_peer_whose_work_is_done_apart_is_read_in_small_parts_and_nothing_of_it_is_lost() {
    let (mut server, mut client) = taken_in().await;
    let said: Vec<u8> = (0..=u8::MAX).cycle().take(10_000).collect();
    client.write_all(&said).await.unwrap();
    let mut read = vec![0; 4_000];
    assert_eq!(server.read(&mut read).await.unwrap(), 4_000);
    for _ in 0..3 {
        server.peer().share.charge(Duration::from_secs(1), Instant::now());
    }
    read.resize(said.len(), 0);
    let (mut at, mut most) = (4_000, 0);
    while at < said.len() {
        let part = server.read(&mut read[at..]).await.unwrap();
        (at, most) = (at + part, most.max(part));
    }
    assert_eq!((most, read), (1_024, said));
}

#[tokio::test]
async fn closing_a_site_ends_reads_and_writes_that_are_waiting() {
    let ca = TestCa::new("county");
    let (listener, addr, acceptor, connections) = listen(&ca, Limits::default()).await;
    let mut incoming =
        pin!(incoming(listener, acceptor, connections.clone(), CancellationToken::new()));
    let pki = ca.site(SITE, NOW - DAY, NOW + DAY);
    let (server, client) = tokio::join!(incoming.next(), dial(addr, joined(&pki, clock(NOW))));
    let (server, mut client) = (server.unwrap().unwrap(), client.unwrap());
    let (mut read, mut write) = tokio::io::split(server);
    // A write that waits, because nobody reads at the other end, and a read that waits.
    let flood = async move {
        let bytes = vec![0; 1 << 20];
        loop {
            if let Err(error) = write.write_all(&bytes).await {
                break error;
            }
        }
    };
    let wait = async move { read.read(&mut [0; 16]).await.unwrap_err() };
    let close = async {
        tokio::task::yield_now().await;
        assert_eq!(connections.close(SITE), 1);
    };
    let (flood, wait, ()) =
        tokio::time::timeout(Duration::from_secs(1), async { tokio::join!(flood, wait, close) })
            .await
            .expect("within a second");
    for error in [flood, wait] {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    }
    assert_eq!(connections.count(), 0, "a dropped stream leaves the registry");
    let mut rest = Vec::new();
    let told = client.read_to_end(&mut rest).await.unwrap_err();
    assert_eq!(problem(&told), Some(TlsProblem::Closed));
}

#[tokio::test]
async fn one_connection_too_many_is_dropped_after_its_handshake() {
    let ca = TestCa::new("county");
    let limits = Limits { anonymous: 1, ..Limits::default() };
    let (listener, addr, acceptor, connections) = listen(&ca, limits).await;
    let mut incoming =
        pin!(incoming(listener, acceptor, connections.clone(), CancellationToken::new()));
    let nameless = || joining_config(ca.fingerprint(), clock(NOW)).unwrap().0;
    let (first, _client) = tokio::join!(incoming.next(), dial(addr, nameless()));
    let first = first.unwrap().unwrap();
    assert_eq!(first.peer().peer, None);
    let second = async {
        let mut client = dial(addr, nameless()).await.unwrap();
        client.read(&mut [0]).await
    };
    tokio::select! {
        _ = incoming.next() => panic!("more nameless connections than allowed"),
        read = second => assert!(matches!(read, Ok(0) | Err(_)), "{read:?}"),
    }
    assert_eq!(connections.count(), 1);
}
