//! A unit's article is adopted at the hub's desk, and the unit sees it.

use super::{NODE, Serving, Site, hub, invite};

fn add(site: &Site, title: &str) -> String {
    let args = ["article", "add", "--column", "news", "--title", title, "--scope", "organization"];
    site.with(&args, "# 正文\n").ok().trim().to_owned()
}

#[test]
fn a_unit_sees_where_its_article_stands_and_a_hub_that_its_original_is_gone() {
    let (folder, hub) = hub();
    let serving = Serving::start(&hub);
    let node = Site::new(NODE, folder.path().join("node"));
    node.run(&["join", &serving.url, &invite(&hub, "qinghe")]).ok();
    for site in [&hub, &node] {
        site.run(&["column", "add", "news", "--name", "要闻"]).ok();
    }
    let standing =
        || node.run(&["article", "list", "--own", "--json"]).json()[0]["standing"].clone();
    let sync = || node.run(&["sync", "--once"]).ok();
    let id = add(&node, "村口的银杏黄了");
    assert_eq!(standing()["reported"], false);
    assert!(node.run(&["article", "list"]).ok().contains("waits for the line"));
    sync();
    assert_eq!(standing()["reported"], true);

    let adopt = ["article", "adopt", &id[..8]];
    let wide = hub.run(&[&adopt[..], &["--scope", "public"]].concat()).fails(2);
    assert!(wide.contains("two persons"), "{wide}");
    assert!(hub.run(&[&adopt[..], &["--column", "none"]].concat()).fails(1).contains("none"));
    let adopted = hub.run(&[&adopt[..], &["--title", "银杏黄了"]].concat()).ok();
    let adopted = adopted.trim();
    assert!(hub.run(&adopt).fails(2).contains("--again"));
    assert!(hub.run(&["article", "adopt", adopted]).fails(2).contains("own"));
    hub.run(&["article", "release", &id, "--scope", "public", "--approved-by", "分管副部长"]).ok();
    let shown = hub.run(&["article", "show", adopted, "--json"]).json();
    assert_eq!((&shown["source"], &shown["origin"]["id"]), (&"清河镇".into(), &id.clone().into()));

    sync();
    let told = standing();
    assert_eq!(told["adopted"][0]["title"], "银杏黄了");
    assert_eq!(told["adopted"][0]["id"], adopted);
    assert_eq!(told["released"], "public");
    let shown = node.run(&["article", "show", &id]).ok();
    assert!(shown.contains("adopted, released to public") && shown.contains("银杏黄了"), "{shown}");

    node.run(&["article", "retract", &id, "--reason", "地名有误"]).ok();
    sync();
    let copy = hub.run(&["article", "show", adopted, "--json"]).json();
    assert_eq!(copy["origin_withdrawn"], true);
    assert!(hub.run(&["article", "list"]).ok().contains("the original is withdrawn"));
}
