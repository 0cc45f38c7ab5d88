//! Many nodes that follow a hub in one process: each decodes what comes, notes when it came, and acknowledges it.
//! None verifies or keeps anything, which each real node would do on a machine of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lianbo_node::entry::{Entry, Lane, SiteId};
use lianbo_node::wire::decode_frame;
use lianbo_proto::v1;
use lianbo_proto::v1::follow_request::Message;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::client;
use super::county::Member;

/// How many connect at a time.
const CONNECTING: usize = 32;
/// How long nothing may have come for a hub to count as quiet.
const QUIET: Duration = Duration::from_millis(10);

/// All followers.
#[derive(Debug)]
pub(super) struct Crowd {
    count: usize,
    receipts: Mutex<mpsc::UnboundedReceiver<Instant>>,
    batches: Arc<AtomicU64>,
    following: Mutex<JoinSet<anyhow::Result<()>>>,
}

impl Crowd {
    /// Connects them all; returns once each has what there is. `awaited` is what they will wait for, in this order.
    pub(super) async fn gather(
        hub: SiteId,
        at: SocketAddr,
        members: Vec<Member>,
        awaited: Vec<Entry>,
    ) -> anyhow::Result<Self> {
        let gate = Arc::new(Semaphore::new(CONNECTING));
        let mut connecting = JoinSet::new();
        for member in members {
            let gate = gate.clone();
            connecting.spawn(async move {
                let _permit = gate.acquire().await?;
                Follower::connect(hub, at, &member).await
            });
        }
        let (told, receipts) = mpsc::unbounded_channel();
        let (awaited, batches) = (Arc::<[Entry]>::from(awaited), Arc::<AtomicU64>::default());
        let (mut following, mut count) = (JoinSet::new(), 0);
        while let Some(follower) = connecting.join_next().await {
            following.spawn(follower??.run(awaited.clone(), told.clone(), batches.clone()));
            count += 1;
        }
        let (receipts, following) = (Mutex::new(receipts), Mutex::new(following));
        Ok(Self { count, receipts, batches, following })
    }

    /// When each follower got the next of the awaited entries.
    pub(super) async fn receipts(&self) -> anyhow::Result<Vec<Instant>> {
        let (mut receipts, mut following) =
            (self.receipts.lock().await, self.following.lock().await);
        let mut got = Vec::with_capacity(self.count);
        while got.len() < self.count {
            tokio::select! {
                Some(at) = receipts.recv() => got.push(at),
                Some(ended) = following.join_next() => ended??,
            }
        }
        Ok(got)
    }

    /// Waits until nothing comes any more: the hub's own word on what it saw first follows each article.
    pub(super) async fn quiet(&self) {
        loop {
            let before = self.batches.load(Ordering::Relaxed);
            tokio::time::sleep(QUIET).await;
            if self.batches.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

/// An open stream that has caught up.
struct Follower {
    requests: mpsc::Sender<v1::FollowRequest>,
    stream: Streaming<v1::FollowResponse>,
}

impl Follower {
    /// Opens a stream, takes what there is, and acknowledges it.
    async fn connect(hub: SiteId, at: SocketAddr, member: &Member) -> anyhow::Result<Self> {
        let mut client = client::connect(hub, at, &member.pki).await?;
        let (requests, outbound) = mpsc::channel(16);
        let subscriptions =
            vec![v1::Subscription { column: "news".to_owned(), ..Default::default() }];
        let open = v1::FollowOpen { subscriptions, ..v1::FollowOpen::default() };
        let open = v1::FollowRequest { message: Some(Message::Open(open)) };
        requests.send(open).await?;
        let stream = client.follow(ReceiverStream::new(outbound)).await?.into_inner();
        let mut follower = Self { requests, stream };
        loop {
            let batch = follower.next().await?;
            // Content comes last: its cursor alone says that all is said.
            let settled = batch.lane == Lane::Content as i32 && !batch.cursor.is_empty();
            follower.acknowledge(batch).await?;
            if settled {
                return Ok(follower);
            }
        }
    }

    async fn next(&mut self) -> anyhow::Result<v1::FollowResponse> {
        self.stream.message().await?.context("the hub ended a stream")
    }

    async fn acknowledge(&self, batch: v1::FollowResponse) -> anyhow::Result<()> {
        if !batch.cursor.is_empty() {
            let ack = v1::LaneCursor { lane: batch.lane, cursor: batch.cursor };
            self.requests.send(v1::FollowRequest { message: Some(Message::Ack(ack)) }).await?;
        }
        Ok(())
    }

    async fn run(
        mut self,
        awaited: Arc<[Entry]>,
        told: mpsc::UnboundedSender<Instant>,
        batches: Arc<AtomicU64>,
    ) -> anyhow::Result<()> {
        let mut awaited = awaited.iter().peekable();
        loop {
            let batch = self.next().await?;
            for entry in decode_frame(&batch.frame)? {
                if awaited.next_if(|it| it.head == entry.head).is_some() {
                    anyhow::ensure!(entry.body.is_some(), "an article came without its body");
                    told.send(Instant::now())?;
                }
            }
            batches.fetch_add(1, Ordering::Relaxed);
            self.acknowledge(batch).await?;
        }
    }
}
