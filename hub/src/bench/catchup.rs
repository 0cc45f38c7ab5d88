//! An empty node takes everything its hub has for it: verified, folded, durable.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use lianbo_node::store::Store;
use lianbo_node::{journal, serve};

use super::county::{County, Member, Serving, address};
use super::relay::Relay;
use super::report::median;
use super::{Bench, process, replica};

/// How much comes down.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Articles of the hub's
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = super::count(1..=1_000_000))]
    articles: usize,
    /// Runs, each with an empty node: by `serve`, which follows, and by `sync --once`, which pulls. The
    /// figures are medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = super::count(1..=100))]
    runs: usize,
}

/// One node's catch-up.
struct Took {
    seconds: f64,
    node_cpu: f64,
    hub_cpu: f64,
}

/// Measures it.
pub(crate) async fn run(options: &Options, bench: &Bench) -> anyhow::Result<()> {
    let report = &bench.report;
    report.note(&format!("{} articles of the hub's", options.articles));
    let county = County::found(bench).await?;
    let mut nodes = county.members(2 * options.runs + 1).await?.into_iter();
    county.publish(bench, options.articles).await?;
    bench.floor("before").await?;
    let hub = county.serve().await?;
    for (prefix, follow) in [("", true), ("pull_", false)] {
        let mut runs = Vec::new();
        for member in nodes.by_ref().take(options.runs) {
            let took = catch_up(bench, &county, &hub, hub.grpc, &member, follow).await?;
            report.note(&format!("one run: {prefix}seconds {:.3}", took.seconds));
            runs.push(took);
        }
        let middle = |of: fn(&Took) -> f64| median(runs.iter().map(of));
        let fastest = runs.iter().map(|it| it.seconds).fold(f64::INFINITY, f64::min);
        report.figure(&format!("{prefix}seconds"), middle(|it| it.seconds), "s")?;
        report.figure(&format!("{prefix}fastest_seconds"), fastest, "s")?;
        report.figure(&format!("{prefix}node_cpu_seconds"), middle(|it| it.node_cpu), "s")?;
        report.figure(&format!("{prefix}hub_cpu_seconds"), middle(|it| it.hub_cpu), "s")?;
    }
    // Counted in a run of its own: the relay in between takes time.
    let relay = Relay::start(hub.grpc).await?;
    let member = nodes.next().context("one more node")?;
    catch_up(bench, &county, &hub, relay.address, &member, true).await?;
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    report.figure("wire_megabytes", relay.bytes() as f64 / 1e6, "MB")?;
    report.figure("hub_peak_rss_mib", hub.peak_kib()? / 1024.0, "MiB")?;
    hub.stop().await?;
    bench.floor("after").await
}

/// Brings an empty node up to date, by one round of the link or by following.
async fn catch_up(
    bench: &Bench,
    county: &County,
    hub: &Serving,
    at: SocketAddr,
    member: &Member,
    follow: bool,
) -> anyhow::Result<Took> {
    let store = Store::open(&address(county.folder())).await?;
    let all = journal::end(&mut store.read().await?).await?.position;
    store.close().await;
    let folder = bench.fresh("node")?;
    let config = replica::join(folder.path(), county, member, at).await?;
    let site = replica::open(folder.path()).await?;
    let me = std::process::id();
    let cpu = (process::cpu_seconds(me)?, hub.cpu_seconds()?);
    let begun = Instant::now();
    let site = if follow {
        let running = serve::start(site, &config).await?;
        let mut end = running.site.door.end();
        end.wait_for(|end| *end >= all).await?;
        running.site
    } else {
        let drained = serve::sync_once(&site, &config).await?;
        anyhow::ensure!(i64::try_from(drained.pulled)? == all, "{drained:?} of {all}");
        site
    };
    let seconds = begun.elapsed().as_secs_f64();
    let (node_cpu, hub_cpu) = (process::cpu_seconds(me)? - cpu.0, hub.cpu_seconds()? - cpu.1);
    let end = journal::end(&mut site.store.read().await?).await?;
    anyhow::ensure!(end.position == all, "{} of {all} entries came", end.position);
    site.close().await;
    Ok(Took { seconds, node_cpu, hub_cpu })
}
