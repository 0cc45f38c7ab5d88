//! A client in another language: Python's grpcio, from the .proto files alone.

use std::path::Path;

use lianbo_node::content::article::urn;
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::link::tls::hub_name;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::harvest::admit;
use lianbo_tests::net::TestHub;
use lianbo_tests::records;
use tokio::process::Command;

/// The interpreter that `tests/run` prepared; `None` where there is none, but never in CI.
pub(crate) fn python() -> Option<String> {
    let python = std::env::var("LIANBO_TEST_PYTHON").ok();
    assert!(
        python.is_some() || std::env::var_os("CI").is_none(),
        "LIANBO_TEST_PYTHON is not set: in CI a client in another language is tried too"
    );
    python
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_says_hello_and_reads_an_articles_title() {
    let Some(python) = python() else { return };
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let identity = Identity::generate(&mut rand::rng());
    let pki = hub.enrol(&identity, "village", Scope::Organization).await;
    let folder = tempfile::tempdir().unwrap();
    pki.save(folder.path()).unwrap();
    for (n, scope) in [(1, Scope::Organization), (2, Scope::Internal), (3, Scope::Public)] {
        let article = records::article(n, scope.as_str());
        hub.write(vec![Draft::new(Audience::all(scope), article)]).await;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = Command::new(python)
        .arg(tests.join("python/hello_pull.py"))
        .arg(tests.join("../proto"))
        .arg(folder.path())
        .arg(hub.grpc(Scope::Organization).to_string())
        .arg(hub_name(hub.identity.site))
        .arg(hex::encode(identity.site.0))
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let answer: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(answer["outcome"], "HELLO_OUTCOME_RESUME", "{answer}");
    assert_eq!(answer["hub"], hex::encode(hub.identity.site.0));
    let titles: Vec<_> = answer["titles"].as_array().unwrap().iter().collect();
    assert_eq!(
        titles,
        ["我县召开基层党建工作推进会 organization", "我县召开基层党建工作推进会 public"]
    );
    assert_eq!(answer["refused"], "FAILED_PRECONDITION");
    let lengths = answer["cursors"].as_array().unwrap();
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{answer}");
    hub.close().await;
}

/// A hub with two published articles, one of them withdrawn, and a harvester's certificate in a folder.
async fn published() -> (TestHub, tempfile::TempDir) {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let (_, pki) = admit(&hub, "province").await;
    let folder = tempfile::tempdir().unwrap();
    pki.save(folder.path()).unwrap();
    let public = Audience::all(Scope::Public);
    for (n, mark) in [(1, "kept"), (2, "gone")] {
        hub.write(vec![Draft::new(public, records::article(n, mark))]).await;
    }
    let none: [&lianbo_tests::Made; 0] = [];
    let retraction = records::retraction(none, Some(records::id(2)), "");
    hub.write(vec![Draft::new(public, retraction)]).await;
    let hidden = records::article(3, "hidden");
    hub.write(vec![Draft::new(Audience::all(Scope::Organization), hidden)]).await;
    (hub, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_harvester_lists_and_follows() {
    let Some(python) = python() else { return };
    let (hub, folder) = published().await;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = Command::new(python)
        .arg(tests.join("python/harvest.py"))
        .arg(tests.join("../proto"))
        .arg(folder.path())
        .arg(hub.grpc(Scope::Public).to_string())
        .arg(hub_name(hub.identity.site))
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .output()
        .await
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let items = answer["items"].as_array().unwrap();
    let own = hub.identity.site;
    let kept = items.iter().find(|it| it["id"] == urn(own, records::id(1))).expect("it came");
    assert_eq!(kept["title"], "我县召开基层党建工作推进会 kept");
    assert_eq!(kept["text"], "会议强调，要压实责任。\nkept");
    assert_eq!(kept["unit_name"], "county单位");
    let gone = items.iter().rfind(|it| it["withdrawn"] == urn(own, records::id(2)));
    assert_eq!(gone.expect("its withdrawal came")["reason"], "内容有误");
    assert!(answer["pages"].as_u64().unwrap() >= 2, "{answer}");
    let told = answer.to_string();
    assert!(!told.contains("hidden") && !told.contains(" gone"), "{told}");
    assert_eq!(answer["followed"].as_array().unwrap().len(), 2, "{answer}");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_finds_the_service_by_reflection_and_lists() {
    let Some(python) = python() else { return };
    let (hub, folder) = published().await;
    let grpcurl = Path::new(&python).with_file_name("grpcurl");
    let run = async |args: &[&str]| {
        let file = |name: &str| folder.path().join(name);
        let mut command = Command::new(&grpcurl);
        command.arg("-cacert").arg(file("ca.crt")).arg("-cert").arg(file("tls.crt"));
        command.arg("-key").arg(file("tls.key"));
        command.args(["-servername", &hub_name(hub.identity.site)]).args(args);
        command.env_remove("http_proxy").env_remove("https_proxy");
        let ran = command.output().await.unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let address = hub.grpc(Scope::Organization).to_string();
    let services = run(&[&address, "list"]).await;
    assert!(services.lines().any(|line| line == "lianbo.v1.Harvest"), "{services}");
    let described = run(&[&address, "describe", "lianbo.v1.Harvest"]).await;
    assert!(described.contains("rpc Follow"), "{described}");
    let page = run(&["-d", "{\"limit\": 10}", &address, "lianbo.v1.Harvest/List"]).await;
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["items"][0]["article"]["title"], "我县召开基层党建工作推进会 kept");
    assert_eq!(page["items"][0]["article"]["id"], urn(hub.identity.site, records::id(1)));
    assert_eq!(page["items"][1]["withdrawn"]["reason"], "内容有误");
    hub.close().await;
}
