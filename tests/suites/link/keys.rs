//! Keys rotate, the site stays.

use lianbo_node::cli::{Desk, Output, rotate_key};
use lianbo_node::lifecycle::{KEY_FILE, NEXT_KEY_FILE};
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::net::TestHub;

use super::{are, node_writes, titles, village};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_a_further_key_and_the_hub_goes_on_taking_its_word() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "village").await;
    node_writes(&node, 1, "old-key").await;
    let before = node.site().identity.public();
    node.stop().await;
    let database = format!("sqlite:{}", node.folder().join("lianbo.db").display());
    let above = Some(hub.identity.site);
    let desk = Desk::open(node.folder(), &database, above, Output { json: true }).await.unwrap();
    desk.run(async |desk| rotate_key::Command {}.run(desk).await).await.unwrap();
    node.open().await;
    assert_ne!(node.site().identity.public(), before);
    assert!(!node.folder().join(NEXT_KEY_FILE).exists());
    node_writes(&node, 2, "new-key").await;
    node.sync().await;
    assert!(are(&titles(&mut hub.store.read().await.unwrap()).await, &["old-key", "new-key"]));
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_never_announced_takes_no_place() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "village").await;
    let key = std::fs::read(node.folder().join(KEY_FILE)).unwrap();
    node.stop().await;
    let other = lianbo_node::identity::Identity::new_key(node.identity.site, &mut rand::rng());
    std::fs::write(node.folder().join(NEXT_KEY_FILE), other.to_pem().as_bytes()).unwrap();
    node.open().await;
    assert_eq!(std::fs::read(node.folder().join(KEY_FILE)).unwrap(), key);
    assert_ne!(node.site().identity.public(), other.public());
    node.close().await;
    hub.close().await;
}
