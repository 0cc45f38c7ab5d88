//! Cursors: hostile ones, and those of a journal that is no more.

use bytes::Bytes;
use lianbo_node::entry::Lane;
use lianbo_node::ingest::Draft;
use lianbo_node::scope::Scope;
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::harvest::{behind, page, short, told};
use lianbo_tests::net::TestNode;
use lianbo_tests::raw::RawClient;
use lianbo_tests::{on_both, records};
use rand::RngExt;
use tonic::Code;

use super::{County, PUBLIC};

on_both! {
    async fn a_cursor_that_was_never_given_begins_anew_and_says_so(database) {
        let mut county = County::new(database).await;
        county.released(1, "first").await;
        let (_, good) = county.province.news(&Bytes::new()).await;
        let site = county.link.pull(Lane::Content, Bytes::new()).await.unwrap().cursor;
        let mut forged = good.to_vec();
        forged[40] ^= 1;
        let cut = good.slice(..good.len() - 1);
        let random: Vec<u8> = (0..200).map(|_| rand::rng().random()).collect();
        for cursor in [site, forged.into(), cut, random.into(), Bytes::from_static(b"\0")] {
            let (pages, again) = county.province.list_all(&behind(&cursor)).await.unwrap();
            assert!(pages[0].restarted, "{cursor:?}");
            assert_eq!(short(&told(&pages[0])), ["first"]);
            assert!(county.province.news(&again).await.0.is_empty());
            let mut stream = county.province.harvested(&cursor).await.unwrap();
            assert!(page(&mut stream).await.unwrap().restarted);
        }
        let endless = behind(&vec![7; 2000].into());
        let refused = county.province.list_all(&endless).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        // Nor is a harvester's cursor of any use to a site.
        let refused = county.link.pull(Lane::Content, good.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        // Cursors tell no counts: all are of one length, and never alike.
        let (_, other) = county.province.news(&good).await;
        assert!(other.len() == good.len() && other != good);
        county.close().await;
    }

    async fn a_journal_that_begins_anew_is_told_from_its_beginning_withdrawals_included(database) {
        let mut county = County::new(database).await;
        let gone = county.released(1, "gone").await;
        county.released(2, "stays").await;
        let (_, cursor) = county.province.news(&Bytes::new()).await;
        let mut stream = county.province.harvested(&cursor).await.unwrap();
        page(&mut stream).await.unwrap();
        county.withdrawn(&gone).await;
        page(&mut stream).await.unwrap();
        county.hub.let_sign().await;
        let ended = page(&mut stream).await.unwrap_err();
        assert_eq!(ended.code(), Code::Aborted, "{ended:?}");
        let (pages, _) = county.province.list_all(&behind(&cursor)).await.unwrap();
        assert!(pages[0].restarted);
        let news: Vec<_> = pages.iter().flat_map(told).collect();
        assert_eq!(short(&news), ["stays", "×原稿已撤"]);
        county.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_beyond_the_end_of_the_journal_shows_that_the_hub_lost_data() {
    let mut county = County::new(TestDatabase::sqlite().await).await;
    let old = county.hub.copy().await;
    county.province = RawClient::connect(&county.hub, &county.pki, Scope::Public).await;
    county.hub.write(vec![Draft::new(PUBLIC, records::article(1, "late"))]).await;
    let (news, cursor) = county.province.news(&Bytes::new()).await;
    assert_eq!(news, ["late"]);
    county.hub.put_back(&old).await;
    county.province = RawClient::connect(&county.hub, &county.pki, Scope::Public).await;
    assert!(!county.hub.fenced());
    let refused = county.province.list_all(&behind(&cursor)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(county.hub.fenced(), "the hub signs nothing until it is told so");
    // Nothing is told meanwhile: it might have been withdrawn.
    let refused = county.province.list_all(&behind(&Bytes::new())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    county.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_lost_its_disk_learns_from_its_nodes_who_harvests_and_who_no_longer_does() {
    let mut county = County::new(TestDatabase::sqlite().await).await;
    let (revoked, other) = lianbo_tests::harvest::admit(&county.hub, "other").await;
    let node =
        TestNode::join(&county.hub, "village", Scope::Organization, Scope::Organization).await;
    county.hub.write(super::callers::revocation(revoked)).await;
    county.released(1, "public").await;
    let (_, cursor) = county.province.news(&Bytes::new()).await;
    node.sync().await;

    county.hub.lose(TestDatabase::sqlite().await).await;
    county.province = RawClient::connect(&county.hub, &county.pki, Scope::Public).await;
    let refused = county.province.list_all(&behind(&cursor)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "it is not known yet: {refused:?}");
    node.sync().await;
    county.hub.let_sign().await;
    let (pages, _) = county.province.list_all(&behind(&cursor)).await.unwrap();
    assert!(pages[0].restarted);
    assert_eq!(short(&told(&pages[0])), ["public"]);
    let mut other = RawClient::connect(&county.hub, &other, Scope::Public).await;
    let refused = other.list_all(&behind(&cursor)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    node.close().await;
    county.close().await;
}
