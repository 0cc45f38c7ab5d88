//! Sources: a real web server, a real hub, and what becomes of the feeds between them.

mod commands;
mod refusals;

use std::collections::BTreeSet;
use std::sync::Arc;

use lianbo_hub::config::SourcesConfig;
use lianbo_hub::sources::{Polled, Poller, Registry, Source, Standing, Watched};
use lianbo_node::clock::SystemClock;
use lianbo_node::content::article::{self, ArticleFilter, ArticleView};
use lianbo_node::content::retraction::Retraction;
use lianbo_node::content::{Record, column::Column};
use lianbo_node::entry::RecordId;
use lianbo_node::ingest::Draft;
use lianbo_node::scope::{Audience, Reader, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::store::{Store, Tx};
use lianbo_tests::feeds::{FeedServer, Page};
use lianbo_tests::net::{TestHub, TestNode, eventually};
use lianbo_tests::on_both;

const ALL: Audience = Audience { scope: Scope::Organization, addressee: None };

/// A hub with the column `news`, and a server of feeds.
async fn county(database: TestDatabase) -> (TestHub, FeedServer) {
    let hub = TestHub::start(database).await;
    column(&hub, false).await;
    (hub, FeedServer::start().await)
}

async fn column(hub: &TestHub, closed: bool) {
    let column = Column {
        slug: "news".into(),
        name: "新闻时事".into(),
        description: String::new(),
        rank: 0,
        closed,
    };
    hub.write(vec![Draft::new(ALL, Record::Column(column))]).await;
}

/// A source of the hub's column `news`.
fn source(name: &str, url: String) -> Source {
    Source {
        source: name.into(),
        name: "省委组织部".into(),
        url,
        column: "news".into(),
        scope: Scope::Organization,
        every_ms: 3_600_000,
        paused: false,
        created_ms: 0,
    }
}

/// What a hub on loopback is told: its sources stand there too, and are in no hurry for peace.
fn config() -> SourcesConfig {
    let networks = vec!["127.0.0.0/8".parse().unwrap()];
    SourcesConfig { networks, pace_seconds: 0, ..SourcesConfig::default() }
}

fn poller(hub: &TestHub) -> Poller {
    let (store, door) = (hub.store.clone(), hub.hub().door.clone());
    Poller::new(Registry::new(store), door, hub.identity.site, Arc::new(SystemClock), &config())
        .unwrap()
}

/// Adds a source and keeps the serving hub from polling it by itself.
async fn add(hub: &TestHub, source: Source) {
    let registry = Registry::new(hub.store.clone());
    let paused = Source { paused: true, ..source };
    assert!(registry.add(&paused, true).await.unwrap());
}

async fn watched(hub: &TestHub, name: &str) -> Watched {
    Registry::new(hub.store.clone()).get(name).await.unwrap().unwrap()
}

/// Polls one source now.
async fn poll(hub: &TestHub, name: &str) -> Polled {
    let polled = poller(hub).poll(vec![watched(hub, name).await]).await.unwrap();
    polled.into_iter().next().unwrap()
}

/// New, changed, withdrawn.
fn counts(polled: &Polled) -> (usize, usize, usize) {
    assert_eq!(polled.error, "");
    (polled.new, polled.changed, polled.withdrawn)
}

/// All articles a villager may see, with their texts.
async fn articles(tx: &mut Tx) -> Vec<ArticleView> {
    let reader = Reader::anonymous(Scope::Organization);
    let filter = ArticleFilter { limit: 1000, ..ArticleFilter::default() };
    let mut views = Vec::new();
    for line in article::list(tx, reader, &filter).await.unwrap() {
        views.push(article::get(tx, reader, line.site, line.id).await.unwrap().unwrap());
    }
    views.sort_by(|a, b| a.line.link.cmp(&b.line.link));
    views
}

async fn titles(store: &Store) -> BTreeSet<String> {
    let mut tx = store.read().await.unwrap();
    articles(&mut tx).await.into_iter().map(|it| it.line.title).collect()
}

fn are(titles: &BTreeSet<String>, expected: &[&str]) -> bool {
    titles.iter().map(String::as_str).eq(expected.iter().copied())
}

/// How many entries the journal holds.
async fn entries(hub: &TestHub) -> i64 {
    let mut tx = hub.store.read().await.unwrap();
    lianbo_node::journal::end(&mut tx).await.unwrap().position
}

on_both! {
    async fn a_feed_becomes_signed_articles_that_reach_the_villages(database) {
        let (hub, server) = county(database).await;
        let node = TestNode::join(&hub, "yantian", Scope::Organization, Scope::Organization).await;
        server.serve("/rss", Page::feed(&[("1", "甲", "一"), ("2", "乙", "二<script>x</script>")]));
        add(&hub, source("province", server.url("/rss"))).await;
        assert_eq!(counts(&poll(&hub, "province").await), (2, 0, 0));
        node.sync().await;
        let held = articles(&mut node.read().await).await;
        let first = &held[0].line;
        assert_eq!((first.title.as_str(), first.source.as_str()), ("甲", "省委组织部"));
        assert_eq!(first.link, "http://www.qy.gov.cn/art/1.html");
        assert_eq!(first.published_ms, 1_606_096_800_000, "the date of the original");
        assert_eq!((first.site, first.column.as_str()), (hub.identity.site, "news"));
        assert_eq!((held[1].text.as_str(), held[1].line.scope), ("<p>二</p>", Scope::Organization));
        let reader = Reader::anonymous(Scope::Public);
        let mut tx = hub.store.read().await.unwrap();
        let open = article::list(&mut tx, reader, &ArticleFilter::default()).await.unwrap();
        assert_eq!(open, [], "nothing of it goes to the internet by itself");
        drop(tx);
        node.close().await;
        hub.close().await;
    }

    async fn what_has_not_changed_is_asked_for_by_its_mark_and_writes_nothing(database) {
        let (hub, server) = county(database).await;
        server.serve("/rss", Page::feed(&[("1", "甲", "一")]));
        add(&hub, source("province", server.url("/rss"))).await;
        poll(&hub, "province").await;
        let before = entries(&hub).await;
        server.asked();
        let again = poll(&hub, "province").await;
        assert_eq!((counts(&again), again.unchanged, again.items), ((0, 0, 0), true, 1));
        let asked = server.asked();
        assert!(asked.len() == 1 && asked[0].1.is_some(), "{asked:?}");
        // A server without marks: the same bytes, then other bytes with the same items.
        server.serve("/rss", Page::new("<rss version='2.0'><channel><title>x</title></channel></rss>"));
        poll(&hub, "province").await;
        let bare = Page::new(feed_of(&[("1", "甲", "一")]));
        server.serve("/rss", bare.clone());
        poll(&hub, "province").await;
        assert!(poll(&hub, "province").await.unchanged);
        server.serve("/rss", Page::new([&b"<!-- later -->"[..], &feed_of(&[("1", "甲", "一")])].concat()));
        let read = poll(&hub, "province").await;
        assert_eq!((counts(&read), read.unchanged), ((0, 0, 0), false));
        assert_eq!(entries(&hub).await, before);
        hub.close().await;
    }

    async fn a_changed_item_is_a_revision_and_one_that_vanished_stays(database) {
        let (hub, server) = county(database).await;
        server.serve("/rss", Page::feed(&[("1", "甲", "一"), ("2", "乙", "二")]));
        add(&hub, source("province", server.url("/rss"))).await;
        poll(&hub, "province").await;
        server.serve("/rss", Page::feed(&[("1", "甲，更正", "一")]));
        assert_eq!(counts(&poll(&hub, "province").await), (0, 1, 0));
        let held = articles(&mut hub.store.read().await.unwrap()).await;
        let told: Vec<_> = held.iter().map(|it| (it.line.title.as_str(), it.revisions.len())).collect();
        assert_eq!(told, [("甲，更正", 2), ("乙", 1)]);
        // And back again.
        server.serve("/rss", Page::feed(&[("1", "甲", "一"), ("2", "乙", "二")]));
        assert_eq!(counts(&poll(&hub, "province").await), (0, 1, 0));
        assert!(are(&titles(&hub.store).await, &["乙", "甲"]));
        hub.close().await;
    }

    async fn a_lost_memory_of_sources_brings_nothing_twice(database) {
        let (hub, server) = county(database).await;
        server.serve("/rss", Page::feed(&[("1", "甲", "一"), ("2", "乙", "二")]));
        add(&hub, source("province", server.url("/rss"))).await;
        poll(&hub, "province").await;
        // A desk corrects one, which its source does not know.
        let mut tx = hub.store.read().await.unwrap();
        let first = articles(&mut tx).await.remove(0).line;
        let told = article::told(&mut tx, first.site, &[first.id]).await.unwrap();
        drop(tx);
        let mut mine = told[&first.id].revisions[0].clone();
        mine.title = "甲，本县注".into();
        hub.write(vec![Draft::new(ALL, Record::Article(mine))]).await;
        let before = entries(&hub).await;
        let registry = Registry::new(hub.store.clone());
        assert!(registry.remove("province").await.unwrap());
        add(&hub, source("province", server.url("/rss"))).await;
        assert_eq!(counts(&poll(&hub, "province").await), (0, 0, 0));
        assert_eq!(entries(&hub).await, before);
        assert!(are(&titles(&hub.store).await, &["乙", "甲，本县注"]));
        // And remembered again, it stays so.
        server.serve("/rss", Page::feed(&[("1", "甲", "一"), ("2", "乙", "二"), ("3", "丙", "三")]));
        assert_eq!(counts(&poll(&hub, "province").await), (1, 0, 0));
        hub.close().await;
    }

    async fn what_was_withdrawn_here_does_not_come_back(database) {
        let (hub, server) = county(database).await;
        server.serve("/rss", Page::feed(&[("1", "甲", "一")]));
        add(&hub, source("province", server.url("/rss"))).await;
        poll(&hub, "province").await;
        let (site, id) = {
            let mut tx = hub.store.read().await.unwrap();
            let line = articles(&mut tx).await.remove(0).line;
            (line.site, line.id)
        };
        withdraw(&hub, id).await;
        server.serve("/rss", Page::feed(&[("1", "甲，又来", "一")]));
        assert_eq!(counts(&poll(&hub, "province").await), (0, 0, 1));
        assert!(Registry::new(hub.store.clone()).remove("province").await.unwrap());
        add(&hub, source("province", server.url("/rss"))).await;
        assert_eq!(counts(&poll(&hub, "province").await), (0, 0, 1));
        let mut tx = hub.store.read().await.unwrap();
        assert!(article::told(&mut tx, site, &[id]).await.unwrap()[&id].withdrawn);
        assert!(articles(&mut tx).await.is_empty());
        drop(tx);
        hub.close().await;
    }

    async fn two_polls_at_once_bring_nothing_twice(database) {
        let (hub, server) = county(database).await;
        let items: Vec<(String, String)> = (0..60).map(|n| (n.to_string(), format!("第{n}篇"))).collect();
        let items: Vec<(&str, &str, &str)> =
            items.iter().map(|(key, title)| (key.as_str(), title.as_str(), "文")).collect();
        server.serve("/rss", Page::feed(&items));
        add(&hub, source("province", server.url("/rss"))).await;
        let before = entries(&hub).await;
        let source = watched(&hub, "province").await;
        let (one, two) = (poller(&hub), poller(&hub));
        let (one, two) = tokio::join!(one.poll(vec![source.clone()]), two.poll(vec![source]));
        let (one, two) = (one.unwrap().remove(0), two.unwrap().remove(0));
        assert_eq!((one.new + two.new, one.changed + two.changed), (60, 0));
        assert_eq!(entries(&hub).await - before, 60);
        assert_eq!(titles(&hub.store).await.len(), 60);
        hub.close().await;
    }

    async fn a_closed_column_takes_nothing_until_it_is_opened(database) {
        let (hub, server) = county(database).await;
        server.serve("/rss", Page::feed(&[("1", "甲", "一")]));
        add(&hub, source("province", server.url("/rss"))).await;
        column(&hub, true).await;
        let polled = poll(&hub, "province").await;
        assert!(polled.standing == Standing::Failing && polled.error.contains("news"), "{polled:?}");
        assert!(titles(&hub.store).await.is_empty());
        column(&hub, false).await;
        assert_eq!(counts(&poll(&hub, "province").await), (1, 0, 0));
        hub.close().await;
    }

    async fn the_serving_hub_polls_what_is_due_also_after_a_restart(database) {
        let (mut hub, server) = county(database).await;
        hub.configure(|it| it.sources = config());
        hub.restart().await;
        let registry = Registry::new(hub.store.clone());
        server.serve("/rss", Page::feed(&[("1", "甲", "一")]));
        assert!(registry.add(&source("province", server.url("/rss")), false).await.unwrap());
        eventually("it comes by itself", async || are(&titles(&hub.store).await, &["甲"])).await;
        let held = watched(&hub, "province").await;
        assert_eq!((held.poll.standing, held.poll.items), (Standing::Good, 1));
        assert!(held.poll.due_ms > held.poll.polled_ms.unwrap() + 50 * 60_000);
        hub.restart().await;
        server.serve("/rss", Page::feed(&[("1", "甲", "一"), ("2", "乙", "二")]));
        assert!(registry.pause("province", true).await.unwrap());
        assert!(registry.pause("province", false).await.unwrap(), "it is due at once");
        eventually("it goes on", async || are(&titles(&hub.store).await, &["乙", "甲"])).await;
        hub.close().await;
    }
}

fn feed_of(items: &[(&str, &str, &str)]) -> Vec<u8> {
    Page::feed(items).body
}

/// Withdraws an article of the hub's own, all of it.
async fn withdraw(hub: &TestHub, id: RecordId) {
    let site = hub.identity.site;
    let targets = {
        let mut tx = hub.store.read().await.unwrap();
        article::live_targets(&mut tx, site, id).await.unwrap()
    };
    let retraction = Retraction { targets, record: Some(id), reason: "内容有误".into() };
    hub.write(vec![Draft::new(ALL, Record::Retraction(retraction))]).await;
}
