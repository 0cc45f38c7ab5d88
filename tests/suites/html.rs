//! Every page of the demonstration before the Nu Html Checker: no error.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::process::Stdio;

use reqwest::{Client, StatusCode};
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

/// The addresses on this site that the page at `path` leads to.
fn links(path: &str, page: &str) -> BTreeSet<String> {
    let here = path.split('?').next().unwrap_or_default();
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let links = links.map(|it| it.replace("&#38;", "&"));
    links
        .filter_map(|it| match it.chars().next()? {
            '/' => Some(it),
            '?' => Some(format!("{here}{it}")),
            _ => None,
        })
        .collect()
}

/// What stands at an address: the status, and the text if it is a page.
async fn get(client: &Client, address: &str) -> (StatusCode, Option<String>) {
    let answer = client.get(address).send().await.unwrap();
    let (status, kind) = (answer.status(), answer.headers()["content-type"].clone());
    let text = answer.text().await.unwrap();
    (status, kind.to_str().unwrap().starts_with("text/html").then_some(text))
}

/// Writes every page that can be come to from the first into `folder`, and the page for what is not there; their paths.
/// Meanwhile the demonstration goes on: a page may be withdrawn, but then what led to it leads there no more.
async fn walk(client: &Client, address: &str, folder: &Path, name: &str) -> BTreeSet<String> {
    let nowhere = "/nowhere";
    let mut known: BTreeSet<String> = ["/", nowhere].map(str::to_owned).into();
    let mut open: VecDeque<_> = known.iter().map(|path| (path.clone(), "/".to_owned())).collect();
    let mut pages = 0;
    while let Some((path, from)) = open.pop_front() {
        let (status, page) = get(client, &format!("{address}{path}")).await;
        if path == nowhere || status == StatusCode::NOT_FOUND {
            assert_eq!(status, StatusCode::NOT_FOUND, "{address}{path}");
            let (_, before) = get(client, &format!("{address}{from}")).await;
            let led = before.is_some_and(|before| links(&from, &before).contains(&path));
            assert!(!led, "{address}{from} leads to {path}, and nothing is there");
        } else {
            assert_eq!(status, StatusCode::OK, "{address}{path}");
        }
        let Some(page) = page else { continue };
        pages += 1;
        std::fs::write(folder.join(format!("{name}-{pages}.html")), &page).unwrap();
        for link in links(&path, &page) {
            if known.insert(link.clone()) {
                open.push_back((link, path.clone()));
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
