//! An empty node takes everything its hub has for it: verified, folded, durable.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use lianbo_node::config::{
    BlobsConfig, HubLink, LogConfig, MetricsConfig, NodeConfig, PagesConfig, UnitConfig,
    default_database,
};
use lianbo_node::ingest::Draft;
use lianbo_node::journal::{self, Meta};
use lianbo_node::lifecycle::{KEY_FILE, Site, set_up};
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::serve;
use lianbo_node::store::Store;

use crate::Place;
use crate::county::{County, Member, Serving, address, cpu_seconds, members};
use crate::report::Report;
use crate::{floor, relay, text};

/// How much comes down.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Articles of the hub's
    #[arg(long, default_value_t = 10_000)]
    articles: usize,
    /// Runs of each way; the figures are those of the fastest
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// One node's catch-up.
struct Took {
    seconds: f64,
    node_cpu: f64,
    hub_cpu: f64,
}

/// Measures it.
pub(crate) async fn run(
    options: &Options,
    place: &Place,
    report: &mut Report,
) -> anyhow::Result<()> {
    Report::note(&format!("catchup: {} articles with texts of 3 KB", options.articles));
    let county = County::found(place.fresh("hub")?).await?;
    let mut nodes = members(&county, 2 * options.runs + 1).await?.into_iter();
    let mut writer = text::Writer::new(1);
    let audience = Audience::all(Scope::Public);
    let drafts = (0..options.articles).map(|_| Draft::new(audience, writer.article())).collect();
    county.write(drafts).await?;
    floor::measure(place, report).await?;
    Report::load();
    let hub = county.serve().await?;
    for (way, follow) in [("pull", false), ("follow", true)] {
        let mut best: Option<Took> = None;
        for member in nodes.by_ref().take(options.runs) {
            let took = catch_up(&county, &hub, hub.grpc, &member, place, follow).await?;
            Report::note(&format!("catchup: one run by {way}: {:.3} s", took.seconds));
            if best.as_ref().is_none_or(|best| took.seconds < best.seconds) {
                best = Some(took);
            }
        }
        let best = best.context("no runs")?;
        report.figure("catchup", &format!("{way}_seconds"), best.seconds, "s")?;
        report.figure("catchup", &format!("{way}_node_cpu_seconds"), best.node_cpu, "s")?;
        report.figure("catchup", &format!("{way}_hub_cpu_seconds"), best.hub_cpu, "s")?;
    }
    let (between, wire) = relay::start(hub.grpc).await?;
    let member = nodes.next().context("one more node")?;
    catch_up(&county, &hub, between, &member, place, false).await?;
    let [up, down] = wire.map(|count| count.load(Ordering::Relaxed));
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    report.figure("catchup", "wire_megabytes", megabytes(up + down), "MB")?;
    report.figure("catchup", "hub_peak_rss_mib", hub.peak_kib()? / 1024.0, "MiB")?;
    Report::load();
    hub.stop().await?;
    floor::measure(place, report).await
}

/// Brings an empty node up to date, by one round of the link or by following.
async fn catch_up(
    county: &County,
    hub: &Serving,
    at: SocketAddr,
    member: &Member,
    place: &Place,
    follow: bool,
) -> anyhow::Result<Took> {
    let store = Store::open(&address(county.folder())).await?;
    let all = journal::end(&mut store.read().await?).await?.position;
    store.close().await;
    let folder = place.fresh("node")?;
    let site = open(folder.path(), county, member).await?;
    let config = config(county, at);
    let cpu = (cpu_seconds("self")?, hub.cpu_seconds()?);
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
    let (node_cpu, hub_cpu) = (cpu_seconds("self")? - cpu.0, hub.cpu_seconds()? - cpu.1);
    let end = journal::end(&mut site.store.read().await?).await?;
    anyhow::ensure!(end.position == all, "{} of {all} entries came", end.position);
    site.close().await;
    Ok(Took { seconds, node_cpu, hub_cpu })
}

/// An empty node that has joined.
async fn open(folder: &Path, county: &County, member: &Member) -> anyhow::Result<Site> {
    member.pki.save(folder)?;
    std::fs::write(folder.join(KEY_FILE), member.identity.to_pem().as_bytes())?;
    let store = Store::open(&address(folder)).await?;
    let meta = Meta::generate(member.identity.site, &mut rand::rng());
    let hub = (county.identity.site, county.identity.public());
    set_up(&store, &meta, member.identity.public(), hub).await?;
    store.close().await;
    Ok(Site::open(folder, &address(folder)).await?)
}

fn config(county: &County, at: SocketAddr) -> NodeConfig {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    NodeConfig {
        database: default_database(),
        unit: UnitConfig { code: "unit".to_owned(), name: "单位".to_owned() },
        hub: HubLink {
            url: format!("https://{at}"),
            site: county.identity.site.to_string(),
            name: "测试县".to_owned(),
            ceiling: Scope::Organization,
            proxy: None,
            blob_kib_per_second: 0,
        },
        blobs: BlobsConfig::default(),
        pages: PagesConfig { address: any_port, scope: Scope::Organization },
        metrics: MetricsConfig { address: any_port },
        log: LogConfig::default(),
    }
}
