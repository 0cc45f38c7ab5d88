//! A client in another language: Python's grpcio, from the .proto files alone.

use std::path::Path;

use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::link::tls::hub_name;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::net::TestHub;
use lianbo_tests::records;
use tokio::process::Command;

/// The interpreter that `tests/run` prepared; `None` where there is none, but never in CI.
fn python() -> Option<String> {
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
