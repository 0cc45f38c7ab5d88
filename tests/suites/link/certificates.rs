//! Who may call what: certificates that are good, expired, revoked, foreign or missing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ORGANIZATION, are, hub_writes, node_writes, titles, village};
use bytes::Bytes;
use lianbo_hub::enrol::ca::Ca;
use lianbo_node::clock::{Clock, SystemClock};
use lianbo_node::content::Record;
use lianbo_node::content::site::Revocation;
use lianbo_node::entry::{Lane, SiteId};
use lianbo_node::heights::Heights;
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::lifecycle::Site;
use lianbo_node::link::tls::{ClientPki, TlsProblem, certificate_info, new_csr};
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Store;
use lianbo_node::store::testing::TestDatabase;
use lianbo_proto::v1;
use lianbo_tests::net::{TestHub, eventually};
use lianbo_tests::raw::{self, RawClient};
use lianbo_tests::{TestAuthor, on_both, records};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tonic::{Code, Status};

const DAY: Duration = Duration::from_hours(24);

/// The status of every call of the sync service.
async fn every_call(client: &mut RawClient, site: SiteId) -> [Status; 5] {
    [
        client.hello(site).await.unwrap_err(),
        client.pull(Lane::Content, Bytes::new()).await.unwrap_err(),
        client.push(Bytes::new()).await.unwrap_err(),
        client.follow(v1::FollowOpen::default()).await.unwrap_err(),
        client.sync.offer(raw::offer(&Heights::new())).await.unwrap_err(),
    ]
}

#[tokio::test]
async fn an_expired_certificate_renews_and_does_nothing_else() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let identity = Identity::generate(&mut rand::rng());
    hub.enrol(&identity, "village", Scope::Organization).await;
    let yesterday = SystemClock.now() - 86_400_000;
    let expired = hub.certify_from(identity.site, yesterday, DAY / 24);
    let mut client = RawClient::connect(&hub, &expired, Scope::Organization).await;
    for status in every_call(&mut client, identity.site).await {
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        assert!(status.message().contains("Renew"), "{status:?}");
    }
    let (csr, key) = new_csr(identity.site).unwrap();
    let request = v1::RenewRequest { csr: csr.into() };
    let answer = client.enrol.renew(request).await.unwrap().into_inner();
    let chain = answer.certificates.iter().map(|der| der.to_vec().into()).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let fresh = ClientPki { ca: expired.ca.clone(), chain, key };
    let mut client = RawClient::connect(&hub, &fresh, Scope::Organization).await;
    let hello = client.hello(identity.site).await.unwrap();
    assert_eq!(hello.outcome(), v1::HelloOutcome::Resume);
    hub.close().await;
}

#[tokio::test]
async fn a_certificate_that_runs_out_ends_the_streams_it_opened() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let identity = Identity::generate(&mut rand::rng());
    hub.enrol(&identity, "village", Scope::Organization).await;
    // Whole seconds: one or two are left.
    let short = hub.certify(identity.site, Duration::from_secs(2));
    let ends = certificate_info(&short.chain[0]).unwrap().not_after_ms;
    let mut client = RawClient::connect(&hub, &short, Scope::Organization).await;
    let mut stream = client.follow(v1::FollowOpen::default()).await.unwrap();
    eventually("the certificate has run out", async || SystemClock.now() > ends).await;
    hub_writes(&hub, 1, "late").await;
    let status = stream.end().await;
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_off_too_long_renews_and_goes_on() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let node = village(&hub, "village").await;
    let long_ago = SystemClock.now() - 90 * 86_400_000;
    hub.certify_from(node.identity.site, long_ago, DAY).save(node.folder()).unwrap();
    hub_writes(&hub, 1, "news").await;
    node.sync().await;
    assert!(are(&titles(&mut node.read().await).await, &["news"]));
    let info = node.pki().info().unwrap();
    assert!(info.not_after_ms > SystemClock.now() + 86_400_000, "kept for the next start");
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_due_on_an_open_link_is_replaced_without_a_restart() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "village").await;
    // Two thirds of its life are over in two seconds.
    let hour = 3_600_000;
    let backdated = 5 * 60_000;
    let due = 2 * (hour + backdated) / 3;
    let from = SystemClock.now() + backdated - due + 2_000;
    hub.certify_from(node.identity.site, from, DAY / 24).save(node.folder()).unwrap();
    let before = node.pki().info().unwrap();
    node.serve().await;
    hub_writes(&hub, 1, "before").await;
    node.until("the link is up", async |tx| titles(tx).await.len() == 1).await;
    assert_eq!(node.pki().info().unwrap().serial, before.serial, "it was not due yet");
    eventually("it is replaced", async || {
        node.pki().info().is_ok_and(|info| info.serial != before.serial)
    })
    .await;
    hub_writes(&hub, 2, "after").await;
    node.until("the link goes on", async |tx| titles(tx).await.len() == 2).await;
    node.stop().await;
    node.open().await;
    node.sync().await;
    node.close().await;
    hub.close().await;
}

/// Follow and Push are open when `revoke` revokes the site; both end within a second.
async fn ends_at_once(hub: &TestHub, revoke: impl AsyncFnOnce(SiteId)) {
    let identity = Identity::generate(&mut rand::rng());
    let pki = hub.enrol(&identity, "village", Scope::Organization).await;
    let mut client = RawClient::connect(hub, &pki, Scope::Organization).await;
    let mut stream = client.follow(v1::FollowOpen::default()).await.unwrap();
    stream.settle().await;
    let (_frames, mut answers) = client.push_stream().await.unwrap();
    revoke(identity.site).await;
    let since = Instant::now();
    let followed = stream.end().await;
    assert_ne!(followed.code(), Code::Ok, "{followed:?}");
    let pushed = tokio::time::timeout(Duration::from_secs(1), answers.message()).await;
    assert!(!matches!(pushed, Err(_) | Ok(Ok(Some(_)))), "{pushed:?}");
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    let mut again = RawClient::connect(hub, &pki, Scope::Organization).await;
    for status in every_call(&mut again, identity.site).await {
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    }
    let (csr, _) = new_csr(identity.site).unwrap();
    let renewed = again.enrol.renew(v1::RenewRequest { csr: csr.into() }).await;
    assert_eq!(renewed.unwrap_err().code(), Code::PermissionDenied);
}

fn revocation(site: SiteId) -> Vec<Draft> {
    let revocation = Revocation { site, reason: "机构撤并".into() };
    vec![Draft::new(ORGANIZATION, Record::Revocation(revocation))]
}

on_both! {
    async fn a_revocation_ends_open_streams_within_a_second(database) {
        let hub = TestHub::start(database).await;
        ends_at_once(&hub, async |site| {
            hub.write(revocation(site)).await;
        })
        .await;
        hub.close().await;
    }

    async fn a_revocation_by_another_process_does_too(database) {
        let address = database.address.clone();
        let hub = TestHub::start(database).await;
        let store = Store::open(&address).await.unwrap();
        let beside = Site::open_with(hub.folder(), store, Arc::new(SystemClock)).await.unwrap();
        ends_at_once(&hub, async |site| {
            beside.door.write(revocation(site)).await.unwrap();
        })
        .await;
        beside.close().await;
        hub.close().await;
    }
}

#[tokio::test]
async fn a_caller_without_a_certificate_may_join_and_nothing_else() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut stranger = RawClient::stranger(&hub, Scope::Public).await;
    for status in every_call(&mut stranger, hub.identity.site).await {
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    }
    let renewed = stranger.enrol.renew(v1::RenewRequest::default()).await;
    assert_eq!(renewed.unwrap_err().code(), Code::Unauthenticated);
    let joined = stranger.enrol.join(v1::JoinRequest::default()).await;
    assert_eq!(joined.unwrap_err().code(), Code::InvalidArgument);
    hub.close().await;
}

#[tokio::test]
async fn a_certificate_for_a_site_that_never_joined_opens_nothing() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let site = SiteId([9; 16]);
    let pki = hub.certify(site, DAY);
    let mut client = RawClient::connect(&hub, &pki, Scope::Organization).await;
    for status in every_call(&mut client, site).await {
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    }
    hub.close().await;
}

#[tokio::test]
async fn certificates_of_another_ca_are_refused_at_both_ends() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let identity = Identity::generate(&mut rand::rng());
    let good = hub.enrol(&identity, "village", Scope::Organization).await;
    let now = SystemClock.now();
    let ca = Ca::generate("别的县", identity.site, now, &mut rand::rng()).unwrap();
    let (csr, key) = new_csr(identity.site).unwrap();
    let chain = ca.issue_client(&csr, identity.site.into(), now, DAY, &mut rand::rng()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let forged = ClientPki { ca: good.ca.clone(), chain, key };
    // What the hub thinks of a certificate arrives after the handshake, with the first call.
    let refused = match RawClient::try_connect(&hub, &forged, Scope::Organization).await {
        Ok(mut client) => TlsProblem::find(&client.hello(identity.site).await.unwrap_err()),
        Err(error) => TlsProblem::find(&error),
    };
    assert!(refused.is_some(), "the connection itself is refused");
    let other = ClientPki { ca: ca.certificate().clone(), ..good };
    let distrusted = RawClient::try_connect(&hub, &other, Scope::Organization).await;
    assert_eq!(TlsProblem::find(&distrusted.unwrap_err()), Some(TlsProblem::WrongCa));
    hub.close().await;
}

#[tokio::test]
async fn a_site_speaks_for_itself_only() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let [mut own, mut other] = [2, 3].map(TestAuthor::new);
    let pki = hub.enrol(&own.identity, "village", Scope::Organization).await;
    hub.enrol(&other.identity, "township", Scope::Organization).await;
    let mut client = RawClient::connect(&hub, &pki, Scope::Organization).await;
    let status = client.hello(other.site()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");

    let theirs = other.write(ORGANIZATION, records::article(1, "theirs"));
    let mine = own.write(ORGANIZATION, records::article(2, "mine"));
    let answer = client.push_entries(&[theirs.entry, mine.entry]).await.unwrap();
    let reasons: Vec<_> = answer.refused.iter().map(v1::Refusal::reason).collect();
    assert_eq!(reasons, [v1::RefusalReason::NotYours]);
    assert_eq!(answer.acked.len(), 1, "nothing is told of the other's log");
    assert!(are(&titles(&mut hub.store.read().await.unwrap()).await, &["mine"]));
    hub.close().await;
}

#[tokio::test]
async fn an_answer_to_a_push_tells_nothing_of_logs_the_caller_may_not_read() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let secret = records::article(1, "secret");
    let internal = Audience::all(Scope::Internal);
    let written = hub.write(vec![Draft::new(internal, secret)]).await[0];
    let own = TestAuthor::new(2);
    let pki = hub.enrol(&own.identity, "village", Scope::Organization).await;
    let mut client = RawClient::connect(&hub, &pki, Scope::Organization).await;
    // Well signed, by a key that is not the hub's, in the hub's own internal log.
    let body = Bytes::new();
    let head = own.next_head(internal, Lane::Content, &body);
    let probe = own.sign(lianbo_node::entry::Head { log: written.log, ..head }, body);
    let answer = client.push_entries(&[probe.entry]).await.unwrap();
    assert_eq!(answer.refused.len(), 1);
    assert_eq!(answer.acked, []);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_what_is_wrong_when_it_was_revoked() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let node = village(&hub, "village").await;
    node_writes(&node, 1, "early").await;
    node.sync().await;
    hub.write(revocation(node.identity.site)).await;
    hub.hub().refresh_members().await.unwrap();
    let error = lianbo_node::serve::sync_once(node.site(), &node.config).await.unwrap_err();
    assert!(error.to_string().contains("revoked"), "{error}");
    node.close().await;
    hub.close().await;
}

#[tokio::test]
async fn who_comes_after_it_was_revoked_is_told_so_and_not_cut_off_again() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let own = TestAuthor::new(2);
    let pki = hub.enrol(&own.identity, "village", Scope::Organization).await;
    hub.write(revocation(own.site())).await;
    hub.hub().refresh_members().await.unwrap();
    let mut client = RawClient::connect(&hub, &pki, Scope::Organization).await;
    for _ in 0..3 {
        let status = client.hello(own.site()).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        assert!(status.message().contains("revoked"), "{status:?}");
        hub.hub().refresh_members().await.unwrap();
    }
    hub.close().await;
}
