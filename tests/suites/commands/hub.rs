//! A hub's life: init, verify, recovery.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lianbo_node::args;
use lianbo_node::store::Store;

use super::{HUB, Site, hub, invite};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_hub_is_made_once_and_its_secrets_are_its_owners_alone() {
    let (_folder, hub) = hub();
    assert_eq!(mode(&hub.data), 0o700);
    for secret in ["site.key", "ca.key", "lianbo-recovery.txt", "lianbo.db"] {
        assert_eq!(mode(&hub.data.join(secret)), 0o600, "{secret}");
    }
    assert_eq!(mode(&hub.data.join("lianbo.toml")) & 0o007, 0);
    let key = std::fs::read(hub.data.join("site.key")).unwrap();
    let err = hub.run(&["init", "--code", "county", "--name", "别处"]).fails(1);
    assert!(err.contains("already") && err.contains("--data"), "{err}");
    assert_eq!(std::fs::read(hub.data.join("site.key")).unwrap(), key);
    assert_eq!(hub.run(&["verify", "--json"]).json()["entries"], 1);
}

#[test]
fn an_init_that_fails_leaves_nothing_behind() {
    let parent = tempfile::tempdir().unwrap();
    let hub = Site::new(HUB, parent.path().join("hub"));
    let init = ["init", "--code", "county", "--name", "县"];
    assert_eq!(hub.run(&["init", "--code", "County", "--name", "县"]).code, 2);
    let nowhere = ["--recovery-file", "/nonexistent/file"];
    assert!(hub.run(&[&init[..], &nowhere].concat()).fails(1).contains("/nonexistent/file"));
    let mut elsewhere = hub.clone();
    elsewhere.variables.push(("LIANBO_DATABASE", "mysql://x".to_owned()));
    assert!(elsewhere.run(&init).code == 1);
    assert!(!hub.data.exists());
    hub.run(&init).ok();
}

#[test]
fn a_recovered_hub_is_the_same_hub_and_signs_nothing_until_resume() {
    let parent = tempfile::tempdir().unwrap();
    let path = |name: &str| parent.path().join(name);
    let (file, first, second) = (path("recovery.txt"), path("first"), path("second"));
    let named = ["--code", "county", "--name", "清源县委组织部"];
    let keep = ["init", "--json", "--recovery-file", file.to_str().unwrap()];
    let told = Site::new(HUB, first.clone()).run(&[&keep[..], &named].concat()).json();
    let passphrase = told["recovery_passphrase"].as_str().unwrap();

    let again = Site::new(HUB, second.clone());
    let recover = [&["init", "--json", "--recover", file.to_str().unwrap()][..], &named].concat();
    let err = again.with(&recover, "aaaa-bbbb-cccc-dddd\n").fails(1);
    assert!(err.contains("wrong passphrase"), "{err}");
    assert!(!second.exists());
    // As a person types it.
    let typed = format!("  {}\n", passphrase.to_uppercase().replace('-', " "));
    let raised = again.with(&recover, &typed).json();
    for same in ["site", "ca_fingerprint"] {
        assert_eq!(raised[same], told[same]);
    }
    for file in ["site.key", "ca.crt", "ca.key"] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert_eq!(read(&first), read(&second), "{file}");
    }
    assert_eq!(again.run(&["verify", "--json"]).json()["entries"], 0);
    let column = ["column", "add", "news", "--name", "要闻"];
    assert!(again.run(&column).fails(1).contains("resume"));
    again.run(&["resume"]).ok();
    assert!(again.run(&["resume"]).fails(1).contains("--force"));
    again.run(&column).ok();
    assert_eq!(again.run(&["verify", "--json"]).json()["entries"], 2);
}

#[tokio::test]
async fn damage_is_named_and_is_a_failure() {
    let (_folder, hub) = hub();
    hub.run(&["column", "add", "news", "--name", "要闻"]).ok();
    let database = format!("sqlite:{}", hub.data.join("lianbo.db").display());
    let store = Store::open(&database).await.unwrap();
    let mut tx = store.write().await.unwrap();
    let sql = "UPDATE entries SET body = $1 WHERE position = 2";
    assert_eq!(tx.execute(sql, args![vec![1u8, 2, 3]]).await.unwrap(), 1);
    tx.commit().await.unwrap();
    store.close().await;
    let done = hub.run(&["verify", "--json"]);
    assert_eq!(done.code, 1, "{}", done.err);
    assert!(done.err.contains("\n  next: "), "{}", done.err);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told["damage"][0]["position"], 2);
}

#[test]
fn views_fold_to_what_they_were() {
    let (_folder, hub) = hub();
    hub.run(&["column", "add", "news", "--name", "要闻"]).ok();
    assert_eq!(hub.run(&["rebuild-views", "--json"]).json()["unchanged"], true);
}

#[test]
fn a_token_stands_alone_on_stdout_and_its_unit_has_to_make_sense() {
    let (_folder, hub) = hub();
    let args = ["invite", "--code", "qinghe", "--name", "清河镇", "--ceiling", "organization"];
    let done = hub.run(&args);
    assert!(done.err.contains("lianbo-node join https://"), "{}", done.err);
    assert!(!done.err.contains(done.out.trim()), "the token is on stdout alone");
    assert_eq!(done.ok().lines().count(), 1);
    assert!(invite(&hub, "qinghe").starts_with("lb1-"), "until one is spent, there may be several");
    let under = [&args[..], &["--parent", "nobody"]].concat();
    assert!(hub.run(&under).fails(1).contains("nobody"));
    assert!(hub.run(&["revoke", "qinghe", "--reason", "x"]).fails(1).contains("sites"));
    assert_eq!(hub.run(&["sites", "--json"]).json(), serde_json::json!([]));
}
