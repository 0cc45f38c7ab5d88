//! A transfer that was cut goes on where it was, in both directions.

use super::relay::Relay;
use super::{Desk, ORGANIZATION, all_due, blob, picture, village};
use lianbo_node::blobs::{Blobs, Part};
use lianbo_node::scope::Scope;
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::net::{TestHub, TestNode, eventually};

const SIZE: usize = 6 * 1024 * 1024;
const CUT: u64 = 2 * 1024 * 1024;
/// Hellos, entries, TLS and HTTP around a file.
const AROUND: u64 = 256 * 1024;

fn over(relay: &Relay, node: &mut TestNode) {
    node.config.hub.url = format!("https://{}", relay.address);
}

/// Once nobody adds to it any more, how much of it came.
async fn stands(blobs: &Blobs, part: Part) -> u64 {
    let mut stands = 0;
    eventually("the transfer is over", async || match blobs.resume(part).await {
        Ok(partial) => {
            stands = partial.len();
            true
        }
        Err(_) => false,
    })
    .await;
    stands
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cut_on_its_way_up_goes_on_at_the_byte_where_the_hub_stands() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut from = village(&hub, "from").await;
    let bytes = picture(1, SIZE);
    let part = Part { hash: blob(&bytes).hash, size: SIZE as u64, site: from.identity.site };
    Desk::from(&from).publish(ORGANIZATION, 1, &bytes).await;
    let relay = Relay::to(hub.grpc(Scope::Organization)).await;
    over(&relay, &mut from);
    relay.set(CUT, 0);
    // It may fail, or say that nothing moved.
    drop(lianbo_node::serve::sync_once(from.site(), &from.config).await);
    let came = stands(&hub.hub().blobs, part).await;
    assert!(came > CUT / 4 && came < SIZE as u64, "{came}");
    relay.set(0, 0);
    all_due(&from.site().store).await;
    assert_eq!(from.sync().await.files, 1);
    let [up, _] = relay.passed();
    let rest = SIZE as u64 - came;
    assert!((rest..rest + AROUND).contains(&up), "{up} bytes went for the last {rest}");
    assert_eq!(hub.hub().blobs.stat(part.hash).await.unwrap(), Some(SIZE as u64));
    drop(relay);
    from.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cut_on_its_way_down_goes_on_at_the_byte_where_the_node_stands() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut to = village(&hub, "to").await;
    let bytes = picture(2, SIZE);
    let part = Part { hash: blob(&bytes).hash, size: SIZE as u64, site: hub.identity.site };
    Desk::from(&hub).publish(ORGANIZATION, 1, &bytes).await;
    let relay = Relay::to(hub.grpc(Scope::Organization)).await;
    over(&relay, &mut to);
    relay.set(0, CUT);
    drop(lianbo_node::serve::sync_once(to.site(), &to.config).await);
    let came = stands(&to.site().blobs, part).await;
    assert!(came > CUT / 4 && came < SIZE as u64, "{came}");
    relay.set(0, 0);
    all_due(&to.site().store).await;
    assert_eq!(to.sync().await.files, 1);
    let [_, down] = relay.passed();
    let rest = SIZE as u64 - came;
    assert!((rest..rest + AROUND).contains(&down), "{down} bytes came for the last {rest}");
    assert_eq!(to.site().blobs.stat(part.hash).await.unwrap(), Some(SIZE as u64));
    drop(relay);
    to.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rotted_on_the_way_is_thrown_away_and_comes_anew() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let to = village(&hub, "to").await;
    let bytes = picture(3, 500_000);
    let part = Part { hash: blob(&bytes).hash, size: 500_000, site: hub.identity.site };
    Desk::from(&hub).publish(ORGANIZATION, 1, &bytes).await;
    let blobs = to.site().blobs.clone();
    let mut partial = blobs.resume(part).await.unwrap();
    partial.append(&[0; 1000]).await.unwrap();
    partial.pause().await.unwrap();
    assert_eq!(to.sync().await.files, 0, "its hash does not hold");
    assert_eq!((blobs.begun(&part).await, blobs.stat(part.hash).await.unwrap()), (0, None));
    all_due(&to.site().store).await;
    assert_eq!(to.sync().await.files, 1);
    assert_eq!(blobs.stat(part.hash).await.unwrap(), Some(500_000));
    to.close().await;
    hub.close().await;
}
