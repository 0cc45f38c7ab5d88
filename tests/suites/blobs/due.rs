//! Small files come by themselves; large ones when somebody asks, or at night.

use std::sync::Arc;
use std::time::Duration;

use super::{Desk, NAME, ORGANIZATION, article_path, ask, blob, file_path, get, picture, village};
use lianbo_node::clock::{Clock, ManualClock, SystemClock};
use lianbo_node::config::NodeConfig;
use lianbo_node::lifecycle::Site;
use lianbo_node::store::Store;
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::sync::blobs::Night;
use lianbo_tests::net::{TestHub, TestNode, eventually};
use lianbo_tests::records;

const HOUR: i64 = 60 * 60 * 1000;

/// The next time a clock in Beijing shows so many hours.
fn next_hour(after: i64, hour: i64) -> i64 {
    let day = 24 * HOUR;
    let passed = (after + 8 * HOUR).rem_euclid(day);
    after + (hour * HOUR - passed).rem_euclid(day)
}

/// The node's data folder, opened at a time of day.
async fn open_at(node: &mut TestNode, clock: Arc<ManualClock>) -> Site {
    node.stop().await;
    let address = format!("sqlite:{}", node.folder().join("lianbo.db").display());
    let store = Store::open(&address).await.unwrap();
    let site = Site::open_with(node.folder(), store, clock).await.unwrap();
    site.with_blobs(node.config.blobs.open(node.folder()))
}

fn small_alone(config: &mut NodeConfig) {
    config.blobs.eager_mib = 1;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_waits_for_the_night_and_a_small_one_does_not() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "node").await;
    // A certificate that outlives the days that pass.
    let pki = hub.certify(node.identity.site, Duration::from_hours(24 * 20));
    pki.save(node.folder()).unwrap();
    small_alone(&mut node.config);
    assert_eq!(node.config.blobs.night, Night::DEFAULT);
    let (small, large) = (picture(1, 10_000), picture(2, 1_100_000));
    let desk = Desk::from(&hub);
    desk.publish(ORGANIZATION, 1, &small).await;
    desk.publish(ORGANIZATION, 2, &large).await;
    let noon = next_hour(SystemClock.now(), 12);
    let clock = Arc::new(ManualClock::new(noon));
    let site = open_at(&mut node, clock.clone()).await;
    let moved = async || lianbo_node::serve::sync_once(&site, &node.config).await.unwrap().files;
    assert_eq!(moved().await, 1);
    let held = async |bytes: &[u8]| site.blobs.stat(blob(bytes).hash).await.unwrap().is_some();
    assert!(held(&small).await && !held(&large).await);
    clock.set(next_hour(noon, 21));
    assert_eq!(moved().await, 0);
    clock.set(next_hour(noon, 22));
    assert_eq!(moved().await, 1);
    assert!(held(&large).await);
    site.close().await;
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_comes_when_a_reader_asks_for_it() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "node").await;
    small_alone(&mut node.config);
    node.config.blobs.night = "never".parse().unwrap();
    let large = picture(3, 1_100_000);
    Desk::from(&hub).publish(ORGANIZATION, 1, &large).await;
    node.serve().await;
    let (page, site) = (node.pages(), hub.identity.site);
    let article = article_path(site, 1);
    eventually("the article is there", async || get(page, &article).await.is(200)).await;
    let shown = get(page, &article).await.text();
    assert!(
        shown.contains("请求下载") && shown.contains("传输中") && shown.contains(NAME),
        "{shown}"
    );
    let file = file_path(site, records::id(1));
    assert!(get(page, &file).await.is(404));
    // A form on another site's page asks in vain, and so does one for what is not there.
    let foreign =
        ask(page, "POST", &file, "Content-Length: 0\r\nSec-Fetch-Site: cross-site\r\n").await;
    assert!(foreign.is(404));
    let never = file_path(site, records::id(9));
    assert!(ask(page, "POST", &never, "Content-Length: 0\r\n").await.is(404));
    assert!(get(page, &article).await.text().contains("请求下载"));
    let asked =
        ask(page, "POST", &file, "Content-Length: 0\r\nSec-Fetch-Site: same-origin\r\n").await;
    assert!(asked.is(303) && asked.header("location") == Some(article.as_str()), "{}", asked.head);
    eventually("the file is there", async || get(page, &file).await.is(200)).await;
    assert!(get(page, &file).await.body == large);
    let other = ask(page, "POST", &article, "Content-Length: 0\r\n").await;
    assert!(other.is(405), "{}", other.head);
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_do_not_wait_for_a_file_that_is_kept_to_a_few_bytes_a_second() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "node").await;
    node.config.hub.blob_kib_per_second = 1;
    let slow = picture(4, 300_000);
    Desk::from(&hub).publish(ORGANIZATION, 1, &slow).await;
    node.serve().await;
    let blobs = node.site().blobs.clone();
    let part =
        lianbo_node::blobs::Part { hash: blob(&slow).hash, size: 300_000, site: hub.identity.site };
    eventually("the file has begun", async || blobs.begun(&part).await > 0).await;
    for n in 10..20 {
        hub.write(vec![lianbo_node::ingest::Draft::new(ORGANIZATION, records::article(n, "x"))])
            .await;
    }
    let page = node.pages();
    let last = article_path(hub.identity.site, 19);
    eventually("the last article is there", async || get(page, &last).await.is(200)).await;
    assert_eq!(blobs.stat(part.hash).await.unwrap(), None, "the file is still on its way");
    node.close().await;
    hub.close().await;
}
