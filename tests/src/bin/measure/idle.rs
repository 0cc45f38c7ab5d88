//! Many clients follow and nothing happens: what each costs the hub in memory.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use lianbo_node::entry::{Lane, SiteId};
use lianbo_proto::v1;
use lianbo_proto::v1::follow_request::Message;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::Place;
use crate::county::{County, Member, members};
use crate::report::Report;
use crate::{client, floor, rest};

/// How many follow.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Following clients, each with a certificate and a connection of its own
    #[arg(long, default_value_t = 1000)]
    followers: usize,
    /// Of these, how many connect at a time
    #[arg(long, default_value_t = 32)]
    connecting: usize,
}

/// An open stream that has caught up.
struct Following {
    _requests: mpsc::Sender<v1::FollowRequest>,
    _stream: Streaming<v1::FollowResponse>,
}

/// Measures it.
pub(crate) async fn run(
    options: &Options,
    place: &Place,
    report: &mut Report,
) -> anyhow::Result<()> {
    Report::note(&format!("idle: {} followers, each its own site", options.followers));
    floor::measure(place, report).await?;
    let county = County::found(place.fresh("hub")?).await?;
    let members = members(&county, options.followers).await?;
    let hub = county.serve().await?;
    rest().await;
    let before = hub.pss_kib()?;
    let cpu = hub.cpu_seconds()?;
    Report::load();
    let begun = Instant::now();
    let gate = Arc::new(Semaphore::new(options.connecting));
    let mut connecting = JoinSet::new();
    for member in members {
        let (site, at, gate) = (county.identity.site, hub.grpc, gate.clone());
        connecting.spawn(async move {
            let _permit = gate.acquire().await?;
            follow(site, at, &member).await
        });
    }
    let mut following = Vec::with_capacity(options.followers);
    while let Some(one) = connecting.join_next().await {
        following.push(one??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = hub.cpu_seconds()? - cpu;
    rest().await;
    let after = hub.pss_kib()?;
    Report::load();
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let count = following.len() as f64;
    report.figure("idle", "kib_per_follower", (after - before) / count, "KiB")?;
    report.figure("idle", "pss_before_mib", before / 1024.0, "MiB")?;
    report.figure("idle", "pss_after_mib", after / 1024.0, "MiB")?;
    report.figure("idle", "peak_rss_mib", hub.peak_kib()? / 1024.0, "MiB")?;
    report.figure("idle", "connect_seconds", seconds, "s")?;
    report.figure("idle", "connect_hub_cpu_seconds", cpu, "s")?;
    drop(following);
    rest().await;
    report.figure("idle", "pss_when_gone_mib", hub.pss_kib()? / 1024.0, "MiB")?;
    hub.stop().await
}

/// Opens a stream, takes what there is, and acknowledges it.
async fn follow(
    hub: SiteId,
    at: std::net::SocketAddr,
    member: &Member,
) -> anyhow::Result<Following> {
    let mut client = client::connect(hub, at, &member.pki).await?;
    let (requests, outbound) = mpsc::channel(16);
    let say = async |message| requests.send(v1::FollowRequest { message: Some(message) }).await;
    say(Message::Open(v1::FollowOpen::default())).await?;
    let mut stream = client.follow(ReceiverStream::new(outbound)).await?.into_inner();
    loop {
        let batch = stream.message().await?.context("the hub ended the stream")?;
        if batch.cursor.is_empty() {
            continue;
        }
        say(Message::Ack(v1::LaneCursor { lane: batch.lane, cursor: batch.cursor })).await?;
        // Content comes last, and there is none: its cursor alone says that all is said.
        if batch.lane == Lane::Content as i32 {
            return Ok(Following { _requests: requests, _stream: stream });
        }
    }
}
