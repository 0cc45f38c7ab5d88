//! Many nodes push at once; each answer means that the entries are on the disk and folded.

use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use lianbo_node::journal;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Store;
use lianbo_node::wire::encode_frame;
use lianbo_proto::v1;
use lianbo_proto::v1::sync_client::SyncClient;
use lianbo_tests::TestAuthor;
use tokio::sync::{Barrier, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::Place;
use crate::county::{County, Member, address, cpu_seconds, members};
use crate::report::Report;
use crate::{client, floor, rest, text};

/// Unacknowledged frames of one node.
const IN_FLIGHT: usize = 4;

/// How much is pushed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Entries, all nodes together
    #[arg(long, default_value_t = 100_000)]
    entries: usize,
    /// Nodes that push at once
    #[arg(long, default_value_t = 50)]
    nodes: usize,
    /// Entries of one frame; four frames of a node may wait for their answers
    #[arg(long, default_value_t = 64)]
    frame: usize,
}

/// One frame, and how far its log reaches with it.
struct Frame {
    bytes: Bytes,
    upto: u64,
    count: usize,
}

/// Measures it.
pub(crate) async fn run(
    options: &Options,
    place: &Place,
    report: &mut Report,
) -> anyhow::Result<()> {
    Report::note(&format!(
        "ingest: {} entries with texts of 3 KB, {} nodes, {IN_FLIGHT} frames of {} unacknowledged each",
        options.entries, options.nodes, options.frame
    ));
    let county = County::found(place.fresh("hub")?).await?;
    let members = members(&county, options.nodes).await?;
    let each = options.entries.div_ceil(options.nodes);
    let frames = sign(&members, each, options.frame).await?;
    let total: usize = frames.iter().flatten().map(|frame| frame.count).sum();
    let wire: usize = frames.iter().flatten().map(|frame| frame.bytes.len()).sum();
    floor::measure(place, report).await?;
    Report::load();

    let hub = county.serve().await?;
    let barrier = std::sync::Arc::new(Barrier::new(members.len() + 1));
    let (told, mut acked) = mpsc::unbounded_channel();
    let mut pushing = JoinSet::new();
    for (member, frames) in members.iter().zip(frames) {
        let client = client::connect(county.identity.site, hub.grpc, &member.pki).await?;
        pushing.spawn(push(client, frames, barrier.clone(), told.clone()));
    }
    drop(told);
    let cpu = (hub.cpu_seconds()?, cpu_seconds("self")?);
    barrier.wait().await;
    let begun = Instant::now();
    let mut answers = Vec::new();
    let mut count = 0;
    while let Some((at, entries)) = acked.recv().await {
        count += entries;
        answers.push((Instant::duration_since(&at, begun).as_secs_f64(), count));
    }
    while let Some(done) = pushing.join_next().await {
        done??;
    }
    let seconds = answers.last().context("no answers")?.0;
    let cpu = (hub.cpu_seconds()? - cpu.0, cpu_seconds("self")? - cpu.1);
    let peak = hub.peak_kib()?;
    Report::load();
    rest().await;
    let pss = hub.pss_kib()?;
    hub.stop().await?;

    anyhow::ensure!(count == total, "{count} of {total} entries were acknowledged");
    let store = Store::open(&address(county.folder())).await?;
    let end = journal::end(&mut store.read().await?).await?;
    store.close().await;
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    {
        report.figure("ingest", "entries_per_second", total as f64 / seconds, "1/s")?;
        report.figure("ingest", "seconds", seconds, "s")?;
        // Tenths of it, where less than 20,000 are pushed in all.
        let part = 10_000.min(total / 2);
        let reached =
            |n: usize| answers.iter().find(|(_, count)| *count >= n).map_or(0.0, |it| it.0);
        let (first, last) = (reached(part), seconds - reached(total - part));
        report.figure("ingest", "first_10000_seconds", first, "s")?;
        report.figure("ingest", "last_10000_seconds", last, "s")?;
        report.figure("ingest", "last_over_first", last / first, "")?;
        report.figure("ingest", "hub_cpu_us_per_entry", cpu.0 / total as f64 * 1e6, "us")?;
        report.figure("ingest", "load_cpu_us_per_entry", cpu.1 / total as f64 * 1e6, "us")?;
        report.figure("ingest", "frames_bytes_per_entry", wire as f64 / total as f64, "B")?;
        report.figure("ingest", "hub_peak_rss_mib", peak / 1024.0, "MiB")?;
        report.figure("ingest", "hub_pss_at_rest_mib", pss / 1024.0, "MiB")?;
        report.figure("ingest", "journal_entries", end.position as f64, "")?;
    }
    floor::measure(place, report).await
}

/// Signs everything beforehand.
async fn sign(members: &[Member], each: usize, size: usize) -> anyhow::Result<Vec<Vec<Frame>>> {
    let mut signing = JoinSet::new();
    for (n, member) in members.iter().enumerate() {
        let identity = member.identity.clone();
        signing.spawn_blocking(move || {
            let mut writer = text::Writer::new(n as u64);
            let mut author = TestAuthor::of(identity);
            let audience = Audience::all(Scope::Public);
            let (mut frames, mut upto) = (Vec::new(), 0);
            while upto < each {
                let count = size.min(each - upto);
                let entries: Vec<_> =
                    (0..count).map(|_| author.write(audience, writer.article()).entry).collect();
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
    barrier: std::sync::Arc<Barrier>,
    told: mpsc::UnboundedSender<(Instant, usize)>,
) -> anyhow::Result<()> {
    let (send, outbound) = mpsc::channel(IN_FLIGHT);
    let mut answers = client.push(ReceiverStream::new(outbound)).await?.into_inner();
    barrier.wait().await;
    let mut waiting = std::collections::VecDeque::new();
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
