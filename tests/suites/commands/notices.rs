//! Notices down to units, their word up again, and what each side tells of it.

use super::{NODE, Serving, Site, hub, invite};

#[test]
fn a_notice_reaches_its_units_and_their_word_comes_back() {
    let (folder, hub) = hub();
    let nodes = ["qinghe", "liucun"].map(|code| {
        let node = Site::new(NODE, folder.path().join(code));
        (code, node)
    });
    {
        let serving = Serving::start(&hub);
        for (code, node) in &nodes {
            node.run(&["join", &serving.url, &invite(&hub, code)]).ok();
        }
    }
    assert_eq!(hub.with(&["notice", "add", "--unit", "nobody", "--title", "题"], "x").code, 1);
    assert_eq!(hub.with(&["notice", "add", "--title", "题"], "x").code, 2);
    let public = ["notice", "add", "--scope", "public", "--title", "题"];
    assert!(hub.with(&public, "x").fails(2).contains("notice release"));
    let add = [
        "notice",
        "add",
        "--unit",
        "qinghe",
        "--unit",
        "liucun",
        "--title",
        "关于报送总结的通知",
        "--doc-number",
        "清组通〔2026〕1号",
        "--deadline",
        "2026-12-01 17:00",
        "--json",
    ];
    let added = hub.with(&add, "请各单位按时报送。").json();
    let id = added["id"].as_str().unwrap();
    assert_eq!(added["copies"].as_array().unwrap().len(), 2);

    // Written while nobody served: a hub that starts knows it from the first call on.
    let serving = Serving::start(&hub);
    let [(_, mut qinghe), (_, mut liucun)] = nodes;
    for node in [&mut qinghe, &mut liucun] {
        node.variables.push(("LIANBO_HUB__URL", serving.url.clone()));
        node.run(&["sync", "--once"]).ok();
    }
    let list = qinghe.run(&["notice", "list", "--json"]).json();
    assert_eq!(
        (list[0]["id"].as_str(), &list[0]["deadline"]),
        (Some(id), &"2026-12-01T09:00:00Z".into())
    );
    assert!(qinghe.run(&["notice", "show", &id[..6]]).ok().contains("按时报送"));
    assert_eq!(qinghe.run(&["notice", "sign", id]).code, 2);
    qinghe.run(&["notice", "read", &id[..6]]).ok();
    let sign = ["notice", "sign", &id[..6], "--person", "王五", "--json"];
    assert_eq!(qinghe.run(&sign).json()["written"], true);
    assert_eq!(qinghe.run(&sign).json()["written"], false, "signed for once");
    assert_eq!(qinghe.run(&["status", "--json"]).json()["waiting"], 2);
    qinghe.run(&["sync", "--once"]).ok();
    assert_eq!(qinghe.run(&["status", "--json"]).json()["waiting"], 0);
    let standing = hub.run(&["notice", "status", id, "--json"]).json();
    assert_eq!((&standing["expected"], &standing["signed"]), (&2.into(), &1.into()));
    let units = standing["units"].as_array().unwrap();
    let of = |code| units.iter().find(|unit| unit["unit"]["code"] == code).unwrap();
    assert_eq!(of("qinghe")["person"], "王五");
    assert!(of("qinghe")["signed_ms"].is_i64() && of("liucun")["signed_ms"].is_null());
    assert!(hub.run(&["notice", "status", id]).ok().contains("应签 2  已签 1  未签 1"));

    hub.run(&["notice", "retract", id, "--reason", "作废"]).ok();
    assert_eq!(hub.run(&["notice", "list", "--json"]).json(), serde_json::json!([]));
    let retractions = hub.run(&["article", "retractions", "--json"]).json();
    assert_eq!(retractions.as_array().unwrap().len(), 2, "one for each copy's audience");
}

#[test]
fn a_node_writes_while_its_hub_is_away_and_tells_what_waits() {
    let (folder, hub) = hub();
    let node = Site::new(NODE, folder.path().join("node"));
    {
        let serving = Serving::start(&hub);
        node.run(&["join", &serving.url, &invite(&hub, "qinghe")]).ok();
    }
    node.run(&["column", "add", "local", "--name", "镇里"]).ok();
    for (scope, to) in [
        ("organization", None),
        ("public", None),
        ("internal", None),
        ("organization", Some("hub")),
    ] {
        let add = ["article", "add", "--column", "local", "--title", "题", "--scope", scope];
        let to = to.map(|to| ["--to", to]);
        let args: Vec<&str> = add.into_iter().chain(to.into_iter().flatten()).collect();
        node.with(&args, "正文").ok();
    }
    let status = node.run(&["status", "--json"]).json();
    assert_eq!(status["waiting"], 4, "the internal one stays here: {status}");
    assert_eq!(
        (&status["hub"]["link"], &status["may_sign"]),
        (&serde_json::Value::Null, &true.into())
    );
    let err = node.run(&["sync", "--once"]);
    assert_eq!(err.code, 1);
    assert!(node.run(&["status"]).ok().contains("waiting for the hub  4"));
    assert_eq!(
        node.run(&["article", "list", "--own", "--json"]).json().as_array().unwrap().len(),
        4
    );
}
