//! One article goes to many followers at once: how long from the author's send until each has received it.
//!
//! Author and followers are one thread, so that the other core is the hub's; a follower is no more than a socket, TLS
//! and the few frames of HTTP/2 that it takes.

pub(crate) mod plain;
mod reader;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use lianbo_node::entry::SiteId;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::wire::encode_frame;
use lianbo_proto::v1;
use lianbo_tests::TestAuthor;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinSet, LocalSet};
use tokio_stream::wrappers::ReceiverStream;

use crate::county::{County, Member, members};
use crate::report::Report;
use crate::{Place, client, floor, rest, text};

/// Between everybody's receipt of one article and the next.
const PACE: Duration = Duration::from_millis(5);
/// How long one article may take to be everywhere.
const PATIENCE: Duration = Duration::from_secs(30);
/// Followers that connect at a time.
const CONNECTING: usize = 32;

/// How many follow, and what they get.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Following clients, each with a certificate and a connection of its own
    #[arg(long, default_value_t = 1000)]
    followers: usize,
    /// Articles, one after the other
    #[arg(long, default_value_t = 200)]
    articles: usize,
    /// Without TLS, to set beside what has none
    #[arg(long)]
    plain: bool,
}

/// Who has received how much.
#[derive(Debug, Default)]
struct Receipts {
    /// When each follower received the present article.
    at: RefCell<Vec<Instant>>,
    /// There are as many of them as are waited for.
    all: Notify,
}

/// Measures it.
pub(crate) async fn run(
    options: &Options,
    place: &Place,
    report: &mut Report,
) -> anyhow::Result<()> {
    let name = if options.plain { "fanout-plain" } else { "fanout" };
    Report::note(&format!("{name}: {} articles to {}", options.articles, options.followers));
    floor::measure(place, report).await?;
    let county = County::found(place.fresh("hub")?).await?;
    let mut followers = members(&county, options.followers + 1).await?;
    let author = followers.pop().context("at least one")?;
    let hub = county.serve_as(if options.plain { "plain-hub" } else { "hub" }).await?;
    let frames = sign(&author, options.articles);
    Report::load();
    let load = Load {
        hub: county.identity.site,
        at: hub.grpc,
        plain: options.plain,
        author,
        followers,
        frames,
    };
    // The hub is watched from here, the load is one thread of its own.
    let (told, mut events) = mpsc::unbounded_channel();
    let driver = tokio::task::spawn_blocking(move || drive(load, told));
    let (mut durable, mut times) = (Vec::new(), Vec::new());
    let mut cpu = 0.0;
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected(seconds) => {
                report.figure(name, "connect_seconds", seconds, "s")?;
                cpu = hub.cpu_seconds()?;
            }
            Event::Everywhere(kept, received) => {
                durable.push(kept);
                times.extend(received);
            }
        }
    }
    driver.await??;
    percentiles(report, name, "durable_", &mut durable)?;
    percentiles(report, name, "", &mut times)?;
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let each = (hub.cpu_seconds()? - cpu) / times.len() as f64;
    report.figure(name, "hub_cpu_us_per_receipt", each * 1e6, "us")?;
    report.figure(name, "pss_mib", hub.pss_kib()? / 1024.0, "MiB")?;
    let expected = options.followers * options.articles;
    anyhow::ensure!(times.len() == expected, "{} of {expected} received", times.len());
    Report::load();
    hub.stop().await?;
    floor::measure(place, report).await
}

/// Figures of a distribution.
fn percentiles(report: &mut Report, name: &str, of: &str, times: &mut [f64]) -> anyhow::Result<()> {
    times.sort_by(f64::total_cmp);
    for (metric, share) in [("p50_ms", 500), ("p90_ms", 900), ("p99_ms", 990), ("max_ms", 1000)] {
        let at =
            times.get((times.len().max(1) - 1) * share / 1000).context("nothing was received")?;
        report.figure(name, &format!("{of}{metric}"), *at, "ms")?;
    }
    Ok(())
}

/// Articles for everybody in the county, one a frame.
fn sign(author: &Member, count: usize) -> Vec<Bytes> {
    let mut writer = text::Writer::new(7);
    let mut signing = TestAuthor::of(author.identity.clone());
    let audience = Audience::all(Scope::Organization);
    (0..count).map(|_| encode_frame(&[signing.write(audience, writer.article()).entry])).collect()
}

/// What the load does, in the thread that does it.
struct Load {
    hub: SiteId,
    at: SocketAddr,
    plain: bool,
    author: Member,
    followers: Vec<Member>,
    frames: Vec<Bytes>,
}

/// What the load tells.
enum Event {
    /// All follow; seconds it took.
    Connected(f64),
    /// One article is everywhere; milliseconds until it was durable at the hub, and until each had it.
    Everywhere(f64, Vec<f64>),
}

fn drive(load: Load, told: mpsc::UnboundedSender<Event>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run_load(load, told))
}

async fn run_load(load: Load, told: mpsc::UnboundedSender<Event>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let receipts = Rc::new(Receipts::default());
    let count = load.followers.len();
    let mut followers = load.followers.iter();
    let (mut connecting, mut reading) = (JoinSet::new(), JoinSet::new());
    let mut connect = |connecting: &mut JoinSet<_>| {
        if let Some(member) = followers.next() {
            connecting.spawn_local(reader::open(load.hub, load.at, member.clone(), load.plain));
        }
    };
    for _ in 0..CONNECTING {
        connect(&mut connecting);
    }
    while let Some(reader) = connecting.join_next().await {
        let (mut reader, receipts) = (reader??, receipts.clone());
        reading.spawn_local(async move {
            reader
                .run(|| {
                    let mut at = receipts.at.borrow_mut();
                    at.push(Instant::now());
                    if at.len() == count {
                        receipts.all.notify_one();
                    }
                })
                .await
        });
        connect(&mut connecting);
    }
    told.send(Event::Connected(begun.elapsed().as_secs_f64()))?;
    rest().await;
    let publishing = publish(&load, &receipts, &told);
    tokio::select! {
        published = publishing => published,
        Some(ended) = reading.join_next() => ended?,
    }
}

async fn publish(
    load: &Load,
    receipts: &Receipts,
    told: &mpsc::UnboundedSender<Event>,
) -> anyhow::Result<()> {
    let mut client = if load.plain {
        plain::client(load.at, load.author.identity.site).await?
    } else {
        client::connect(load.hub, load.at, &load.author.pki).await?
    };
    let (send, outbound) = mpsc::channel(1);
    let mut answers = client.push(ReceiverStream::new(outbound)).await?.into_inner();
    for frame in &load.frames {
        receipts.at.borrow_mut().clear();
        let begun = Instant::now();
        send.send(v1::PushRequest { frame: frame.clone() }).await.context("the push ended")?;
        let answer = answers.message().await?.context("the hub ended the push")?;
        let kept = begun.elapsed().as_secs_f64() * 1000.0;
        anyhow::ensure!(answer.refused.is_empty(), "refused: {:?}", answer.refused.first());
        let all = tokio::time::timeout(PATIENCE, receipts.all.notified()).await;
        let at = receipts.at.borrow();
        all.with_context(|| format!("received by {} only", at.len()))?;
        let times = at.iter().map(|at| (*at - begun).as_secs_f64() * 1000.0).collect();
        told.send(Event::Everywhere(kept, times))?;
        drop(at);
        pace().await;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "articles come at a pace")]
async fn pace() {
    tokio::time::sleep(PACE).await;
}
