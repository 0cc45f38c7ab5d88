//! What one site may make the hub do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::ground::{Ground, Shown};
use super::machines::Machines;
use super::raw::{DATA, Line, frame};

/// Lines at once, and how long they are busy.
const LINES: usize = 8;
const LONG: Duration = Duration::from_secs(3);
/// Most of the hub's cores that it may take: its share is a fifth of one, and the system's own work comes on top.
const MOST: f64 = 0.4;
/// Less of a core than that, and it was not busy at all.
const LEAST: f64 = 0.05;
/// Frames that keep the hub busy for some milliseconds: what a site may take at once, or not much more.
const SOME: usize = 10_000;

/// A site that never stops sending keeps the hub no busier than its share allows: without that, all of a core.
pub(super) fn never_stops() {
    keep_within(|ground, busy| {
        for _ in 0..LINES {
            let ground = ground.clone();
            busy.spawn(async move {
                let mut line = Line::begun(&ground, Shown::Member).await;
                let frames = nothings(1_000);
                while line.writer.write_all(&frames).await.is_ok() {}
            });
        }
    });
}

/// Nor does one that calls anew whenever it had what it may take at once.
pub(super) fn calls_anew() {
    keep_within(|ground, busy| {
        let ground = ground.clone();
        busy.spawn(async move {
            loop {
                let line = Line::begun(&ground, Shown::Member).await;
                // Data on no stream ends the line.
                line.talk([nothings(SOME), frame(DATA, 0, 0, &[])].into_iter()).await;
            }
        });
    });
}

/// Frames of no known kind: read, and left at that.
fn nothings(count: usize) -> Vec<u8> {
    frame(0xee, 0, 0, &[]).repeat(count)
}

#[expect(clippy::disallowed_methods, reason = "a rate is measured over a time")]
fn keep_within(begin: impl FnOnce(&Arc<Ground>, &mut JoinSet<()>)) {
    let machines = Machines::split();
    machines.attackers().block_on(async {
        machines.be_with_the_hub();
        let ground = Arc::new(Ground::open().await);
        machines.be_with_attackers();
        let mut busy = JoinSet::new();
        begin(&ground, &mut busy);
        let (began, before) = (Instant::now(), ground.worked());
        tokio::time::sleep(LONG).await;
        let taken =
            ground.worked().saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
        assert!(!busy.is_empty() && busy.try_join_next().is_none(), "all lines stand");
        let cores = f64::from(machines.of_the_hub());
        assert!(taken > LEAST && taken < MOST * cores, "{taken:.2} of {cores} cores");
        busy.shutdown().await;
        Arc::into_inner(ground).expect("nobody is busy any more").close().await;
    });
}
