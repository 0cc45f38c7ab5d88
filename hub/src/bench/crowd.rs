//! Many followers, spread over the cores they share with the hub.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::future::try_join_all;
use lianbo_node::entry::SiteId;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet, LocalSet};

use super::county::Member;
use super::follower::Follower;

/// How many of a thread connect at a time.
const CONNECTING: usize = 16;
/// How long one article may take to be with all.
const PATIENCE: Duration = Duration::from_mins(1);

/// Followers at work, until dropped: on each core as many, which stay there. Were one thread to decode what comes for all of
/// them, how fast it does would be what is measured; were all of them on one core, how soon the system notices.
#[derive(Debug)]
pub(super) struct Crowd {
    threads: Vec<Followers>,
}

/// Those in one thread.
#[derive(Debug)]
struct Followers {
    receipts: UnboundedReceiver<Vec<Instant>>,
    thread: JoinHandle<anyhow::Result<()>>,
    /// Its end tells the thread to let go.
    stop: oneshot::Sender<()>,
}

/// Who follows whom, and waits for what.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The hub.
    pub(super) hub: SiteId,
    /// Where it is.
    pub(super) at: SocketAddr,
    /// Heads of the entries whose receipt is noted, in the order in which they come.
    pub(super) awaited: Vec<Bytes>,
}

/// What the followers of a thread share.
struct Shared {
    awaited: Vec<Bytes>,
    /// How many have to have an entry before its receipts are told.
    count: usize,
    /// Receipts of the entry that is awaited now.
    present: RefCell<Vec<Instant>>,
    told: UnboundedSender<Vec<Instant>>,
}

impl Crowd {
    /// Connects these members; returns once each has what there is.
    pub(super) async fn gather(plan: Plan, mut members: Vec<Member>) -> anyhow::Result<Self> {
        let cores = cores()?;
        let each = members.len().div_ceil(cores.len());
        let mut gathering = JoinSet::new();
        for core in cores {
            let part = members.split_off(members.len().saturating_sub(each));
            if !part.is_empty() {
                gathering.spawn(Followers::gather(plan.clone(), part, core));
            }
        }
        let mut threads = Vec::new();
        while let Some(gathered) = gathering.join_next().await {
            threads.push(gathered??);
        }
        Ok(Self { threads })
    }

    /// When each follower got the next of the awaited entries.
    pub(super) async fn receipts(&mut self) -> anyhow::Result<Vec<Instant>> {
        let receipts = self.threads.iter_mut().map(Followers::receipts);
        let receipts = tokio::time::timeout(PATIENCE, try_join_all(receipts)).await;
        Ok(receipts.context("an article did not reach all followers")??.concat())
    }

    /// Disconnects all.
    pub(super) async fn disperse(self) -> anyhow::Result<()> {
        for Followers { stop, thread, .. } in self.threads {
            drop(stop);
            thread.await??;
        }
        Ok(())
    }
}

impl Followers {
    async fn gather(plan: Plan, members: Vec<Member>, core: CpuSet) -> anyhow::Result<Self> {
        let (told, receipts) = unbounded_channel();
        let (connected, all_connected) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = tokio::task::spawn_blocking(move || {
            sched_setaffinity(None, &core).context("followers cannot stay on their core")?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let following = follow(plan, members, told, connected);
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
        Ok(Self { receipts, thread, stop })
    }

    async fn receipts(&mut self) -> anyhow::Result<Vec<Instant>> {
        if let Some(receipts) = self.receipts.recv().await {
            return Ok(receipts);
        }
        (&mut self.thread).await??;
        anyhow::bail!("the followers ended")
    }
}

/// Each core that this process may use.
fn cores() -> anyhow::Result<Vec<CpuSet>> {
    let all = sched_getaffinity(None)?;
    let only = |core| {
        let mut only = CpuSet::new();
        only.set(core);
        only
    };
    Ok((0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).map(only).collect())
}

/// Runs in the thread of the followers, until one of them ends.
async fn follow(
    plan: Plan,
    members: Vec<Member>,
    told: UnboundedSender<Vec<Instant>>,
    connected: oneshot::Sender<()>,
) -> anyhow::Result<()> {
    let Plan { hub, at, awaited } = plan;
    let (present, count) = (RefCell::new(Vec::new()), members.len());
    let shared = Rc::new(Shared { awaited, count, present, told });
    let mut members = members.into_iter();
    let (mut connecting, mut following) = (JoinSet::new(), JoinSet::new());
    loop {
        while connecting.len() < CONNECTING
            && let Some(member) = members.next()
        {
            connecting.spawn_local(async move { Follower::open(hub, at, &member).await });
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
