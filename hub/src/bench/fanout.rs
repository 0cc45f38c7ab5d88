//! One node publishes to many that follow: from its send to each follower's receipt. And before that: what each
//! follower at rest costs the hub in memory.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, value_parser};
use lianbo_node::cli::advise;
use lianbo_node::content::Record;
use lianbo_node::entry::Entry;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::wire::encode_frame;
use lianbo_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::author::Author;
use super::county::{County, Member, Serving};
use super::crowd::{Crowd, Plan};
use super::report::{median, percentile};
use super::{Bench, client, process};

/// Open files that are needed beside the followers' connections.
const FILES: usize = 100;

/// How many follow, and what is published to them.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Following nodes, each with a certificate and a connection of its own
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::count(1..=8000))]
    followers: usize,
    /// Publishes of one run
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = super::count(1..=10_000))]
    publishes: usize,
    /// Between all followers having an article and the next one. What is acknowledged meanwhile, and the hub's own word on
    /// what it saw first, are under way at the same time; with 7000 they no longer are
    #[arg(long, value_name = "MS", default_value_t = 5, value_parser = value_parser!(u64).range(..=60_000))]
    pause_ms: u64,
    /// Runs; the figures are medians
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = super::count(1..=100))]
    runs: usize,
}

/// One run, in milliseconds.
struct Run {
    p50: f64,
    p99: f64,
    max: f64,
    ack_p50: f64,
    ack_p99: f64,
}

/// Measures it.
pub(crate) async fn run(options: &Options, bench: &Bench) -> anyhow::Result<()> {
    let Options { followers, publishes, pause_ms, runs } = *options;
    let report = &bench.report;
    report.note(&format!(
        "{followers} followers, {runs} runs of {publishes} publishes, each {pause_ms} ms after all have the one before"
    ));
    enough_files(followers)?;
    let county = County::found(bench).await?;
    let mut members = county.members(followers + 1).await?;
    let publisher = members.pop().context("one member publishes")?;
    let articles = sign(bench, &publisher, runs * publishes);
    bench.floor("before").await?;

    let hub = county.serve().await?;
    bench.rest().await;
    let (pss, cpu, begun) = (hub.pss_kib()?, hub.cpu_seconds()?, Instant::now());
    let plan = Plan {
        hub: county.identity.site,
        at: hub.grpc,
        awaited: articles.iter().map(|article| article.head.clone()).collect(),
    };
    let mut crowd = Crowd::gather(plan, members).await?;
    let (connecting, connecting_cpu) = (begun.elapsed().as_secs_f64(), hub.cpu_seconds()? - cpu);
    bench.rest().await;
    let pss_full = hub.pss_kib()?;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let (count, deliveries) = (followers as f64, (followers * publishes * runs) as f64);
    report.figure("kib_per_follower", (pss_full - pss) / count, "KiB")?;
    report.figure("pss_alone_mib", pss / 1024.0, "MiB")?;
    report.figure("pss_followed_mib", pss_full / 1024.0, "MiB")?;
    report.figure("connect_seconds", connecting, "s")?;
    report.figure("connect_hub_cpu_seconds", connecting_cpu, "s")?;

    let me = std::process::id();
    let cpu = (hub.cpu_seconds()?, process::cpu_seconds(me)?);
    let mut pushing = Publisher::connect(&county, &hub, &publisher).await?;
    let mut done = Vec::new();
    for articles in articles.chunks(publishes) {
        let run = once(&mut pushing, &mut crowd, articles, Duration::from_millis(pause_ms)).await?;
        report.note(&format!("one run: p50 {:.3} ms, p99 {:.3} ms", run.p50, run.p99));
        done.push(run);
    }
    let cpu = (hub.cpu_seconds()? - cpu.0, process::cpu_seconds(me)? - cpu.1);
    let middle = |of: fn(&Run) -> f64| median(done.iter().map(of));
    report.figure("p50_ms", middle(|it| it.p50), "ms")?;
    report.figure("p99_ms", middle(|it| it.p99), "ms")?;
    report.figure("max_ms", middle(|it| it.max), "ms")?;
    report.figure("ack_p50_ms", middle(|it| it.ack_p50), "ms")?;
    report.figure("ack_p99_ms", middle(|it| it.ack_p99), "ms")?;
    report.figure("hub_cpu_us_per_delivery", cpu.0 / deliveries * 1e6, "us")?;
    report.figure("load_cpu_us_per_delivery", cpu.1 / deliveries * 1e6, "us")?;
    report.figure("hub_peak_rss_mib", hub.peak_kib()? / 1024.0, "MiB")?;
    drop(pushing);
    crowd.disperse().await?;
    bench.rest().await;
    report.figure("pss_left_mib", hub.pss_kib()? / 1024.0, "MiB")?;
    hub.stop().await?;
    bench.floor("after").await
}

/// Every follower is a connection, here and in the hub.
fn enough_files(followers: usize) -> anyhow::Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
    // `unlimited` is no number, and enough.
    if soft.parse().is_ok_and(|soft: usize| soft < followers + FILES) {
        let what = format!("{followers} followers want more open files than {soft}");
        return Err(advise(what, format!("ulimit -n {}", followers + FILES)).into());
    }
    Ok(())
}

/// The publisher's articles, in the column that all follow.
fn sign(bench: &Bench, publisher: &Member, count: usize) -> Vec<Entry> {
    let mut writer = bench.texts.writer(0, count);
    let audience = Audience::all(Scope::Organization);
    let mut author = Author::new(publisher.identity.clone(), audience);
    (0..count).map(|_| author.write(&Record::Article(writer.article()))).collect()
}

/// One run: publish, wait until all have it.
async fn once(
    publisher: &mut Publisher,
    crowd: &mut Crowd,
    articles: &[Entry],
    pause: Duration,
) -> anyhow::Result<Run> {
    let (mut received, mut acked) = (Vec::new(), Vec::new());
    for article in articles {
        let sent = Instant::now();
        let (ack, receipts) = tokio::join!(publisher.publish(article), crowd.receipts());
        acked.push(ack?.duration_since(sent).as_secs_f64() * 1e3);
        received.extend(receipts?.iter().map(|at| at.duration_since(sent).as_secs_f64() * 1e3));
        tokio::time::sleep(pause).await;
    }
    received.sort_by(f64::total_cmp);
    acked.sort_by(f64::total_cmp);
    Ok(Run {
        p50: percentile(&received, 50),
        p99: percentile(&received, 99),
        max: percentile(&received, 100),
        ack_p50: percentile(&acked, 50),
        ack_p99: percentile(&acked, 99),
    })
}

/// The node that publishes.
struct Publisher {
    frames: mpsc::Sender<v1::PushRequest>,
    answers: Streaming<v1::PushResponse>,
}

impl Publisher {
    async fn connect(county: &County, hub: &Serving, member: &Member) -> anyhow::Result<Self> {
        let mut client = client::connect(county.identity.site, hub.grpc, &member.pki).await?;
        let (frames, outbound) = mpsc::channel(1);
        let answers = client.push(ReceiverStream::new(outbound)).await?.into_inner();
        Ok(Self { frames, answers })
    }

    /// Sends an article; when the hub answered that it is durable.
    async fn publish(&mut self, article: &Entry) -> anyhow::Result<Instant> {
        let frame = encode_frame(std::slice::from_ref(article));
        self.frames.send(v1::PushRequest { frame }).await.context("the push ended")?;
        let answer = self.answers.message().await?.context("the hub ended the push")?;
        anyhow::ensure!(answer.refused.is_empty(), "refused: {:?}", answer.refused.first());
        Ok(Instant::now())
    }
}
