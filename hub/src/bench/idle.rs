//! A node at rest: its memory, how soon it is ready after its start, the size of its program.

use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use lianbo_node::serve;

use super::county::County;
use super::report::median;
use super::{Bench, process, replica};
use crate::local::fetch::Fetch;
use crate::local::processes::{Programs, Server};

/// What the node holds.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Articles the node holds
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = super::count(1..=1_000_000))]
    articles: usize,
    /// Starts of the node; the figures are medians
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = super::count(1..=100))]
    runs: usize,
}

/// Measures it: the program beside this one, in a process of its own, linked to a serving hub.
pub(crate) async fn run(options: &Options, bench: &Bench) -> anyhow::Result<()> {
    let report = &bench.report;
    report.note(&format!("a node with {} articles, {} starts", options.articles, options.runs));
    let program = Programs::find()?.node;
    let county = County::found(bench).await?;
    let member = county.members(1).await?.pop().context("one member")?;
    county.publish(bench, options.articles).await?;
    let hub = county.serve().await?;
    let folder = bench.fresh("node")?;
    let config = replica::join(folder.path(), &county, &member, hub.grpc).await?;
    let site = replica::open(folder.path()).await?;
    let filled = serve::sync_once(&site, &config).await;
    site.close().await;
    anyhow::ensure!(filled?.pulled >= options.articles, "the node did not get all articles");

    bench.floor("before").await?;
    let (mut ready, mut memory) = (Vec::new(), Vec::new());
    let log = folder.path().join("node.log");
    for _ in 0..options.runs {
        let begun = Instant::now();
        let node = Server::start("the node", &program, folder.path(), &[], log.clone()).await?;
        let figures = node.address("metrics")?.to_owned();
        let (status, _) = Fetch::new().get(&figures.replace("/metrics", "/ready")).await?;
        ready.push(begun.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(status == 200, "the node serves and is not ready: status {status}");
        bench.rest().await;
        memory.push(process::pss_kib(node.pid()?)? / 1024.0);
        node.stop().await?;
    }
    hub.stop().await?;
    report.figure("pss_mib", median(memory), "MiB")?;
    report.figure("ready_ms", median(ready), "ms")?;
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let size = program.metadata()?.len() as f64 / f64::from(1 << 20);
    report.figure("binary_mib", size, "MiB")?;
    bench.floor("after").await
}
