//! The arrows that must never exist, checked in the sources themselves; and the check shown to see each.

mod check;
mod crates;
mod rules;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use check::{Broken, check};
use rules::RULES;
use scan::scan;

type Tree = BTreeMap<String, String>;

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every source file of the programs.
fn real_tree() -> io::Result<Tree> {
    let root = root();
    let mut tree = Tree::new();
    let mut folders: Vec<_> = ["proto", "node", "hub"].map(|of| root.join(of).join("src")).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)?;
                let name = path.strip_prefix(&root).map_err(io::Error::other)?;
                tree.insert(name.to_string_lossy().into_owned(), text);
            }
        }
    }
    Ok(tree)
}

/// A small tree with every layer in it and no forbidden arrow.
fn small_tree() -> Tree {
    [
        ("proto/src/lib.rs", "pub mod v1 {}"),
        ("node/src/lib.rs", "pub mod entry; pub use crate::web::Page;"),
        ("node/src/entry.rs", "use bytes::Bytes;\nuse std::time::Duration;"),
        ("node/src/scope.rs", "use crate::entry::{SiteId, self};"),
        ("node/src/heights.rs", "use super::entry::LogId;"),
        ("node/src/identity.rs", "use rand::CryptoRng;\nuse crate::entry;"),
        ("node/src/clock.rs", "pub fn now() { std::time::SystemTime::now(); }"),
        ("node/src/wire/mod.rs", "mod head;\nuse head::decode;\nuse crate::content::article;"),
        ("node/src/wire/head.rs", "use lianbo_proto::v1;\nuse super::encode;"),
        ("node/src/store/mod.rs", "use sqlx::Pool;\nmod tx { use super::Store; }"),
        ("node/src/content/mod.rs", "pub mod article;\nuse crate::{store::Tx, wire};"),
        ("node/src/content/article.rs", "use super::Record;\nuse crate::content::column;"),
        ("node/src/ingest.rs", "use crate::{content, journal, store, wire, clock};"),
        ("node/src/journal.rs", "use crate::{entry, store::Tx, sync::filter::Filter};"),
        ("node/src/blobs.rs", "use crate::store::Tx;"),
        ("node/src/sync.rs", "use crate::heights::Heights;"),
        (
            "node/src/link/mod.rs",
            "use lianbo_proto::v1;\nuse crate::{sync, ingest, store, config};",
        ),
        ("node/src/web/mod.rs", "pub mod home;\npub struct Page;"),
        ("node/src/web/home.rs", "use crate::{content, store};\nuse super::Page;"),
        ("node/src/config.rs", "fn read() { std::env::var(\"LIANBO_DATA\"); }"),
        ("node/src/main.rs", "use lianbo_node::{config, link, web};"),
        ("hub/src/lib.rs", "pub mod rpc;"),
        ("hub/src/rpc/hello.rs", "use lianbo_node::link::tls;\nuse lianbo_proto::v1;"),
        ("hub/src/bench/client.rs", "use lianbo_proto::v1;\nuse super::ingest;"),
        ("hub/src/cli/bench.rs", "use crate::bench::ingest;"),
        ("hub/src/sources/fetch.rs", "use lianbo_node::ingest;"),
        ("hub/src/sources/state.rs", "use lianbo_node::store::Store;"),
        ("hub/src/outlets/harvest.rs", "use lianbo_node::{content, web::render};"),
        ("hub/src/web/mod.rs", "use lianbo_node::web::Page;"),
    ]
    .map(|(file, text)| (file.to_owned(), text.to_owned()))
    .into()
}

/// What is found when `text` stands in `file` of the small tree.
fn found_with(file: &str, text: &str) -> Vec<Broken> {
    let mut tree = small_tree();
    tree.insert(file.to_owned(), text.to_owned());
    check(&scan(&tree).expect("the small tree parses"), RULES)
}

/// Each forbidden arrow: the file it is put into, the text, and the report it must draw (line, target).
const FORBIDDEN: &[(&str, &str, usize, &str)] = &[
    // The floor and what else is pure.
    (
        "node/src/entry.rs",
        "use std::fmt;\n\nuse crate::wire::decode;",
        3,
        "lianbo_node::wire::decode",
    ),
    ("node/src/scope.rs", "use crate::store::Tx;", 1, "lianbo_node::store::Tx"),
    (
        "node/src/heights.rs",
        "fn f() {\n  tokio::task::yield_now();\n}",
        2,
        "tokio::task::yield_now",
    ),
    ("node/src/identity.rs", "fn f() { rand::rng(); }", 1, "rand::rng"),
    ("node/src/identity.rs", "use crate::clock::Clock;", 1, "lianbo_node::clock::Clock"),
    ("node/src/entry.rs", "use sqlx::Row;", 1, "sqlx::Row"),
    ("node/src/entry.rs", "type T = std::time::SystemTime;", 1, "std::time::SystemTime"),
    ("node/src/wire/head.rs", "use std::fs::File;", 1, "std::fs::File"),
    ("node/src/wire/head.rs", "use crate::store::Tx;", 1, "lianbo_node::store::Tx"),
    ("node/src/sync.rs", "\nuse tonic::Status;", 2, "tonic::Status"),
    ("node/src/sync.rs", "use crate::store::Tx;", 1, "lianbo_node::store::Tx"),
    ("node/src/sync.rs", "use crate::wire::Frame;", 1, "lianbo_node::wire::Frame"),
    // What keeps, means and lets in.
    ("node/src/store/mod.rs", "use crate::content::Record;", 1, "lianbo_node::content::Record"),
    ("node/src/store/pool.rs", "use crate::web::Page;", 1, "lianbo_node::web::Page"),
    ("node/src/store/pool.rs", "use crate::link::Link;", 1, "lianbo_node::link::Link"),
    ("node/src/store/pool.rs", "use crate::sync::State;", 1, "lianbo_node::sync::State"),
    ("node/src/store/pool.rs", "use crate::ingest::Door;", 1, "lianbo_node::ingest::Door"),
    ("node/src/journal.rs", "use crate::sync::State;", 1, "lianbo_node::sync::State"),
    ("node/src/blobs.rs", "use crate::content::files;", 1, "lianbo_node::content::files"),
    ("node/src/journal.rs", "use crate::content::Record;", 1, "lianbo_node::content::Record"),
    ("node/src/content/article.rs", "use crate::web::Page;", 1, "lianbo_node::web::Page"),
    ("node/src/content/article.rs", "use crate::link::Link;", 1, "lianbo_node::link::Link"),
    ("node/src/content/article.rs", "use crate::sync::State;", 1, "lianbo_node::sync::State"),
    ("node/src/content/article.rs", "use crate::ingest::Door;", 1, "lianbo_node::ingest::Door"),
    ("node/src/ingest.rs", "use crate::link::Link;", 1, "lianbo_node::link::Link"),
    // Pages and links.
    ("node/src/web/home.rs", "use crate::link::Link;", 1, "lianbo_node::link::Link"),
    ("hub/src/web/mod.rs", "use crate::rpc::hello;", 1, "lianbo_hub::rpc::hello"),
    ("node/src/link/mod.rs", "use crate::web::Page;", 1, "lianbo_node::web::Page"),
    ("hub/src/rpc/pull.rs", "use lianbo_node::web::Page;", 1, "lianbo_node::web::Page"),
    // What only some may hold.
    ("node/src/web/home.rs", "use lianbo_proto::v1;", 1, "lianbo_proto::v1"),
    (
        "hub/src/enrol/ca.rs",
        "fn f() { lianbo_proto::v1::Csr::default(); }",
        1,
        "lianbo_proto::v1::Csr::default",
    ),
    ("node/src/content/mod.rs", "fn f(p: &sqlx::SqlitePool) {}", 1, "sqlx::SqlitePool"),
    ("hub/src/oversight.rs", "use sqlx::query;", 1, "sqlx::query"),
    ("node/src/web/home.rs", "fn f() { std::env::var(\"HOME\"); }", 1, "std::env::var"),
    ("hub/src/demo.rs", "use std::env;\nfn f() { env::vars_os(); }", 2, "std::env::vars_os"),
    ("hub/src/serve.rs", "use crate::bench::Bench;", 1, "lianbo_hub::bench::Bench"),
    ("hub/src/rpc/pull.rs", "use crate::local::fetch;", 1, "lianbo_hub::local::fetch"),
    // Between crates, and around the check.
    ("hub/src/sources/fetch.rs", "use lianbo_node::store::Tx;", 1, "lianbo_node::store::Tx"),
    ("hub/src/sources/fetch.rs", "use lianbo_node::journal;", 1, "lianbo_node::journal"),
    ("hub/src/sources/state.rs", "use lianbo_node::ingest::Door;", 1, "lianbo_node::ingest::Door"),
    ("hub/src/sources/feed.rs", "use tokio::net::TcpStream;", 1, "tokio::net::TcpStream"),
    ("hub/src/outlets/harvest.rs", "use crate::rpc::hello;", 1, "lianbo_hub::rpc::hello"),
    ("node/src/cli.rs", "use lianbo_hub::Hub;", 1, "lianbo_hub::Hub"),
    ("proto/src/lib.rs", "use lianbo_node::entry;", 1, "lianbo_node::entry"),
    ("node/src/lib.rs", "#[path = \"web/home.rs\"]\nmod entry;", 1, "#[path]"),
    // In disguise: groups, `super`, new names, globs, macros, attributes, generics, a re-export by the root.
    (
        "node/src/sync.rs",
        "use crate::{\n  heights::Heights,\n  web::{self, home},\n};",
        3,
        "lianbo_node::web",
    ),
    ("node/src/content/article.rs", "use super::super::link::Link;", 1, "lianbo_node::link::Link"),
    (
        "node/src/content/article.rs",
        "use crate as own;\nfn f() { own::web::show(); }",
        2,
        "lianbo_node::web::show",
    ),
    (
        "node/src/entry.rs",
        "use std::time as t;\nfn f() { t::Instant::now(); }",
        2,
        "std::time::Instant::now",
    ),
    ("node/src/entry.rs", "use std::time::*;", 1, "std::time::*"),
    ("node/src/entry.rs", "use crate::*;", 1, "lianbo_node::*"),
    ("node/src/entry.rs", "fn f() {\n  vec![1, crate::web::SIZE]\n}", 2, "lianbo_node::web::SIZE"),
    ("node/src/entry.rs", "fn f() {\n  use crate::web::Page;\n}", 2, "lianbo_node::web::Page"),
    ("node/src/entry.rs", "#[derive(Debug, ::sqlx::FromRow)]\nstruct A;", 1, "sqlx::FromRow"),
    (
        "node/src/entry.rs",
        "type A = Vec<<u8 as crate::web::Show>::As>;",
        1,
        "lianbo_node::web::Show::As",
    ),
    ("node/src/entry.rs", "mod deep { use super::super::web::Page; }", 1, "lianbo_node::web::Page"),
    ("node/src/entry.rs", "extern crate tokio as calm;\nuse calm::net;", 2, "tokio::net"),
    ("node/src/link/mod.rs", "fn f(page: crate::Page) {}", 1, "lianbo_node::web::Page"),
];

#[test]
fn the_programs_have_no_forbidden_arrow() {
    let sources = scan(&real_tree().expect("the sources are readable")).expect("the sources parse");
    let sees = |module: &[&str], path: &[&str]| {
        sources.named.iter().any(|named| named.module == module && named.segments == path)
    };
    assert!(
        sees(&["lianbo_node", "wire", "head"], &["lianbo_proto", "v1"])
            && sees(&["lianbo_node", "heights"], &["crate", "entry", "LogId"]),
        "the check sees arrows that are known to be there"
    );
    let broken: Vec<_> = check(&sources, RULES).iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "forbidden arrows:\n{}", broken.join("\n"));
}

#[test]
fn what_is_remembered_of_sources_is_in_tables_of_its_own() {
    let text =
        fs::read_to_string(root().join("hub/src/sources/state.rs")).expect("the file is there");
    let words: Vec<&str> = text.split_whitespace().collect();
    let tables: BTreeSet<&str> = words
        .windows(2)
        .filter(|it| matches!(it[0].trim_start_matches('"'), "FROM" | "INTO" | "JOIN" | "UPDATE"))
        .map(|it| it[1])
        .filter(|it| *it != "SET" && !it.starts_with(['(', '{']))
        .collect();
    assert!(tables.contains("feed_sources") && tables.contains("feed_items"), "{tables:?}");
    assert!(tables.iter().all(|table| table.starts_with("feed_")), "{tables:?}");
}

#[test]
fn a_tree_without_forbidden_arrows_is_clean() {
    let broken = check(&scan(&small_tree()).expect("the small tree parses"), RULES);
    assert_eq!(broken, []);
}

#[test]
fn each_forbidden_arrow_is_reported_with_its_file_and_line() {
    for (file, text, line, to) in FORBIDDEN {
        let found = found_with(file, text);
        let seen = found.iter().any(|broken| {
            (broken.file.as_str(), broken.line, broken.to.as_str()) == (*file, *line, *to)
        });
        assert!(seen, "{file}:{line}: {to} goes unseen; found {found:#?}");
        assert!(found.iter().all(|broken| broken.file == *file), "too much is found: {found:#?}");
    }
    let report = found_with("node/src/sync.rs", "\nuse tonic::Status;")[0].to_string();
    assert!(
        report.starts_with("node/src/sync.rs:2: lianbo_node::sync must not use tonic::Status: ")
    );
}

#[test]
fn every_rule_is_broken_by_some_arrow_above() {
    let seen: BTreeSet<_> = FORBIDDEN
        .iter()
        .flat_map(|(file, text, ..)| found_with(file, text))
        .map(|broken| broken.why)
        .collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.why).collect();
    assert_eq!(rules.len(), RULES.len(), "each rule has its own reason");
    assert_eq!(seen, rules);
}

#[test]
fn what_only_tests_use_is_no_arrow() {
    for text in [
        "#[cfg(test)]\nmod tests { use crate::web::Page; fn f() { rand::rng(); } }",
        "#[cfg(all(test, unix))]\nuse crate::web::Page;",
    ] {
        assert_eq!(found_with("node/src/entry.rs", text), []);
    }
    let mut tree = small_tree();
    tree.insert("node/src/entry.rs".to_owned(), "#[cfg(test)]\nmod tests;".to_owned());
    tree.insert("node/src/entry/tests.rs".to_owned(), "use crate::web::Page;".to_owned());
    assert_eq!(check(&scan(&tree).expect("it parses"), RULES), []);
    assert_ne!(found_with("node/src/entry.rs", "#[cfg(not(test))]\nuse crate::web::Page;"), []);
}
