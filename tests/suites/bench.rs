//! Each bench in small, through the real program: what it measures is there under its name, and nothing stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// What every durable bench tells of disk and machine.
const FLOOR: [&str; 8] = [
    "disk_writes_per_second_before",
    "disk_write_p99_ms_before",
    "load_average_before",
    "stolen_percent_before",
    "disk_writes_per_second_after",
    "disk_write_p99_ms_after",
    "load_average_after",
    "stolen_percent_after",
];

/// The hub's program, built beside this test.
fn hub() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("lianbo-hub");
    assert!(program.is_file(), "{} is missing: cargo build", program.display());
    program
}

/// A folder on a disk: a bench refuses one in memory, which /tmp may be.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn bench(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(hub());
    command.arg("bench").args(args).args(["--json", "--rest", "0", "--data"]).arg(data);
    command
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a bench in small: its figures by name. Leaves nothing in its folder.
#[track_caller]
fn figures(args: &[&str]) -> BTreeMap<String, f64> {
    let folder = folder();
    let output = bench(folder.path(), args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", told(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{args:?}: files are left");
    let lines = String::from_utf8(output.stdout).unwrap();
    let figures = lines.lines().map(|line| {
        let figure: Value = serde_json::from_str(line).unwrap();
        assert_eq!(figure["bench"], args[0], "{line}");
        assert!(figure["unit"].is_string(), "{line}");
        let value = figure["value"].as_f64().unwrap_or_else(|| panic!("no number: {line}"));
        (figure["metric"].as_str().unwrap().to_owned(), value)
    });
    let all: Vec<_> = figures.collect();
    let by_name: BTreeMap<_, _> = all.iter().cloned().collect();
    assert_eq!(by_name.len(), all.len(), "a name stands for one figure: {all:?}");
    by_name
}

#[track_caller]
fn positive(figures: &BTreeMap<String, f64>, names: &[&str]) {
    for name in names {
        assert!(figures.get(*name).is_some_and(|value| *value > 0.0), "{name}: {figures:?}");
    }
}

#[test]
fn ingest_counts_what_was_acknowledged() {
    let figures = figures(&["ingest", "--entries", "500", "--nodes", "3", "--runs", "2"]);
    positive(
        &figures,
        &[
            "entries_per_second",
            "seconds",
            "median_10000_seconds",
            "last_over_first",
            "hub_peak_rss_mib",
        ],
    );
    positive(&figures, &FLOOR[..2]);
    assert!(FLOOR.iter().all(|name| figures.contains_key(*name)), "{figures:?}");
    // The hub's own and three enrolments, the articles; what the hub says of when it saw them may come later.
    assert!(figures["journal_entries"] >= 504.0, "{figures:?}");
    let rate = 500.0 / figures["seconds"];
    assert!((figures["entries_per_second"] / rate - 1.0).abs() < 0.05, "{figures:?}");
}

#[test]
fn fanout_reaches_every_follower() {
    let args = ["fanout", "--followers", "5", "--publishes", "4", "--runs", "2"];
    let figures = figures(&args);
    positive(&figures, &["p50_ms", "p99_ms", "ack_p50_ms", "connect_seconds", "pss_alone_mib"]);
    assert!(figures["p50_ms"] <= figures["p99_ms"], "{figures:?}");
    assert!(figures.contains_key("kib_per_follower"), "{figures:?}");
}

#[test]
fn a_catch_up_is_timed_and_its_bytes_are_counted_with_texts_of_ones_own() {
    let corpus = tempfile::tempdir().unwrap();
    for n in 0..3 {
        let text = format!("第{n}篇\n\n村口的银杏黄了。\n");
        fs::write(corpus.path().join(format!("{n}.txt")), text).unwrap();
    }
    let corpus = corpus.path().to_str().unwrap();
    let figures = figures(&["catchup", "--articles", "40", "--runs", "1", "--corpus", corpus]);
    positive(&figures, &["seconds", "pull_seconds", "wire_megabytes"]);
    // Forty articles of 3 KB would be more, however well they compress.
    assert!(figures["wire_megabytes"] < 0.04, "{figures:?}");
}

#[test]
fn a_node_at_rest_has_memory_a_size_and_is_soon_ready() {
    let figures = figures(&["idle", "--articles", "20", "--runs", "1"]);
    positive(&figures, &["pss_mib", "ready_ms", "binary_mib"]);
}

#[test]
fn sources_are_polled_whole_and_then_found_unchanged() {
    let figures = figures(&["poll", "--feeds", "4", "--items", "5", "--runs", "2"]);
    positive(&figures, &["first_feeds_per_second", "unchanged_feeds_per_second"]);
    let (feeds, items) = (figures["first_feeds_per_second"], figures["first_items_per_second"]);
    assert!((items / feeds - 5.0).abs() < 0.01, "{figures:?}");
}

#[test]
fn a_page_is_asked_for_by_wrk_and_beside_it_one_of_nginx_if_that_is_here() {
    let figures = figures(&["pages", "--seconds", "1", "--runs", "1"]);
    positive(&figures, &["requests_per_second"]);
    assert!((28_000.0..32_000.0).contains(&figures["page_bytes"]), "{figures:?}");
    let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].iter().any(|path| Path::new(path).exists());
    assert_eq!(figures.contains_key("nginx_requests_per_second"), nginx, "{figures:?}");
    assert_eq!(figures.contains_key("ratio"), nginx, "{figures:?}");
}

#[test]
fn what_a_bench_cannot_do_it_says_with_what_to_do_next() {
    let folder = folder();
    let output = bench(folder.path(), &["pages"]).env("PATH", folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("next: apt install wrk"), "{}", told(&output));

    let output = bench(Path::new("/dev/shm"), &["ingest"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("in memory"), "{}", told(&output));

    let empty = folder.path().to_str().unwrap();
    let output = bench(folder.path(), &["ingest", "--corpus", empty]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("next: put UTF-8 text files there"), "{}", told(&output));

    let mut little = Command::new("sh");
    little.arg("-c").arg("ulimit -n 200 && exec \"$0\" bench fanout --data \"$1\"");
    let output = little.arg(hub()).arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("next: ulimit -n 1100"), "{}", told(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "files are left");
}
