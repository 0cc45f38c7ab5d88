//! What goes over a link that is up.

use super::titles_for as titles;
use lianbo_node::content::receipt::{self, Stage};
use lianbo_node::ingest::Draft;
use lianbo_node::journal;
use lianbo_node::scope::{Audience, Reader, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::net::{TestHub, TestNode};
use lianbo_tests::records;

#[tokio::test(flavor = "multi_thread")]
async fn an_article_rises_to_the_hub_and_the_hubs_comes_down() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let node = TestNode::join(&hub, "village", Scope::Organization, Scope::Organization).await;
    let all = Audience::all(Scope::Organization);
    node.write(all, records::article(1, "village-news")).await;
    node.write(Audience::all(Scope::Internal), records::article(2, "village-secret")).await;
    hub.write(vec![
        Draft::new(all, records::article(3, "county-news")),
        Draft::new(Audience::all(Scope::Internal), records::article(4, "county-secret")),
    ])
    .await;
    let drained = node.sync().await;
    assert_eq!(drained.pushed, 1);
    let at_hub =
        titles(&mut hub.store.read().await.unwrap(), Reader::anonymous(Scope::Internal)).await;
    assert_eq!(at_hub.len(), 3, "{at_hub:?}");
    let at_node = titles(&mut node.read().await, Reader::anonymous(Scope::Internal)).await;
    assert_eq!(at_node.len(), 3, "{at_node:?}");
    assert!(!format!("{at_hub:?}").contains("village-secret"));
    assert!(!format!("{at_node:?}").contains("county-secret"));
    let again = node.sync().await;
    assert_eq!(again.pushed, 0);
    assert!(again.pulled <= 1, "the first-seen record, unless it came at once: {again:?}");
    // The hub writes that record by itself, some time after the push.
    lianbo_tests::net::eventually("nothing moves any more", async || {
        node.sync().await == lianbo_node::link::Drained::default()
    })
    .await;
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_node_follows_and_answers_a_notice_by_itself() {
    let mut hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = TestNode::join(&hub, "village", Scope::Organization, Scope::Organization).await;
    node.serve().await;
    let all = Audience::all(Scope::Organization);
    let notice = records::notice(9, "meeting");
    hub.write(vec![Draft::new(all, notice)]).await;
    let hub_site = hub.identity.site;
    let (store, own) = (hub.store.clone(), node.identity.site);
    let reader = Reader::site(hub_site, Scope::Internal, Scope::Internal);
    let mut end = hub.hub().door.end();
    let receipts = async {
        loop {
            end.borrow_and_update();
            let mut tx = store.read().await.unwrap();
            let list = receipt::list(&mut tx, reader, hub_site, records::id(9)).await.unwrap();
            if let Some(first) = list.first() {
                return (first.site, first.stage);
            }
            drop(tx);
            end.changed().await.unwrap();
        }
    };
    let got = tokio::time::timeout(lianbo_tests::net::PATIENCE, receipts).await.unwrap();
    assert_eq!(got, (own, Stage::Delivered));
    // The hub goes away and comes back; the node drains what it wrote meanwhile.
    hub.stop().await;
    node.write(all, records::article(1, "written-offline")).await;
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_while_a_node_follows_arrives_and_is_acknowledged() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = TestNode::join(&hub, "village", Scope::Organization, Scope::Organization).await;
    node.serve().await;
    let all = Audience::all(Scope::Organization);
    for n in 1..=30 {
        hub.write(vec![Draft::new(all, records::article(n, "live"))]).await;
    }
    node.until("all articles are here", async |tx| {
        titles(tx, Reader::anonymous(Scope::Internal)).await.len() == 30
    })
    .await;
    let own = node.identity.site;
    let end = journal::end(&mut hub.store.read().await.unwrap()).await.unwrap();
    let acked = async {
        while hub.hub().acks.position(own, lianbo_node::entry::Lane::Content) < end.position {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(lianbo_tests::net::PATIENCE, acked).await.expect("acknowledged");
    node.close().await;
    hub.close().await;
}
