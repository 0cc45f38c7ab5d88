//! What one site may make the hub do.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::ground::{Ground, Shown};
use super::machines::Machines;
use super::raw::{Line, frame};

/// Lines at once, and how long they are busy.
const LINES: usize = 8;
const LONG: Duration = Duration::from_secs(3);
/// Most of the hub's cores that it may take: its share is a tenth, and the system's own work comes on top.
const MOST: f64 = 0.4;

/// A site that never stops sending keeps the hub no busier than its share allows: without that, all of a core.
#[expect(clippy::disallowed_methods, reason = "a rate is measured over a time")]
pub(super) fn run() {
    let machines = Machines::split();
    machines.attackers().block_on(async {
        machines.be_with_the_hub();
        let ground = Ground::open().await;
        machines.be_with_attackers();
        let mut busy = JoinSet::new();
        for _ in 0..LINES {
            let mut line = Line::begun(&ground, Shown::Member).await;
            // Of no known kind: read, and left at that.
            let frames = frame(0xee, 0, 0, &[]).repeat(1_000);
            busy.spawn(async move { while line.writer.write_all(&frames).await.is_ok() {} });
        }
        let (began, before) = (Instant::now(), ground.worked());
        tokio::time::sleep(LONG).await;
        let taken =
            ground.worked().saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
        assert!(!busy.is_empty() && busy.try_join_next().is_none(), "all lines stand");
        let cores = f64::from(machines.of_the_hub());
        assert!(taken < MOST * cores, "{taken:.2} of {cores} cores");
        busy.shutdown().await;
        ground.close().await;
    });
}
