//! Every page of the demonstration before the Nu Html Checker: no error.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::process::Stdio;

use reqwest::Client;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::demo::demo;

/// The checker that `tests/run` installed; `None` where there is none, but never in CI.
fn checker() -> Option<String> {
    let checker = std::env::var("LIANBO_TEST_VNU").ok();
    assert!(
        checker.is_some() || std::env::var_os("CI").is_none(),
        "LIANBO_TEST_VNU is not set: in CI every page goes before the Nu Html Checker"
    );
    checker
}

/// What the checker has to say against the pages in a folder, with the lines it means.
async fn errors(checker: &str, folder: &Path) -> Vec<String> {
    let mut command = Command::new("java");
    command.arg("-jar").arg(checker).args(["--format", "json", "--errors-only"]);
    let ran = command.arg("--exit-zero-always").arg(folder).output().await.unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).expect("the checker's answer");
    let messages = told["messages"].as_array().expect("a list of messages");
    messages
        .iter()
        .map(|it| format!("{}: {} ({})", it["url"], it["message"], it["extract"]))
        .collect()
}

/// The addresses on this site that a page leads to.
fn links(page: &str) -> impl Iterator<Item = String> {
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter(|it| it.starts_with('/') || it.starts_with('?')).map(|it| it.replace("&#38;", "&"))
}

/// Writes every page that can be come to from the first into `folder`, and the page for what is not there; their paths.
async fn walk(client: &Client, address: &str, folder: &Path, name: &str) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = ["/", "/nowhere"].map(str::to_owned).into();
    let mut open: VecDeque<String> = known.iter().cloned().collect();
    let mut pages = 0;
    while let Some(path) = open.pop_front() {
        let answer = client.get(format!("{address}{path}")).send().await.unwrap();
        let (status, kind) = (answer.status(), answer.headers()["content-type"].clone());
        let text = answer.text().await.unwrap();
        assert_eq!(status == 200, path != "/nowhere", "{address}{path}: {status}");
        if !kind.to_str().unwrap().starts_with("text/html") {
            continue;
        }
        pages += 1;
        std::fs::write(folder.join(format!("{name}-{pages}.html")), &text).unwrap();
        for link in links(&text) {
            let here = path.split('?').next().unwrap_or_default();
            let link = if link.starts_with('?') { format!("{here}{link}") } else { link };
            if known.insert(link.clone()) {
                open.push_back(link);
            }
        }
    }
    known
}

#[tokio::test]
async fn the_checker_finds_no_error_on_any_page_of_the_demonstration() {
    let Some(checker) = checker() else { return };
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::builder().no_proxy().build().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let pages = tempfile::tempdir().unwrap();
    let mut demo = demo(&temporary).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut addresses = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.starts_with("Live") {
            break;
        }
        let mut words = line.split_whitespace();
        if let (Some(name), Some(address)) = (words.next(), words.next())
            && let Some(address) = address.strip_suffix('/')
            && address.starts_with("http://")
        {
            addresses.push((name.replace(':', "-"), address.to_owned()));
        }
    }
    assert_eq!(addresses.len(), 6, "a hub on three networks and three nodes: {addresses:?}");
    let mut kinds = BTreeSet::new();
    for (name, address) in &addresses {
        let paths = walk(&client, address, pages.path(), name).await;
        kinds.extend(paths.iter().filter_map(|it| it.split('/').nth(1).map(str::to_owned)));
    }
    for kind in ["article", "column", "notice", "notices", "unit", "units"] {
        assert!(kinds.contains(kind), "no page {kind} was come to: {kinds:?}");
    }
    let wrong = errors(&checker, pages.path()).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    demo.kill().await.unwrap();
}

#[tokio::test]
async fn the_checker_reports_what_is_wrong() {
    let Some(checker) = checker() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = "<!DOCTYPE html><html lang=\"zh\"><title>一</title><p><div id=a id=a></p>";
    std::fs::write(folder.path().join("wrong.html"), page).unwrap();
    assert!(!errors(&checker, folder.path()).await.is_empty());
}
