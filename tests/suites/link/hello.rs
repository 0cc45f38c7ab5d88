//! Every way in which a Hello is answered, provoked.

use super::{are, hub_writes, node_writes, titles, village};
use lianbo_node::journal;
use lianbo_node::store::testing::TestDatabase;
use lianbo_proto::v1;
use lianbo_proto::v1::HelloOutcome;
use lianbo_tests::net::{TestHub, TestNode, everything};
use lianbo_tests::raw::RawClient;
use lianbo_tests::{on_both, records};

use lianbo_node::scope::Scope;

/// How the hub would answer this node's next Hello.
async fn outcome(hub: &TestHub, node: &TestNode) -> HelloOutcome {
    let mut client = RawClient::connect(hub, &node.pki(), Scope::Organization).await;
    client.sync.hello(node.hello().await).await.unwrap().into_inner().outcome()
}

on_both! {
    async fn both_sides_restart_and_go_on_where_they_were(database) {
        let mut hub = TestHub::start(database).await;
        let mut node = village(&hub, "village").await;
        hub_writes(&hub, 1, "one").await;
        node_writes(&node, 2, "two").await;
        node.sync().await;
        node.sync().await;
        hub.restart().await;
        node.stop().await;
        node.open().await;
        assert_eq!(outcome(&hub, &node).await, HelloOutcome::Resume);
        assert_eq!(node.sync().await, lianbo_node::link::Drained::default());
        hub_writes(&hub, 3, "three").await;
        let drained = node.sync().await;
        assert_eq!((drained.pushed, drained.pulled), (0, 1));
        node.close().await;
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_subscriptions_are_answered_with_a_snapshot_and_nothing_comes_twice() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let (node, sibling) = (village(&hub, "village").await, village(&hub, "township").await);
    node_writes(&sibling, 1, "theirs").await;
    sibling.sync().await;
    hub_writes(&hub, 2, "ours").await;
    node.sync().await;
    assert!(are(&titles(&mut node.read().await).await, &["ours"]));
    node.subscribe(None, "news").await;
    assert_eq!(outcome(&hub, &node).await, HelloOutcome::Snapshot);
    let before = everything(&mut node.read().await).await.len();
    let drained = node.sync().await;
    assert!(are(&titles(&mut node.read().await).await, &["ours", "theirs"]));
    let after = everything(&mut node.read().await).await.len();
    assert_eq!(drained.pulled, after - before);
    assert_eq!(outcome(&hub, &node).await, HelloOutcome::Resume);
    node.close().await;
    sibling.close().await;
    hub.close().await;
}

#[tokio::test]
async fn a_site_of_another_protocol_is_told_to_upgrade() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let node = village(&hub, "village").await;
    let mut client = RawClient::connect(&hub, &node.pki(), Scope::Organization).await;
    for protocol in [0, 2] {
        let hello = v1::HelloRequest { protocol, ..node.hello().await };
        let answer = client.sync.hello(hello).await.unwrap().into_inner();
        assert_eq!(answer.outcome(), HelloOutcome::Upgrade);
        assert!(answer.message.contains("version 1"), "{}", answer.message);
    }
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_put_back_to_an_older_copy_takes_everything_back_and_writes_on() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "village").await;
    node_writes(&node, 1, "early").await;
    node.sync().await;
    let old = node.copy().await;
    node_writes(&node, 2, "later").await;
    node.write(super::ORGANIZATION, records::column("news", "column")).await;
    hub_writes(&hub, 3, "from-above").await;
    node.sync().await;
    node.sync().await;
    let before = everything(&mut node.read().await).await;
    let life = node.hello().await.incarnation;

    node.put_back(&old).await;
    assert_eq!(outcome(&hub, &node).await, HelloOutcome::RolledBack);
    node.sync().await;
    let refilled = everything(&mut node.read().await).await;
    assert!(refilled.is_superset(&before), "nothing is lost");
    assert!(are(&titles(&mut node.read().await).await, &["early", "later", "from-above"]));
    assert_ne!(node.hello().await.incarnation, life, "a new life of its data");
    node_writes(&node, 4, "after").await;
    node.sync().await;
    let mut at_hub = hub.store.read().await.unwrap();
    assert!(are(&titles(&mut at_hub).await, &["early", "later", "from-above", "after"]));
    assert_eq!(journal::forks(&mut at_hub).await.unwrap(), [], "nothing was signed twice");
    assert_eq!(outcome(&hub, &node).await, HelloOutcome::Resume);
    drop(at_hub);
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_that_wrote_before_it_was_found_out_loses_nothing_either() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "village").await;
    node_writes(&node, 1, "early").await;
    node.sync().await;
    let old = node.copy().await;
    node_writes(&node, 2, "first-life").await;
    node.sync().await;
    node.put_back(&old).await;
    node_writes(&node, 3, "second-life").await;
    node_writes(&node, 4, "and-more").await;
    node.sync().await;
    node.sync().await;
    let all = ["early", "first-life", "second-life", "and-more"];
    assert!(are(&titles(&mut node.read().await).await, &all));
    assert!(are(&titles(&mut hub.store.read().await.unwrap()).await, &all));
    assert_eq!(journal::forks(&mut hub.store.read().await.unwrap()).await.unwrap().len(), 1);
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clones_that_both_write_end_with_everything_of_both() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut first = village(&hub, "village").await;
    node_writes(&first, 1, "shared").await;
    first.sync().await;
    let copy = first.copy().await;
    let second = first.second(&copy).await;
    node_writes(&first, 2, "of-first").await;
    node_writes(&second, 3, "of-second").await;
    node_writes(&second, 4, "of-second-too").await;
    first.sync().await;
    second.sync().await;
    let forks = journal::forks(&mut hub.store.read().await.unwrap()).await.unwrap();
    assert_eq!(forks.len(), 1, "reported at the hub");
    assert_eq!(forks[0].0.site, first.identity.site);
    assert_eq!(outcome(&hub, &first).await, HelloOutcome::Forked, "the first one has yet to hear");
    first.sync().await;
    let all = ["shared", "of-first", "of-second", "of-second-too"];
    for tx in [&mut first.read().await, &mut second.read().await] {
        let titles = titles(tx).await;
        assert!(are(&titles, &all), "{titles:?}");
    }
    assert!(are(&titles(&mut hub.store.read().await.unwrap()).await, &all));
    assert_ne!(first.hello().await.incarnation, second.hello().await.incarnation);
    for node in [&first, &second] {
        assert_eq!(outcome(&hub, node).await, HelloOutcome::Resume);
    }
    node_writes(&first, 5, "first-again").await;
    node_writes(&second, 6, "second-again").await;
    first.sync().await;
    second.sync().await;
    assert_eq!(titles(&mut hub.store.read().await.unwrap()).await.len(), 6);
    let forks = journal::forks(&mut hub.store.read().await.unwrap()).await.unwrap();
    assert_eq!(forks.len(), 1, "no new one");
    first.close().await;
    second.close().await;
    hub.close().await;
}
