//! Many nodes push at once; each answer means that the entries are on the disk and folded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use lianbo_node::content::Record;
use lianbo_node::identity::Identity;
use lianbo_node::journal;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Store;
use lianbo_node::wire::encode_frame;
use lianbo_proto::v1;
use lianbo_proto::v1::sync_client::SyncClient;
use tokio::sync::{Barrier, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::author::Author;
use super::county::{County, address};
use super::report::median;
use super::texts::Texts;
use super::{Bench, client, process};

/// Unacknowledged frames of one node.
const IN_FLIGHT: usize = 4;
/// Entries that are timed at the beginning and at the end.
const PART: usize = 10_000;

/// How much is pushed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Entries of all nodes together, signed beforehand and held in memory at some 1.5 KB each
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = super::count(2..=10_000_000))]
    entries: usize,
    /// Nodes that push at once
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = super::count(1..=5000))]
    nodes: usize,
    /// Entries of one frame; four frames of a node may wait for their answers
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = super::count(1..=1000))]
    frame: usize,
    /// Runs, each with a fresh hub; the figures are those of the fastest
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = super::count(1..=100))]
    runs: usize,
}

/// One frame, and how far its log reaches with it.
#[derive(Clone)]
struct Frame {
    bytes: Bytes,
    upto: u64,
    count: usize,
}

/// One run.
struct Run {
    seconds: f64,
    first_seconds: f64,
    median_seconds: f64,
    last_seconds: f64,
    hub_cpu: f64,
    load_cpu: f64,
    peak_kib: f64,
    rest_kib: f64,
    journal: i64,
}

/// Measures it.
pub(crate) async fn run(options: &Options, bench: &Bench) -> anyhow::Result<()> {
    let Options { entries, nodes, frame, runs } = *options;
    let report = &bench.report;
    report.note(&format!(
        "{entries} articles, {nodes} nodes, each {IN_FLIGHT} frames of {frame} unacknowledged"
    ));
    let sites: Vec<_> = (0..nodes).map(|_| Identity::generate(&mut rand::rng())).collect();
    let frames = sign(&bench.texts, &sites, entries, frame).await?;
    let wire: usize = frames.iter().flatten().map(|frame| frame.bytes.len()).sum();
    bench.floor("before").await?;
    let mut best: Option<Run> = None;
    for _ in 0..runs {
        let took = once(bench, &sites, frames.clone(), entries).await?;
        report.note(&format!("one run: {:.3} s", took.seconds));
        if best.as_ref().is_none_or(|best| took.seconds < best.seconds) {
            best = Some(took);
        }
    }
    let best = best.context("no runs")?;
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let (count, wire, journal) = (entries as f64, wire as f64, best.journal as f64);
    report.figure("entries_per_second", count / best.seconds, "1/s")?;
    report.figure("seconds", best.seconds, "s")?;
    report.figure("first_10000_seconds", best.first_seconds, "s")?;
    report.figure("median_10000_seconds", best.median_seconds, "s")?;
    report.figure("last_10000_seconds", best.last_seconds, "s")?;
    report.figure("last_over_first", best.last_seconds / best.first_seconds, "")?;
    report.figure("hub_cpu_us_per_entry", best.hub_cpu / count * 1e6, "us")?;
    report.figure("load_cpu_us_per_entry", best.load_cpu / count * 1e6, "us")?;
    report.figure("wire_bytes_per_entry", wire / count, "B")?;
    report.figure("hub_peak_rss_mib", best.peak_kib / 1024.0, "MiB")?;
    report.figure("hub_pss_at_rest_mib", best.rest_kib / 1024.0, "MiB")?;
    report.figure("journal_entries", journal, "")?;
    bench.floor("after").await
}

/// Pushes everything to a fresh hub.
async fn once(
    bench: &Bench,
    sites: &[Identity],
    frames: Vec<Vec<Frame>>,
    total: usize,
) -> anyhow::Result<Run> {
    let county = County::found(bench).await?;
    let members = county.admit(sites.to_vec()).await?;
    let hub = county.serve().await?;
    let barrier = Arc::new(Barrier::new(members.len() + 1));
    let (told, mut acked) = mpsc::unbounded_channel();
    let mut pushing = JoinSet::new();
    for (member, frames) in members.iter().zip(frames) {
        let client = client::connect(county.identity.site, hub.grpc, &member.pki).await?;
        pushing.spawn(push(client, frames, barrier.clone(), told.clone()));
    }
    drop(told);
    let me = std::process::id();
    let cpu = (hub.cpu_seconds()?, process::cpu_seconds(me)?);
    barrier.wait().await;
    let begun = Instant::now();
    let mut answers: Vec<(f64, usize)> = Vec::new();
    let mut count = 0;
    while let Some((at, entries)) = acked.recv().await {
        count += entries;
        answers.push((Instant::duration_since(&at, begun).as_secs_f64(), count));
    }
    while let Some(done) = pushing.join_next().await {
        done??;
    }
    let seconds = answers.last().context("no answers")?.0;
    let cpu = (hub.cpu_seconds()? - cpu.0, process::cpu_seconds(me)? - cpu.1);
    let peak_kib = hub.peak_kib()?;
    bench.rest().await;
    let rest_kib = hub.pss_kib()?;
    hub.stop().await?;
    anyhow::ensure!(count == total, "{count} of {total} entries were acknowledged");
    let store = Store::open(&address(county.folder())).await?;
    let end = journal::end(&mut store.read().await?).await?;
    store.close().await;
    // Halves, where fewer than two such parts are pushed in all.
    let part = PART.min(total / 2).max(1);
    let reached = |n: usize| {
        let there = answers.partition_point(|(_, count)| *count < n);
        answers.get(there).filter(|_| n > 0).map_or(0.0, |it| it.0)
    };
    let of_part = |from: usize| reached(from + part) - reached(from);
    Ok(Run {
        seconds,
        first_seconds: of_part(0),
        median_seconds: median((0..total / part).map(|n| of_part(n * part))),
        last_seconds: of_part(total - part),
        hub_cpu: cpu.0,
        load_cpu: cpu.1,
        peak_kib,
        rest_kib,
        journal: end.position,
    })
}

/// Signs everything beforehand: as many entries as are wanted, shared out among the sites.
async fn sign(
    texts: &Texts,
    sites: &[Identity],
    entries: usize,
    size: usize,
) -> anyhow::Result<Vec<Vec<Frame>>> {
    let mut signing = JoinSet::new();
    for (n, identity) in sites.iter().enumerate() {
        let each = entries / sites.len() + usize::from(n < entries % sites.len());
        let mut writer = texts.writer(n, each);
        let mut author = Author::new(identity.clone(), Audience::all(Scope::Public));
        signing.spawn_blocking(move || {
            let (mut frames, mut upto) = (Vec::new(), 0);
            while upto < each {
                let count = size.min(each - upto);
                let entries: Vec<_> =
                    (0..count).map(|_| author.write(&Record::Article(writer.article()))).collect();
                upto += count;
                frames.push(Frame { bytes: encode_frame(&entries), upto: upto as u64, count });
            }
            (n, frames)
        });
    }
    let mut frames = signing.join_all().await;
    frames.sort_by_key(|(n, _)| *n);
    Ok(frames.into_iter().map(|(_, frames)| frames).collect())
}

async fn push(
    mut client: SyncClient<Channel>,
    frames: Vec<Frame>,
    barrier: Arc<Barrier>,
    told: mpsc::UnboundedSender<(Instant, usize)>,
) -> anyhow::Result<()> {
    let (send, outbound) = mpsc::channel(IN_FLIGHT);
    let mut answers = client.push(ReceiverStream::new(outbound)).await?.into_inner();
    barrier.wait().await;
    let mut waiting = VecDeque::new();
    let mut frames = frames.into_iter();
    loop {
        while waiting.len() < IN_FLIGHT
            && let Some(frame) = frames.next()
        {
            send.send(v1::PushRequest { frame: frame.bytes }).await.context("the push ended")?;
            waiting.push_back((frame.upto, frame.count));
        }
        let Some((upto, count)) = waiting.pop_front() else { return Ok(()) };
        let answer = answers.message().await?.context("the hub ended the push")?;
        anyhow::ensure!(answer.refused.is_empty(), "refused: {:?}", answer.refused.first());
        let height = answer.acked.first().map_or(0, |height| height.seq);
        anyhow::ensure!(height == upto, "acknowledged up to {height} in place of {upto}");
        told.send((Instant::now(), count))?;
    }
}
