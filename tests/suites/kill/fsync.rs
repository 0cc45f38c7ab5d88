//! Each acknowledgement of the hub follows the sync of what it acknowledges: read off the system calls.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use lianbo_node::content::Record;
use lianbo_node::content::column::Column;
use lianbo_tests::pusher::Pusher;

use super::County;

/// Pushes, one after the other.
const PUSHES: usize = 20;
/// What an acknowledgement takes at least: site, incarnation and hash, in gRPC, HTTP/2 and TLS. What else HTTP/2
/// sends meanwhile is shorter.
const ACKNOWLEDGEMENT: i64 = 100;

/// A system call, at its end.
struct Call {
    /// When it began, microseconds since 1970-01-01 UTC. Its end may be noted after others saw what it did.
    began_us: i64,
    /// Where in the trace it began and ended.
    began: usize,
    ended: usize,
    text: String,
    /// What it returned.
    result: i64,
}

impl Call {
    fn is(&self, names: &[&str], on: &str) -> bool {
        names.iter().any(|name| self.text.starts_with(&format!("{name}(")))
            && self.text.contains(on)
    }
}

/// Reads a trace of `strace -f -ttt -yy`; calls in the order of their ends.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&str, (usize, i64, String)> = HashMap::new();
    for (index, line) in trace.lines().enumerate() {
        // Numbers of processes are padded.
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let Some((at, text)) = rest.trim_start().split_once(' ') else { continue };
        let Ok(at) = at.parse::<f64>() else { continue };
        #[expect(clippy::cast_possible_truncation, reason = "a time of this century")]
        let at_us = (at * 1e6) as i64;
        if let Some(begun) = text.strip_suffix("<unfinished ...>") {
            unfinished.insert(pid, (index, at_us, begun.to_owned()));
            continue;
        }
        let (began, began_us, text) = match text.split_once(" resumed>") {
            Some((_, rest)) => match unfinished.remove(pid) {
                Some((began, began_us, first)) => (began, began_us, first + rest),
                None => continue,
            },
            None => (index, at_us, text.to_owned()),
        };
        let Some((_, result)) = text.rsplit_once(" = ") else { continue };
        let result = result.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(-1);
        calls.push(Call { began_us, began, ended: index, text, result });
    }
    calls
}

/// As strace counts it.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

fn column(n: usize) -> Record {
    // The hub has no word of its own to add to a column, so nobody else writes meanwhile.
    Record::Column(Column {
        slug: format!("column-{n}"),
        name: "要闻".to_owned(),
        description: String::new(),
        rank: 1,
        closed: false,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_acknowledgement_follows_the_sync_of_what_it_acknowledges() {
    let county = County::found(None).await;
    let trace = county.hub.data().with_extension("strace");
    let file = trace.display().to_string();
    let traced = "trace=fdatasync,fsync,write,writev,sendto,sendmsg,pwrite64";
    let strace = ["strace", "-D", "-f", "-ttt", "-yy", "-s", "0", "-e", traced, "-o", &file];
    let serving = county.hub.clone().beneath(&strace).serve().await;
    let token = county.invite("pusher").await;
    let mut pusher = Pusher::join(&county.url, &token).await;
    let mut pushing = pusher.open().await.expect("the hub is there");
    let mut windows = Vec::new();
    for n in 0..PUSHES {
        pusher.write([column(n)]);
        let sent = now_us();
        pusher.push(&mut pushing, 1).await.expect("the hub answers");
        windows.push((sent, now_us()));
    }
    drop(pushing);
    // With -D the process started here is the hub; strace ends with it.
    serving.terminate().await;
    while !std::fs::read_to_string(&trace).unwrap().trim_end().ends_with("+++") {
        super::pause(10..20).await;
    }
    check(&trace, &windows);
}

/// Between the last write of a push's entries and its answer lies a sync.
fn check(trace: &Path, windows: &[(i64, i64)]) {
    const WAL: &str = "lianbo.db-wal";
    let trace = std::fs::read_to_string(trace).unwrap();
    let calls = calls(&trace);
    for (index, (sent, acked)) in windows.iter().enumerate() {
        let within = |call: &&Call| (*sent..=*acked).contains(&call.began_us);
        let answer = calls
            .iter()
            .filter(within)
            .find(|call| {
                call.is(&["write", "writev", "sendto", "sendmsg"], "<TCP")
                    && call.result >= ACKNOWLEDGEMENT
            })
            .unwrap_or_else(|| {
                let seen: Vec<_> = calls.iter().filter(within).map(|call| &call.text).collect();
                panic!("push {index} is not seen to be answered: {seen:#?}")
            });
        let before: Vec<_> =
            calls.iter().filter(within).filter(|call| call.ended < answer.began).collect();
        let written = before
            .iter()
            .rposition(|call| call.is(&["pwrite64", "write"], WAL) && call.result > 0)
            .unwrap_or_else(|| panic!("push {index} is answered before it is written"));
        let synced = before[written..]
            .iter()
            .any(|call| call.is(&["fdatasync", "fsync"], WAL) && call.result == 0);
        assert!(synced, "push {index} is answered before it is synced: {}", answer.text);
    }
    #[expect(clippy::print_stdout, reason = "what was proven, for people")]
    {
        println!("{} acknowledgements, each after the sync of its entries", windows.len());
    }
}
