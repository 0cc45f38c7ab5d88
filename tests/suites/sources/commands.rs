//! The commands of sources, as real processes, also beside a hub that serves and dies.

use lianbo_tests::process::{HUB, Program};
use serde_json::Value;

use super::*;

async fn program() -> (tempfile::TempDir, Program) {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Program::new(HUB, folder.path().join("hub"))
        .set("LIANBO_METRICS__ADDRESS", "127.0.0.1:0")
        .set("LIANBO_SOURCES__NETWORKS", "[\"127.0.0.0/8\"]");
    for network in ["INTERNAL", "ORGANIZATION", "PUBLIC"] {
        for what in ["GRPC", "PAGES"] {
            hub = hub.set(&format!("LIANBO_LISTEN__{network}__{what}"), "127.0.0.1:0");
        }
    }
    hub.run(&["init", "--code", "county", "--name", "清源县委组织部"]).await.unwrap();
    hub.run(&["column", "add", "news", "--name", "要闻"]).await.unwrap();
    (folder, hub)
}

async fn json(hub: &Program, args: &[&str]) -> Value {
    let out = hub.run(&[args, &["--json"]].concat()).await.unwrap();
    serde_json::from_str(&out).unwrap()
}

#[tokio::test]
async fn a_source_is_added_shown_polled_paused_and_removed() {
    let ((_folder, hub), server) = (program().await, FeedServer::start().await);
    server.serve("/rss", Page::feed(&[("1", "甲", "一")]));
    let url = server.url("/rss");
    let add =
        ["source", "add", "province", "--url", &url, "--name", "省委组织部", "--column", "news"];
    let refused = async |more: &[&str]| hub.run(&[&add[..], more].concat()).await.unwrap_err();
    assert!(refused(&["--scope", "public"]).await.contains("two persons"));
    assert!(refused(&["--every", "1"]).await.contains("5 minutes"));
    let elsewhere = ["source", "add", "a", "--url", &url, "--name", "甲", "--column", "none"];
    assert!(hub.run(&elsewhere).await.unwrap_err().contains("no column none"));
    let secret =
        ["source", "add", "a", "--url", "http://u:secret@x/", "--name", "甲", "--column", "news"];
    assert!(!hub.run(&secret).await.unwrap_err().contains("secret"));
    assert_eq!(json(&hub, &["source", "list"]).await, serde_json::json!([]));

    assert_eq!(hub.run(&add).await.unwrap(), "province\n");
    assert!(refused(&[]).await.contains("--replace"));
    assert_eq!(json(&hub, &["source", "show", "province"]).await["standing"], "new");
    let polled = json(&hub, &["source", "poll"]).await;
    assert_eq!((&polled["sources"], &polled["new"]), (&1.into(), &1.into()));
    assert!(polled["sources_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(json(&hub, &["source", "poll"]).await["sources"], 0, "nothing is due");
    assert_eq!(json(&hub, &["source", "poll", "--all", "--no-pacing"]).await["unchanged"], 1);
    let listed = json(&hub, &["source", "list"]).await;
    assert_eq!((&listed[0]["standing"], &listed[0]["items"]), (&"good".into(), &1.into()));
    assert!(hub.run(&["source", "list"]).await.unwrap().contains("省委组织部"));
    let articles = json(&hub, &["article", "list"]).await;
    assert_eq!(articles[0]["link"], "http://www.qy.gov.cn/art/1.html");

    hub.run(&["source", "pause", "province"]).await.unwrap();
    assert_eq!(json(&hub, &["source", "poll", "--all"]).await["sources"], 0);
    assert!(hub.run(&["source", "show", "province"]).await.unwrap().contains("paused"));
    hub.run(&["source", "pause", "province", "--off"]).await.unwrap();
    server.serve("/rss", Page::status(403));
    assert!(hub.run(&["source", "poll", "province"]).await.unwrap_err().contains("403"));
    assert!(
        hub.run(&["source", "poll", "--all"]).await.is_ok(),
        "told, and no failure of the command"
    );
    hub.run(&["source", "remove", "province"]).await.unwrap();
    for verb in ["show", "remove", "pause", "poll"] {
        assert!(hub.run(&["source", verb, "province"]).await.unwrap_err().contains("source list"));
    }
    assert_eq!(json(&hub, &["article", "list"]).await.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_killed_while_it_gathers_has_everything_once() {
    const SOURCES: usize = 12;
    const ITEMS: usize = 40;
    let ((_folder, hub), server) = (program().await, FeedServer::start().await);
    for n in 0..SOURCES {
        let items: Vec<String> = (0..ITEMS).map(|item| format!("{n}-{item}")).collect();
        let items: Vec<_> = items.iter().map(|it| (it.as_str(), it.as_str(), "正文")).collect();
        server.serve(&format!("/{n}"), Page::feed(&items));
        let (name, url) = (format!("s{n}"), server.url(&format!("/{n}")));
        let add = ["source", "add", &name, "--url", &url, "--name", "省", "--column", "news"];
        hub.run(&add).await.unwrap();
    }
    let hub = hub.set("LIANBO_SOURCES__PACE_SECONDS", "0").set("LIANBO_SOURCES__AT_ONCE", "1");
    // Killed as soon as it has begun to ask, again and again; and whoever asks beside it is not disturbed.
    for _ in 0..3 {
        let serving = hub.serve().await;
        server.asked();
        let poll = hub.run(&["source", "poll", "--all"]);
        let (told, ()) = tokio::join!(poll, async {
            eventually("it asks", async || server.asked().len() > 1).await;
            serving.kill().await;
        });
        told.unwrap();
    }
    let last = json(&hub, &["source", "poll", "--all"]).await;
    assert_eq!((&last["unchanged"], &last["new"]), (&SOURCES.into(), &0.into()));
    let articles = json(&hub, &["article", "list", "--limit", "10000"]).await;
    let titles: BTreeSet<_> =
        articles.as_array().unwrap().iter().map(|it| it["title"].to_string()).collect();
    assert_eq!(
        (titles.len(), articles.as_array().unwrap().len()),
        (SOURCES * ITEMS, SOURCES * ITEMS)
    );
    // The enrolment and the column stand before them: nothing was written twice.
    assert_eq!(json(&hub, &["verify"]).await["entries"], SOURCES * ITEMS + 2);
}
