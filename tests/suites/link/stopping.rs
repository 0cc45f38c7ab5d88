//! A hub that stops says when to come back, and its nodes wait at least so long.

use std::time::Duration;

use super::{are, hub_writes, titles, village};
use lianbo_node::link::{LinkError, RETRY_AFTER};
use lianbo_node::scope::Scope;
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::sync::backoff::Backoff;
use lianbo_proto::v1;
use lianbo_tests::net::TestHub;
use lianbo_tests::raw::RawClient;
use tonic::{Code, Status};

fn asked(status: &Status) -> Option<Duration> {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.metadata().contains_key(RETRY_AFTER));
    LinkError::from(status.clone()).retry_after()
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_hear_of_a_stop_and_when_to_come_back() {
    let mut hub = TestHub::start(TestDatabase::sqlite().await).await;
    let node = village(&hub, "village").await;
    let mut client = RawClient::connect(&hub, &node.pki(), Scope::Organization).await;
    let mut stream = client.follow(v1::FollowOpen::default()).await.unwrap();
    stream.settle().await;
    let (frames, mut answers) = client.push_stream().await.unwrap();
    let (followed, pushed, ()) =
        tokio::join!(stream.end(), answers.message(), async { hub.stop().await });
    drop(frames);
    let mut backoff = Backoff::default();
    for status in [followed, pushed.unwrap_err()] {
        let asked = asked(&status).expect("a number");
        assert!(asked >= Duration::from_secs(1), "{asked:?}");
        for random in [0.0, 0.5, 1.0] {
            assert!(backoff.next(random, Some(asked)) >= asked, "jitter comes on top");
        }
    }
    drop(client);
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_comes_back_to_a_hub_that_restarted() {
    let mut hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "village").await;
    node.serve().await;
    hub_writes(&hub, 1, "before").await;
    node.until("the link is up", async |tx| titles(tx).await.len() == 1).await;
    hub.restart().await;
    hub_writes(&hub, 2, "after").await;
    node.until("the link is up again", async |tx| titles(tx).await.len() == 2).await;
    assert!(are(&titles(&mut node.read().await).await, &["before", "after"]));
    node.close().await;
    hub.close().await;
}
