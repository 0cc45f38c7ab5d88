//! Who may call what, and how much at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lianbo_hub::enrol::invite::Invite;
use lianbo_node::clock::{Clock, SystemClock};
use lianbo_node::content::Record;
use lianbo_node::content::harvester::Harvester;
use lianbo_node::content::site::{Revocation, Unit};
use lianbo_node::entry::{HarvesterId, SiteId};
use lianbo_node::ingest::Draft;
use lianbo_node::lifecycle::Site;
use lianbo_node::link::harvest::{Ask, HarvestLink, admit};
use lianbo_node::link::join::{JoinError, join};
use lianbo_node::link::tls::{certificate_info, new_csr};
use lianbo_node::link::token::Token;
use lianbo_node::scope::Scope;
use lianbo_node::store::Store;
use lianbo_node::store::testing::TestDatabase;
use lianbo_proto::v1;
use lianbo_tests::harvest::{behind, certify, ended, page, short};
use lianbo_tests::net::TestHub;
use lianbo_tests::raw::{self, RawClient};
use lianbo_tests::{on_both, records};
use rand::RngExt;
use tonic::{Code, Status};

use super::{County, PUBLIC};

pub(super) fn revocation(id: HarvesterId) -> Vec<Draft> {
    let revocation = Revocation { site: SiteId(id.0), reason: "合同到期".into() };
    vec![Draft::new(Harvester::AUDIENCE, Record::Revocation(revocation))]
}

fn whose(county: &County) -> HarvesterId {
    certificate_info(&county.pki.chain[0]).unwrap().harvester.unwrap()
}

/// The status of every call for harvesters.
async fn every_call(client: &mut RawClient) -> [Status; 3] {
    let (csr, _) = new_csr("x").unwrap();
    [
        client.harvest.list(behind(&Bytes::new())).await.unwrap_err(),
        client.harvest.follow(behind(&Bytes::new())).await.unwrap_err(),
        client.harvest.renew(v1::HarvestRenewRequest { csr: csr.into() }).await.unwrap_err(),
    ]
}

#[tokio::test]
async fn no_site_and_no_stranger_harvests_and_no_harvester_syncs() {
    let mut county = County::new(TestDatabase::sqlite().await).await;
    county.released(1, "first").await;
    for status in every_call(&mut county.link).await {
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    }
    for listener in Scope::ALL {
        let mut stranger = RawClient::stranger(&county.hub, listener).await;
        for status in every_call(&mut stranger).await {
            assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        }
        // A harvester sees the same through every network, and nothing by any other service.
        let mut province = RawClient::connect(&county.hub, &county.pki, listener).await;
        assert_eq!(province.news(&Bytes::new()).await.0, ["first"]);
        let site = SiteId(whose(&county).0);
        let refused = [
            province.hello(site).await.unwrap_err(),
            province.pull(lianbo_node::entry::Lane::Content, Bytes::new()).await.unwrap_err(),
            province.push(Bytes::new()).await.unwrap_err(),
            province.follow(v1::FollowOpen::default()).await.unwrap_err(),
            province
                .sync
                .offer(raw::offer(&lianbo_node::heights::Heights::new()))
                .await
                .unwrap_err(),
            province.enrol.renew(v1::RenewRequest::default()).await.unwrap_err(),
        ];
        for status in refused {
            assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        }
    }
    county.close().await;
}

#[tokio::test]
async fn a_harvester_that_was_never_let_in_or_whose_certificate_ran_out_is_told_nothing() {
    let county = County::new(TestDatabase::sqlite().await).await;
    let stranger = certify(&county.hub, HarvesterId([9; 16]), SystemClock.now());
    let mut stranger = RawClient::connect(&county.hub, &stranger, Scope::Public).await;
    for status in every_call(&mut stranger).await {
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    }
    let expired = certify(&county.hub, whose(&county), SystemClock.now() - 90 * 86_400_000);
    let mut late = RawClient::connect(&county.hub, &expired, Scope::Public).await;
    let refused = late.harvest.list(behind(&Bytes::new())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    let refused = late.harvest.follow(behind(&Bytes::new())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    // Away for ninety days: it renews, and goes on.
    let folder = tempfile::tempdir().unwrap();
    expired.save(folder.path()).unwrap();
    county.hub.write(vec![Draft::new(PUBLIC, records::article(1, "first"))]).await;
    let mut session = link(&county.hub, folder.path()).connect().await.unwrap();
    assert_eq!(short(&session.list(&Ask::default()).await.unwrap().items), ["first"]);
    county.close().await;
}

fn link(hub: &TestHub, folder: &std::path::Path) -> HarvestLink {
    let url = format!("https://{}", hub.grpc(Scope::Public));
    HarvestLink::new(folder, &url, hub.identity.site, None, Arc::new(SystemClock)).unwrap()
}

on_both! {
    async fn a_revoked_harvester_is_cut_off_within_a_second(database) {
        let address = database.address.clone();
        let mut county = County::new(database).await;
        let mut stream = county.province.harvested(&Bytes::new()).await.unwrap();
        page(&mut stream).await.unwrap();
        // By another process, as `revoke` does it.
        let store = Store::open(&address).await.unwrap();
        let beside = Site::open_with(county.hub.folder(), store, Arc::new(SystemClock)).await.unwrap();
        beside.door.write(revocation(whose(&county))).await.unwrap();
        let since = Instant::now();
        let status = ended(&mut stream).await;
        assert_ne!(status.code(), Code::Ok, "{status:?}");
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        beside.close().await;
        let mut again = RawClient::connect(&county.hub, &county.pki, Scope::Public).await;
        for status in every_call(&mut again).await {
            assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        }
        county.close().await;
    }

    async fn a_token_lets_in_one_harvester_and_no_site(database) {
        let hub = TestHub::start(database).await;
        let url = format!("https://localhost:{}", hub.grpc(Scope::Public).port());
        let invited = async |code: &str, harvester: bool| {
            let ca_fingerprint = lianbo_node::link::tls::ca_fingerprint(hub.hub().ca.certificate());
            let token = Token { secret: rand::rng().random(), ca_fingerprint };
            let unit = Unit { code: code.into(), name: "省委组织部".into(), parent: String::new() };
            let invite = Invite {
                id: token.invite_id(),
                unit,
                ceiling: Scope::Public,
                harvester,
                created_ms: 0,
                expires_ms: i64::MAX,
            };
            let mut tx = hub.store.write().await.unwrap();
            let saved = invite.save(&mut tx).await;
            tx.commit().await.unwrap();
            saved.map(|()| token)
        };
        let clock = || Arc::new(SystemClock);
        let (token, second) = (invited("province", true).await.unwrap(), invited("province", true).await.unwrap());
        let identity = lianbo_node::identity::Identity::generate(&mut rand::rng());
        let refused = join(&url, &token, identity.clone(), None, clock()).await.unwrap_err();
        assert!(refused.to_string().contains("harvest-client join"), "{refused}");
        let for_node = invited("village", false).await.unwrap();
        let refused = admit(&url, &for_node, None, clock()).await.unwrap_err();
        assert!(refused.to_string().contains("lianbo-node join"), "{refused}");

        let let_in = admit(&url, &token, None, clock()).await.unwrap();
        assert_eq!((let_in.code.as_str(), let_in.name.as_str()), ("province", "省委组织部"));
        assert_eq!((let_in.hub_site, let_in.hub_key), (hub.identity.site, hub.identity.public()));
        let refused = admit(&url, &token, None, clock()).await.unwrap_err();
        assert!(matches!(refused, JoinError::Refused { code: Code::AlreadyExists, .. }), "{refused}");
        let refused = admit(&url, &second, None, clock()).await.unwrap_err();
        assert!(refused.to_string().contains("joined already"), "{refused}");
        assert!(invited("province", false).await.is_err(), "a unit does not take its code either");
        // It is no site: no unit has to sign for notices because of it, nobody may write as it.
        assert!(!hub.hub().members().sites.contains_key(&SiteId(let_in.harvester.0)));

        let folder = tempfile::tempdir().unwrap();
        let_in.pki.save(folder.path()).unwrap();
        let mut session = link(&hub, folder.path()).connect().await.unwrap();
        assert_eq!(session.list(&Ask::default()).await.unwrap().items, []);
        drop(session);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harvester_that_does_not_read_harms_itself_alone() {
    let mut county = County::new(TestDatabase::sqlite().await).await;
    for n in 0..40 {
        let Record::Article(mut it) = records::article(n, "long") else { unreachable!() };
        it.text = "很长的正文。".repeat(15_000);
        county.hub.write(vec![Draft::new(PUBLIC, Record::Article(it))]).await;
    }
    // Four streams that nobody reads; a fifth is one too many.
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(county.province.harvested(&Bytes::new()).await.unwrap());
    }
    let refused = county.province.harvested(&Bytes::new()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(refused.metadata().contains_key("retry-after-ms"));
    let refused = county.province.list_all(&behind(&Bytes::new())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    // Others go on.
    let (_, pki) = lianbo_tests::harvest::admit(&county.hub, "city").await;
    let mut city = RawClient::connect(&county.hub, &pki, Scope::Public).await;
    assert_eq!(city.news(&Bytes::new()).await.0.len(), 40);
    drop(unread.pop());
    lianbo_tests::net::eventually("its seat is free again", async || {
        county.province.clone().harvested(&Bytes::new()).await.is_ok()
    })
    .await;
    drop(unread);
    county.close().await;
}
