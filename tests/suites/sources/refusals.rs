//! What is not read, and how that stands.

use std::io::Write;

use lianbo_hub::sources::{Fetcher, Guard, MAX_BODY};

use super::*;

async fn failing(hub: &TestHub, name: &str) -> (Standing, String) {
    let polled = poll(hub, name).await;
    assert_eq!((polled.new, polled.changed), (0, 0));
    (polled.standing, polled.error)
}

#[tokio::test]
async fn a_failure_is_told_and_what_was_kept_stays() {
    let (hub, server) = county(TestDatabase::sqlite().await).await;
    server.serve("/rss", Page::feed(&[("1", "甲", "一"), ("2", "乙", "二")]));
    add(&hub, source("province", server.url("/rss"))).await;
    poll(&hub, "province").await;
    let whole = feed_of(&[("1", "甲", "一"), ("2", "乙", "二"), ("3", "丙", "三")]);
    let cut = whole[..whole.len() - 40].to_vec();
    let zip = {
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        zip.write_all(&vec![b' '; 100 << 20]).unwrap();
        zip.finish().unwrap()
    };
    for (page, standing, says) in [
        (Page::status(500), Standing::Failing, "500"),
        (Page::status(404), Standing::Failing, "404"),
        (Page::status(403), Standing::Blocked, "403"),
        (Page::status(412), Standing::Blocked, "412"),
        (Page::status(503).with("Retry-After", "7200"), Standing::Failing, "busy"),
        (Page::new("<html><body>首页</body></html>"), Standing::Failing, "not a feed"),
        (
            Page::new("<html><script>acw_sc__v2</script></html>"),
            Standing::Blocked,
            "check for browsers",
        ),
        (Page::new(""), Standing::Failing, "empty"),
        (Page::new(cut), Standing::Failing, "cannot be read"),
        (Page::new(vec![b' '; MAX_BODY + 1]), Standing::Failing, "larger than 8 MiB"),
        (Page::new(zip).with("Content-Encoding", "gzip"), Standing::Failing, "larger than 8 MiB"),
        (Page::new("x").with("Content-Encoding", "gzip"), Standing::Failing, ""),
        (Page::status(302).with("Location", "/rss"), Standing::Failing, "more than five times"),
        (Page::status(302), Standing::Failing, "to no address"),
        (
            Page::status(302).with("Location", "file:///etc/passwd"),
            Standing::Failing,
            "no web page",
        ),
        (
            Page::status(302).with("Location", "http://169.254.169.254/"),
            Standing::Failing,
            "no source may stand",
        ),
        (
            Page::status(302).with("Location", "http://[::1]/"),
            Standing::Failing,
            "sources.networks",
        ),
        (
            Page::status(302).with("Location", "http://10.0.0.1/"),
            Standing::Failing,
            "sources.networks",
        ),
    ] {
        server.serve("/rss", page);
        let (stands, error) = failing(&hub, "province").await;
        assert!(
            stands == standing && error.contains(says) && !error.is_empty(),
            "{stands:?} {error}"
        );
        assert!(!error.contains("127.0.0.1"), "no address is told: {error}");
    }
    let held = watched(&hub, "province").await.poll;
    assert_eq!((held.failures, held.items), (18, 2));
    assert!(are(&titles(&hub.store).await, &["乙", "甲"]));
    server.serve("/rss", Page::status(429).with("Retry-After", "36000"));
    failing(&hub, "province").await;
    let held = watched(&hub, "province").await.poll;
    assert!(held.due_ms - held.polled_ms.unwrap() >= 36_000_000, "the site is heard");
    server.serve("/rss", Page::feed(&[("1", "甲", "一"), ("2", "乙", "二")]));
    let well = poll(&hub, "province").await;
    assert_eq!((well.standing, well.unchanged), (Standing::Good, true), "its mark was kept");
    hub.close().await;
}

#[tokio::test]
async fn a_feed_moved_is_followed_and_one_that_shrinks_alarms() {
    let (hub, server) = county(TestDatabase::sqlite().await).await;
    let many: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let items: Vec<(&str, &str, &str)> =
        many.iter().map(|n| (n.as_str(), n.as_str(), "文")).collect();
    server.serve("/old", Page::status(301).with("Location", "/new"));
    server.serve("/new", Page::feed(&items));
    add(&hub, source("province", server.url("/old"))).await;
    assert_eq!(counts(&poll(&hub, "province").await), (20, 0, 0));
    server.serve("/new", Page::feed(&items[..3]));
    assert_eq!(poll(&hub, "province").await.standing, Standing::Sparse);
    server.serve("/new", Page::feed(&[]));
    assert_eq!(poll(&hub, "province").await.standing, Standing::Empty);
    server.serve("/new", Page::feed(&items));
    assert_eq!(poll(&hub, "province").await.standing, Standing::Good);
    hub.close().await;
}

#[tokio::test]
async fn without_the_operators_word_nothing_inside_is_asked_by_name_or_number() {
    let (hub, server) = county(TestDatabase::sqlite().await).await;
    server.serve("/rss", Page::feed(&[("1", "甲", "一")]));
    let url = server.url("/rss");
    let port = url.rsplit_once(':').unwrap().1.to_owned();
    let closed = SourcesConfig { networks: Vec::new(), ..config() };
    let (store, door) = (hub.store.clone(), hub.hub().door.clone());
    let clock = Arc::new(SystemClock);
    let poller =
        Poller::new(Registry::new(store), door, hub.identity.site, clock, &closed).unwrap();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"] {
        add(&hub, source("inside", format!("http://{host}:{port}"))).await;
        let polled = poller.poll(vec![watched(&hub, "inside").await]).await.unwrap();
        assert_eq!(polled[0].standing, Standing::Failing, "{host}");
        assert!(polled[0].error.contains("sources.networks"), "{host}: {}", polled[0].error);
    }
    assert_eq!(server.asked(), []);
    assert!(Fetcher::new(Guard::default(), Some("http://user:secret@proxy.example:3128")).is_ok());
    hub.close().await;
}

#[tokio::test]
async fn one_sources_trouble_is_not_anothers() {
    let (hub, server) = county(TestDatabase::sqlite().await).await;
    server.serve("/good", Page::feed(&[("1", "甲", "一")]));
    server.serve("/bad", Page::new("<rss version='2.0'><channel><item>"));
    for name in ["good", "bad", "gone"] {
        add(&hub, source(name, server.url(&format!("/{name}")))).await;
    }
    let all = Registry::new(hub.store.clone()).list().await.unwrap();
    let polled = poller(&hub).poll(all).await.unwrap();
    let standing = |name: &str| polled.iter().find(|it| it.source == name).unwrap().standing;
    assert_eq!(standing("good"), Standing::Good);
    assert_eq!((standing("bad"), standing("gone")), (Standing::Failing, Standing::Failing));
    assert!(are(&titles(&hub.store).await, &["甲"]));
    hub.close().await;
}

#[tokio::test]
async fn a_fenced_hub_takes_nothing_and_remembers_nothing_of_it() {
    let (mut hub, server) = county(TestDatabase::sqlite().await).await;
    server.serve("/rss", Page::feed(&[("1", "甲", "一")]));
    hub.lose(TestDatabase::sqlite().await).await;
    add(&hub, source("province", server.url("/rss"))).await;
    let before = watched(&hub, "province").await;
    let refused = poller(&hub).poll(vec![before.clone()]).await;
    // Its columns are not back yet, so that there is nothing to write either.
    match refused {
        Ok(polled) => assert_eq!(polled[0].standing, Standing::Failing),
        Err(_) => assert_eq!(watched(&hub, "province").await, before),
    }
    assert_eq!(entries(&hub).await, 0);
    hub.close().await;
}
