//! The feeds, as two readers that others wrote take them: feedparser and newsboat.

use std::path::Path;
use std::process::Output;

use lianbo_node::content::Record;
use lianbo_node::content::article::{TextFormat, urn};
use lianbo_node::entry::{RecordId, SiteId};
use lianbo_node::ingest::Draft;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::net::TestHub;
use lianbo_tests::{Made, records};
use serde_json::Value;
use tokio::process::Command;

use super::link::canaries::get;
use super::python::python;

const PUBLIC: Audience = Audience::all(Scope::Public);
const TEXT: &str =
    "入秋以后，村口那棵三百年的**银杏**黄了。\n\n支书说：“a < b & c”不是代码。\n\n- 一\n- 二";
const HTML: &str = "<p>入秋以后，村口那棵三百年的<strong>银杏</strong>黄了。</p>\n\
                    <p>支书说：“a &lt; b &amp; c”不是代码。</p>\n<ul>\n<li>一</li>\n<li>二</li>\n</ul>";

fn piece(n: u8, title: &str, text: &str) -> Record {
    let Record::Article(mut it) = records::article(n, "") else { unreachable!() };
    (it.title, it.text, it.format) = (title.to_owned(), text.to_owned(), TextFormat::Markdown);
    it.link = if n == 1 { "https://example.org/原文".to_owned() } else { String::new() };
    Record::Article(it)
}

async fn write(hub: &TestHub, audience: Audience, record: Record) {
    hub.write(vec![Draft::new(audience, record)]).await;
}

/// A hub with three public articles of its own; the oldest is withdrawn.
async fn county() -> TestHub {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    write(&hub, PUBLIC, records::column("news", "")).await;
    write(&hub, PUBLIC, piece(1, "村口的银杏黄了 & <秋>", TEXT)).await;
    write(&hub, PUBLIC, piece(2, "控制\u{200b}字符", "响铃\u{7}与退格\u{8}不成 XML\u{fffe}")).await;
    write(&hub, PUBLIC, piece(3, "撤下的稿件", "这一篇撤了")).await;
    write(&hub, Audience::all(Scope::Organization), piece(4, "专网的稿件", "外网看不到")).await;
    let none: [&Made; 0] = [];
    write(&hub, PUBLIC, records::retraction(none, Some(records::id(3)), "")).await;
    hub
}

fn ok(ran: &Output) -> &[u8] {
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    &ran.stdout
}

async fn script(name: &str, args: &[&str]) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name);
    let mut command = Command::new(python()?);
    command.arg(path).args(args).env_remove("http_proxy").env_remove("https_proxy");
    let ran = command.output().await.unwrap();
    Some(serde_json::from_slice(ok(&ran)).unwrap())
}

fn page(base: &str, site: SiteId, id: RecordId) -> String {
    format!("{base}/article/{site}/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn feedparser_reads_titles_dates_ids_and_texts_exactly() {
    let mut hub = county().await;
    let own = hub.identity.site;
    for known in [None, Some("https://www.qingyuan.example")] {
        if let Some(url) = known {
            hub.known_as(url).await;
        }
        let here = format!("http://{}", hub.pages(Scope::Public));
        let base = known.unwrap_or(&here);
        let Some(feed) = script("read_feed.py", &[&format!("{here}/feed.atom")]).await else {
            return;
        };
        assert_eq!((&feed["bozo"], &feed["version"]), (&"".into(), &"atom10".into()), "{feed}");
        assert_eq!(feed["title"], "测试县委组织部");
        assert_eq!(feed["links"]["self"], format!("{base}/feed.atom"));
        assert_eq!(feed["links"]["alternate"], format!("{base}/"));
        let entries = feed["entries"].as_array().unwrap();
        let titles: Vec<_> = entries.iter().map(|it| it["title"].as_str().unwrap()).collect();
        assert_eq!(titles, ["村口的银杏黄了 & <秋>", "控制\u{200b}字符"]);
        let first = &entries[0];
        assert_eq!(first["id"], urn(own, records::id(1)));
        assert_eq!(first["link"], page(base, own, records::id(1)));
        assert_eq!(first["author"], "王芳");
        assert_eq!(first["published"], "2026-11-22T08:00:00+08:00");
        assert_eq!(first["category"], "武功英才");
        let content: String = first["content"].as_str().unwrap().into();
        assert_eq!(content.trim_end(), HTML);
        assert_eq!(entries[1]["content"].as_str().unwrap().trim_end(), "<p>响铃与退格不成 XML</p>");
        assert_eq!(feed["deleted"]["ref"], urn(own, records::id(3)), "{feed}");
        assert!(!feed.to_string().contains("撤下") && !feed.to_string().contains("专网"));
        // Nothing new: nothing comes.
        let etag = feed["etag"].as_str().unwrap();
        let again = script("read_feed.py", &[&format!("{here}/feed.atom"), etag]).await.unwrap();
        assert_eq!(again["status"], 304);
        let column = format!("{here}/column/{own}/news/feed.atom");
        let column = script("read_feed.py", &[&column]).await.unwrap();
        assert_eq!(column["title"], "武功英才 - county单位");
        assert_ne!(column["id"], feed["id"]);
        assert_eq!(column["entries"], feed["entries"]);
        // A withdrawn one is gone at once.
        if known.is_some() {
            let none: [&Made; 0] = [];
            write(&hub, PUBLIC, records::retraction(none, Some(records::id(1)), "")).await;
            let feed = script("read_feed.py", &[&format!("{here}/feed.atom"), etag]).await.unwrap();
            assert_eq!(
                (&feed["status"], feed["entries"].as_array().unwrap().len()),
                (&200.into(), 1)
            );
        }
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newsboat_reads_titles_dates_and_texts_exactly() {
    let hub = county().await;
    let own = hub.identity.site;
    let there = std::process::Command::new("newsboat").arg("-v").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "newsboat is not installed");
    if !there {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let base = format!("http://{}", hub.pages(Scope::Public));
    std::fs::write(path("urls"), format!("{base}/feed.atom\n")).unwrap();
    std::fs::write(path("config"), "").unwrap();
    let ran = Command::new("newsboat")
        .args(["-u", &path("urls"), "-c", &path("cache"), "-C", &path("config"), "-x", "reload"])
        .env("HOME", folder.path())
        .env("LC_ALL", "C.UTF-8")
        .env_remove("http_proxy")
        .output()
        .await
        .unwrap();
    ok(&ran);
    let Some(cache) = script("newsboat_cache.py", &[&path("cache")]).await else { return };
    let items = cache.as_array().unwrap();
    let titles: Vec<_> = items.iter().map(|it| it["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["村口的银杏黄了 & <秋>", "控制\u{200b}字符"], "{cache}");
    assert_eq!(items[0]["guid"], urn(own, records::id(1)));
    assert_eq!(items[0]["pubDate"], (records::START_MS - 86_400_000) / 1000);
    assert_eq!(items[0]["author"], "王芳");
    assert_eq!(items[0]["url"], page(&base, own, records::id(1)));
    assert_eq!(items[0]["content"].as_str().unwrap().trim_end(), HTML);
    hub.close().await;
}

#[tokio::test]
async fn pages_name_their_feeds_and_feeds_turn_their_pages() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let (own, at) = (hub.identity.site, hub.pages(Scope::Public));
    for n in 1..=25 {
        write(&hub, PUBLIC, piece(n, &format!("第{n}篇"), "正文")).await;
    }
    let long = "很长。\n\n".repeat(40_000);
    write(&hub, PUBLIC, piece(0, "长文", &long)).await;
    let home = get(at, "/").await;
    let named = r#"<link rel="alternate" type="application/atom+xml""#;
    assert!(home.contains(named) && home.contains(r#"href="/feed.atom""#), "{home}");
    let column = get(at, &format!("/column/{own}/news")).await;
    assert!(column.contains(&format!("href=\"/column/{own}/news/feed.atom\"")), "{column}");
    let first = get(at, "/feed.atom").await;
    assert!(first.contains("application/atom+xml; charset=utf-8"), "{first}");
    assert_eq!(first.matches("<entry>").count(), 20);
    assert!(first.contains(r#"rel="next""#) && !first.contains(r#"rel="previous""#));
    assert!(first.contains("全文较长") && !first.contains(&long[..300]));
    let second = get(at, "/feed.atom?page=2").await;
    assert_eq!(second.matches("<entry>").count(), 6);
    assert!(second.contains(r#"rel="previous""#) && !second.contains(r#"rel="next""#));
    for nothing in ["/feed.atom?page=3", "/feed.atom?page=0", "/column/00/news/feed.atom"] {
        assert!(get(at, nothing).await.starts_with("HTTP/1.1 404"), "{nothing}");
    }
    let empty = get(hub.pages(Scope::Public), &format!("/column/{own}/other/feed.atom")).await;
    assert!(empty.starts_with("HTTP/1.1 404"), "a column that is not there has no feed");
    hub.close().await;
}
