//! Many followers in one thread, so that the machine's other cores are the hub's.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use lianbo_node::entry::SiteId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet, LocalSet};

use super::county::Member;
use super::follower::Follower;
use crate::duties::GATHER;

/// How many connect at a time.
const CONNECTING: usize = 32;
/// How late the last word may be.
const QUIET: Duration = Duration::from_millis(50);
/// How long one article may take to be with all.
const PATIENCE: Duration = Duration::from_mins(1);

/// Followers at work, until dropped.
#[derive(Debug)]
pub(super) struct Crowd {
    receipts: UnboundedReceiver<Vec<Instant>>,
    batches: Arc<AtomicU64>,
    ack: Duration,
    thread: JoinHandle<anyhow::Result<()>>,
    /// Its end tells the thread to let go.
    stop: oneshot::Sender<()>,
}

/// Who follows whom, and waits for what.
#[derive(Debug)]
pub(super) struct Plan {
    /// The hub.
    pub(super) hub: SiteId,
    /// Where it is.
    pub(super) at: SocketAddr,
    /// Who follows.
    pub(super) members: Vec<Member>,
    /// Heads of the entries whose receipt is noted, in the order in which they come.
    pub(super) awaited: Vec<Bytes>,
    /// How long after a receipt it is acknowledged.
    pub(super) ack: Duration,
}

/// What the followers share.
struct Shared {
    awaited: Vec<Bytes>,
    /// How many have to have an entry before its receipts are told.
    count: usize,
    /// Receipts of the entry that is awaited now.
    present: RefCell<Vec<Instant>>,
    told: UnboundedSender<Vec<Instant>>,
    batches: Arc<AtomicU64>,
}

impl Crowd {
    /// Connects all; returns once each has what there is.
    pub(super) async fn gather(plan: Plan) -> anyhow::Result<Self> {
        let (told, receipts) = unbounded_channel();
        let (connected, all_connected) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let batches = Arc::<AtomicU64>::default();
        let (counting, ack) = (batches.clone(), plan.ack);
        let thread = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let following = follow(plan, told, counting, connected);
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    ended = following => ended,
                    _ = stopped => Ok(()),
                }
            })
        });
        if all_connected.await.is_err() {
            thread.await??;
            anyhow::bail!("the followers ended before all were connected");
        }
        Ok(Self { receipts, batches, ack, thread, stop })
    }

    /// When each follower got the next of the awaited entries.
    pub(super) async fn receipts(&mut self) -> anyhow::Result<Vec<Instant>> {
        let receipts = tokio::time::timeout(PATIENCE, self.receipts.recv()).await;
        if let Some(receipts) = receipts.context("an article did not reach all followers")? {
            return Ok(receipts);
        }
        (&mut self.thread).await??;
        anyhow::bail!("the followers ended")
    }

    /// Waits until nothing comes any more, and all is acknowledged: the hub's own word on what it saw first follows the
    /// articles.
    pub(super) async fn quiet(&self) {
        loop {
            let before = self.batches.load(Ordering::Relaxed);
            tokio::time::sleep(GATHER + self.ack + QUIET).await;
            if self.batches.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }

    /// Disconnects all.
    pub(super) async fn disperse(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.thread.await?
    }
}

/// Runs in the thread of the followers, until one of them ends.
async fn follow(
    plan: Plan,
    told: UnboundedSender<Vec<Instant>>,
    batches: Arc<AtomicU64>,
    connected: oneshot::Sender<()>,
) -> anyhow::Result<()> {
    let Plan { hub, at, members, awaited, ack } = plan;
    let (present, count) = (RefCell::new(Vec::new()), members.len());
    let shared = Rc::new(Shared { awaited, count, present, told, batches });
    let mut members = members.into_iter();
    let (mut connecting, mut following) = (JoinSet::new(), JoinSet::new());
    loop {
        while connecting.len() < CONNECTING
            && let Some(member) = members.next()
        {
            connecting.spawn_local(async move { Follower::open(hub, at, &member, ack).await });
        }
        let Some(follower) = connecting.join_next().await else { break };
        following.spawn_local(note(follower??, shared.clone()));
    }
    if connected.send(()).is_err() {
        return Ok(());
    }
    while let Some(ended) = following.join_next().await {
        ended??;
    }
    Ok(())
}

/// Notes when this follower got each of the awaited entries.
async fn note(mut follower: Follower, shared: Rc<Shared>) -> anyhow::Result<()> {
    let mut awaited = shared.awaited.iter().peekable();
    loop {
        let entries = follower.next().await?;
        let now = Instant::now();
        for entry in entries {
            if awaited.next_if(|it| **it == entry.head).is_some() {
                anyhow::ensure!(entry.body.is_some(), "an article came without its body");
                shared.received(now)?;
            }
        }
        shared.batches.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn received(&self, at: Instant) -> anyhow::Result<()> {
        let mut present = self.present.borrow_mut();
        present.push(at);
        if present.len() == self.count {
            self.told.send(std::mem::take(&mut present))?;
        }
        Ok(())
    }
}
