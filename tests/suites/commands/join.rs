//! Joining a hub that serves.

use lianbo_node::link::token::Token;
use lianbo_node::store::Store;

use super::{NODE, Serving, Site, hub, invite};

#[tokio::test]
async fn every_way_a_join_fails_has_its_own_message_and_leaves_nothing_behind() {
    let (folder, hub) = hub();
    let serving = Serving::start(&hub);
    let token = invite(&hub, "qinghe");
    let node = Site::new(NODE, folder.path().join("node"));
    let join = |url: &str, token: &str| {
        let err = node.run(&["join", url, token]).fails(1);
        assert!(!node.data.exists(), "{err}");
        err
    };
    let mut told = vec![
        join("http://127.0.0.1:1", &token),
        join("https://127.0.0.1:1", &token),
        join(&serving.url, "hello"),
        join(&serving.url, &token[..token.len() - 1]),
    ];
    let mut forged: Token = token.parse().unwrap();
    forged.secret[0] ^= 1;
    told.push(join(&serving.url, &forged.to_text()));
    let (_other_folder, other) = super::hub();
    told.push(join(&serving.url, &invite(&other, "qinghe")));
    let expired = invite(&hub, "qinghe");
    set_expired(&hub, &expired.parse().unwrap()).await;
    told.push(join(&serving.url, &expired));
    let proxy = folder.path().join("proxy");
    std::fs::write(&proxy, "http://user:geheim@127.0.0.1:1\n").unwrap();
    let args = ["join", &serving.url, &token, "--proxy-file", proxy.to_str().unwrap()];
    told.push(node.run(&args).fails(1));
    assert!(!node.data.exists());

    let joined = node.with(&["join", &serving.url, "-", "--json"], &format!("{token}\n")).json();
    assert_eq!(
        (&joined["unit_code"], &joined["ceiling"]),
        (&"qinghe".into(), &"organization".into())
    );
    let second = Site::new(NODE, folder.path().join("second"));
    told.push(second.run(&["join", &serving.url, &token]).fails(1));
    assert!(!second.data.exists());
    told.push(node.run(&["join", &serving.url, &token]).fails(1));

    for (err, word) in told.iter().zip([
        "not a hub's address",
        "cannot be reached",
        "not an invitation",
        "mistyped",
        "not made by this hub",
        "wrong CA",
        "expired",
        "proxy",
        "spent",
        "already",
    ]) {
        assert!(err.contains(word), "{word}: {err}");
        assert!(!err.contains("geheim") && !err.contains(&token), "{err}");
    }
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 10, "{told:#?}");

    assert_eq!(node.run(&["status", "--json"]).json()["hub"]["url"], serving.url);
    let sites = hub.run(&["sites", "--json"]).json();
    assert_eq!(
        (&sites[0]["site"], &sites[0]["revoked"]),
        (&joined["site"], &serde_json::Value::Null)
    );
    hub.run(&["revoke", "qinghe", "--reason", "换机"]).ok();
    assert_eq!(hub.run(&["sites", "--json"]).json()[0]["revoked"], "换机");
}

async fn set_expired(hub: &Site, token: &Token) {
    let database = format!("sqlite:{}", hub.data.join("lianbo.db").display());
    let store = Store::open(&database).await.unwrap();
    let mut tx = store.write().await.unwrap();
    let sql = "UPDATE invites SET expires_ms = 1 WHERE invite = $1";
    assert_eq!(tx.execute(sql, lianbo_node::args![token.invite_id()]).await.unwrap(), 1);
    tx.commit().await.unwrap();
    store.close().await;
}
