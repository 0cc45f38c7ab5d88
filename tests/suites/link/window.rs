//! A follower that does not acknowledge, or does not read, harms nobody (rule 9).

use std::time::Duration;

use super::{ORGANIZATION, hub_writes};
use lianbo_node::content::Record;
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::link::RETRY_AFTER;
use lianbo_node::scope::Scope;
use lianbo_node::store::testing::TestDatabase;
use lianbo_proto::v1;
use lianbo_tests::net::{PATIENCE, TestHub};
use lianbo_tests::raw::{RawClient, hello, open_frame};
use lianbo_tests::records;
use rand::RngExt;
use tokio::task::JoinSet;

/// What a hub says that it leaves unacknowledged, and the most that one batch holds beyond it.
const WINDOW: usize = 4 * 1024 * 1024;
const BATCH: usize = 2 * 1024 * 1024;

/// An article that no compression makes small.
fn large(n: u8) -> Record {
    let Record::Article(mut article) = records::article(n, "large") else { unreachable!() };
    article.text = hex::encode(rand::rng().random::<[u8; 32]>());
    let mut block = [0u8; 3 * 1024];
    for _ in 0..60 {
        rand::rng().fill(&mut block[..]);
        article.text.push_str(&hex::encode(block));
    }
    Record::Article(article)
}

async fn follower(hub: &TestHub, code: &str) -> RawClient {
    let identity = Identity::generate(&mut rand::rng());
    let pki = hub.enrol(&identity, code, Scope::Organization).await;
    RawClient::connect(hub, &pki, Scope::Organization).await
}

/// Some 14 MB, half of that compressed.
async fn plenty(hub: &TestHub) {
    for n in 0..40 {
        hub.write(vec![Draft::new(ORGANIZATION, large(n))]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_never_acknowledges_gets_one_window_and_the_others_everything() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut slow = follower(&hub, "slow").await;
    let mut stream = slow.follow(v1::FollowOpen::default()).await.unwrap();
    plenty(&hub).await;
    let mut bytes = 0;
    let mut last = None;
    while let Ok(batch) = tokio::time::timeout(Duration::from_millis(700), stream.batch()).await {
        bytes += batch.frame.len();
        if !batch.cursor.is_empty() {
            last = Some(batch);
        }
    }
    assert!((WINDOW / 2..WINDOW + BATCH).contains(&bytes), "{bytes}");

    let mut quick = follower(&hub, "quick").await;
    let mut other = quick.follow(v1::FollowOpen::default()).await.unwrap();
    let got: usize = other.settle().await.iter().map(|it| open_frame(&it.frame).len()).sum();
    assert!(got >= 40, "{got}");

    // It goes on as soon as it acknowledges.
    stream.ack(&last.unwrap()).await;
    let rest = stream.settle().await;
    let more: usize = rest.iter().map(|it| it.frame.len()).sum();
    assert!(more > 0);
    drop((slow, stream, quick, other));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_does_not_read_holds_up_nobody_and_the_hub_can_stop() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut deaf = follower(&hub, "deaf").await;
    let mut streams = Vec::new();
    for _ in 0..14 {
        streams.push(deaf.follow(v1::FollowOpen::default()).await.unwrap());
    }
    let status = deaf.follow(v1::FollowOpen::default()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "more than a site may have: {status:?}");
    plenty(&hub).await;
    let mut quick = follower(&hub, "quick").await;
    let mut other = quick.follow(v1::FollowOpen::default()).await.unwrap();
    let got: usize = other.settle().await.iter().map(|it| open_frame(&it.frame).len()).sum();
    assert!(got >= 40, "{got}");
    hub_writes(&hub, 200, "last").await;
    let batch = other.batch().await;
    assert_eq!(open_frame(&batch.frame).len(), 1);
    drop((quick, other));
    hub.close().await;
    drop((deaf, streams));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_asks_much_at_once_is_told_to_come_back_and_another_is_answered() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let identity = Identity::generate(&mut rand::rng());
    let pki = hub.enrol(&identity, "eager", Scope::Organization).await;
    let eager = RawClient::connect(&hub, &pki, Scope::Organization).await;
    let calm = Identity::generate(&mut rand::rng());
    let pki = hub.enrol(&calm, "calm", Scope::Organization).await;
    let mut other = RawClient::connect(&hub, &pki, Scope::Organization).await;
    let told_to_wait = async {
        loop {
            // Fewer than it may have under way, more than it may have at work.
            let mut asked = JoinSet::new();
            for _ in 0..8 {
                let (mut sync, question) = (eager.sync.clone(), hello(identity.site));
                asked.spawn(async move { sync.hello(question).await });
            }
            let answers = asked.join_all().await;
            assert!(answers.iter().any(Result::is_ok));
            let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
            for status in &refused {
                assert!(status.message().contains("questions"), "{status:?}");
                assert!(status.metadata().contains_key(RETRY_AFTER));
            }
            other.hello(calm.site).await.expect("another site is answered");
            if !refused.is_empty() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, told_to_wait).await.expect("told to come back");
    hub.close().await;
}
