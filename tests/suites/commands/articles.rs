//! Columns and articles.

use super::{Site, hub};

fn column(hub: &Site) {
    let args = ["column", "add", "news", "--name", "组织工作动态", "--description", "全县要闻"];
    assert_eq!(hub.run(&args).ok(), "news\n");
}

fn add(hub: &Site, title: &str, scope: &str) -> String {
    let args = ["article", "add", "--column", "news", "--title", title, "--scope", scope];
    hub.with(&args, "# 正文\n").ok().trim().to_owned()
}

#[test]
fn an_article_is_written_revised_listed_shown_and_withdrawn() {
    let (folder, hub) = hub();
    column(&hub);
    assert!(hub.run(&["column", "list"]).ok().contains("组织工作动态"));
    let file = folder.path().join("正文.html");
    std::fs::write(&file, "<p>第一版</p>").unwrap();
    let id = hub
        .run(&[
            "article",
            "add",
            "--column",
            "news",
            "--title",
            "推进会召开",
            "--scope",
            "organization",
            "--file",
            file.to_str().unwrap(),
            "--author",
            "张三",
            "--keyword",
            "党建",
            "--keyword",
            "基层",
            "--published",
            "2026-11-20 09:30",
        ])
        .ok();
    let id = id.trim();
    hub.run(&["article", "revise", &id[..8], "--title", "推进会在清源召开"]).ok();
    let shown = hub.run(&["article", "show", &id[..8], "--json"]).json();
    assert_eq!(shown["title"], "推进会在清源召开");
    assert_eq!(shown["text"], "<p>第一版</p>");
    assert_eq!(shown["format"], "html");
    assert_eq!(shown["keywords"], serde_json::json!(["党建", "基层"]));
    assert_eq!(shown["published"], "2026-11-20T01:30:00Z");
    assert_eq!(shown["published_ms"], 1_795_138_200_000_i64);
    assert_eq!(shown["revisions"].as_array().unwrap().len(), 2);
    assert!(hub.run(&["article", "show", id]).ok().contains("2026-11-20 09:30"));
    let list = hub.run(&["article", "list", "--json"]).json();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["id"]), (1, &shown["id"]));
    assert!(hub.run(&["article", "list"]).ok().contains("(revised)"));
    assert!(hub.run(&["article", "revise", id]).fails(2).contains("nothing"));

    hub.run(&["article", "retract", &id[..8], "--reason", "内容有误"]).ok();
    assert_eq!(hub.run(&["article", "list", "--json"]).json(), serde_json::json!([]));
    assert!(hub.run(&["article", "show", id]).fails(1).contains("nothing here"));
    let retractions = hub.run(&["article", "retractions", "--json"]).json();
    assert_eq!(retractions[0]["reason"], "内容有误");
    assert_eq!(retractions[0]["record"], shown["id"]);
    assert_eq!(retractions[0]["targets"], 2);
}

#[test]
fn what_cannot_be_written_is_refused_with_what_to_do() {
    let (folder, hub) = hub();
    let write = |more: &[&str], text: &str| {
        hub.with(&[&["article", "add", "--column", "news", "--title", "题"], more].concat(), text)
    };
    let organization = ["--scope", "organization"];
    assert!(write(&organization, "x").fails(1).contains("column add"));
    column(&hub);
    assert!(write(&organization, " \n").fails(1).contains("no text"));
    assert!(write(&organization, &"长".repeat(400_000)).fails(1).contains("1 MiB"));
    assert!(write(&["--scope", "organization", "--to", "nobody"], "x").fails(1).contains("nobody"));
    assert_eq!(write(&["--scope", "secret"], "x").code, 2);
    assert_eq!(write(&["--scope", "organization", "--published", "tomorrow"], "x").code, 2);
    let gbk = folder.path().join("a.md");
    std::fs::write(&gbk, b"\xd5\xfd\xce\xc4").unwrap();
    let err = write(&["--scope", "organization", "--file", gbk.to_str().unwrap()], "").fails(1);
    assert!(err.contains("iconv"), "{err}");
    assert!(hub.run(&["article", "retract", "ff", "--reason", "x"]).fails(1).contains("ff"));
    assert_eq!(hub.run(&["article", "list", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn a_hubs_own_entry_goes_public_by_the_word_of_two_persons() {
    let (_folder, hub) = hub();
    column(&hub);
    let args = ["article", "add", "--column", "news", "--title", "题", "--scope", "public"];
    assert!(hub.with(&args, "x").fails(2).contains("--approved-by"));
    let id = add(&hub, "公开稿", "organization");
    let release = |persons: &[&str]| {
        let approved = persons.iter().flat_map(|person| ["--approved-by", person]);
        let args: Vec<&str> =
            ["article", "release", &id, "--scope", "public"].into_iter().chain(approved).collect();
        hub.run(&args)
    };
    assert_eq!(release(&[]).code, 2);
    assert!(release(&["张三"]).fails(2).contains("two"));
    assert!(release(&["张三", "张 三"]).fails(2).contains("two"));
    release(&["张三", "李四"]).ok();
    assert_eq!(hub.run(&["article", "list", "--json"]).json()[0]["scope"], "public");
}
