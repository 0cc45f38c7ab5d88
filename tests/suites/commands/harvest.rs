//! A harvester's life: invited, joined, listing, revoked.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{HUB, NODE, Serving, Site, hub};

const COLUMN: [&str; 6] = ["column", "add", "news", "--name", "新闻时事", "--scope=public"];

/// A new token for the province.
fn invite(hub: &Site) -> String {
    let args = ["invite", "--harvester", "--code", "province", "--name", "省委组织部"];
    hub.run(&args).ok().trim().to_owned()
}

/// An article of the hub's own, taken to the internet; its id.
fn publish(hub: &Site, title: &str) -> String {
    let add = ["article", "add", "--column", "news", "--title", title, "--scope", "organization"];
    let added = hub.with(&[&add[..], &["--json"]].concat(), "正文").json();
    let id = added["id"].as_str().unwrap().to_owned();
    let release = ["article", "release", &id, "--scope", "public", "--approved-by", "甲"];
    hub.run(&[&release[..], &["--approved-by", "乙"]].concat()).ok();
    id
}

/// What is in the folder: titles, or that it was withdrawn.
fn kept(folder: &Path) -> Vec<String> {
    let mut kept = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let told = value["title"].as_str().map_or("withdrawn", |title| title).to_owned();
        kept.insert(path, told);
    }
    let mut kept: Vec<_> = kept.into_values().collect();
    kept.sort();
    kept
}

#[test]
fn a_province_takes_over_what_is_published_until_it_is_revoked() {
    let (folder, hub) = hub();
    hub.run(&COLUMN).ok();
    let first = publish(&hub, "第一篇");
    let serving = Serving::start(&hub);
    let token = invite(&hub);
    let node = Site::new(NODE, folder.path().join("node"));
    assert!(node.run(&["join", &serving.url, &token]).fails(1).contains("harvest-client join"));
    let province = Site::new(HUB, folder.path().join("province"));
    assert_eq!(province.run(&["harvest-client", "list"]).code, 2, "it has not joined");
    let join = ["harvest-client", "join", &serving.url, "-", "--json"];
    let wrong = super::invite(&hub, "qinghe");
    assert!(province.with(&join, &wrong).fails(1).contains("lianbo-node join"));
    assert!(!province.data.exists(), "a join that failed leaves nothing");
    let joined = province.with(&join, &format!("{token}\n")).json();
    assert_eq!((&joined["code"], &joined["name"]), (&"province".into(), &"省委组织部".into()));
    let listed = hub.run(&["harvesters", "--json"]).json();
    assert_eq!((&listed[0]["id"], &listed[0]["revoked"]), (&joined["harvester"], &Value::Null));
    assert_eq!(hub.run(&["sites", "--json"]).json(), serde_json::json!([]), "it is no site");

    let told = province.run(&["harvest-client", "list"]).ok();
    assert!(told.contains("第一篇") && told.lines().count() == 1, "{told}");
    assert_eq!(province.run(&["harvest-client", "list"]).ok(), "", "told once");
    publish(&hub, "第二篇");
    hub.run(&["article", "retract", &first, "--reason", "内容有误"]).ok();
    // The serving hub withdraws its release by itself, within moments.
    let mut lines: Vec<Value> = Vec::new();
    while lines.len() < 2 {
        let told = province.run(&["harvest-client", "list", "--json", "--limit", "1"]).ok();
        lines.extend(told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    let kinds: Vec<_> = lines.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["article", "withdrawn"]);
    assert_eq!(lines[0]["title"], "第二篇");
    assert_eq!(lines[1]["reason"], "原稿已撤");

    // On a folder of its own, from the beginning.
    std::fs::remove_file(province.data.join("harvest.cursor")).unwrap();
    let out = folder.path().join("out");
    let into = ["harvest-client", "list", "--out", out.to_str().unwrap()];
    assert_eq!(province.run(&into).ok(), "");
    assert_eq!(kept(&out), ["withdrawn", "第二篇"]);

    hub.run(&["revoke", "province", "--reason", "合同到期"]).ok();
    assert!(hub.run(&["revoke", "province", "--reason", "再次"]).fails(1).contains("already"));
    assert_eq!(hub.run(&["harvesters", "--json"]).json()[0]["revoked"], "合同到期");
    let began = std::time::Instant::now();
    let refused = loop {
        // A serving hub looks within a second; what is cut off in the middle of a call is not told why.
        let done = province.run(&into);
        if done.code != 0 && done.err.contains("revoked") {
            break done;
        }
        assert!(
            began.elapsed() < std::time::Duration::from_secs(10),
            "{}: {}",
            done.code,
            done.err
        );
    };
    assert!(refused.fails(1).contains("revoked"));
    // Its code is free again.
    invite(&hub);
}
