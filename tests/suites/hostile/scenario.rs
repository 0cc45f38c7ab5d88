//! What an attack is, and what is looked at while it runs.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lianbo_node::cores::spare;
use lianbo_proto::v1;
use prost::Message;
use tokio::task::JoinSet;

use super::calls::{PUSH, ask, enveloped};
use super::ground::{Ground, Shown};
use super::honest::{CALLS, Call, Honest};
use super::http1::ask as ask_page;
use super::machines::Machines;
use super::memory::Memory;

/// Most the hub may grow over its rest, during and after everything, in KiB.
const GROWTH: u64 = 64 * 1024;
/// Latencies below this are the scheduler's, on a machine that others use too, in a debug build.
const NOISE: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(200)];
/// Rounds of the honest node that are looked at together, and how often where one look may have met a moment in which the
/// machine had no time for anybody: that only ever adds, so the least counts.
const ROUNDS: usize = 100;
const LOOKS: usize = 3;
/// Rounds after an attack, until what it left is cleared away.
const AFTER: usize = 20;
/// The attacks of one look must be over by then.
const BOUND: Duration = Duration::from_mins(1);

/// What the attacker saw: how often each outcome.
pub(super) type Seen = BTreeMap<String, usize>;
/// An attack under way.
pub(super) type Attack = Pin<Box<dyn Future<Output = Seen> + Send>>;

/// One attack on one port.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) attack: fn(Arc<Ground>) -> Attack,
    /// The beginnings of the outcomes that are a clear refusal, or no harm. Any other is a failure, and
    /// so is none at all.
    pub(super) expect: &'static [&'static str],
}

/// Makes scenarios of async functions.
macro_rules! scenarios {
    ($($name:literal: $attack:expr => $expect:expr,)*) => {
        vec![$(crate::hostile::scenario::Scenario {
            name: $name,
            attack: |ground| Box::pin(($attack)(ground)),
            expect: &$expect,
        }),*]
    };
}
pub(super) use scenarios;

/// Runs the same attack so often at once; what all of them saw.
pub(super) async fn many<F>(count: usize, mut attack: impl FnMut(usize) -> F) -> Seen
where
    F: Future<Output = String> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    for index in 0..count {
        under_way.spawn(attack(index));
    }
    tally(under_way.join_all().await)
}

/// Counts outcomes.
pub(super) fn tally(outcomes: impl IntoIterator<Item = String>) -> Seen {
    let mut seen = Seen::new();
    for outcome in outcomes {
        *seen.entry(outcome).or_default() += 1;
    }
    seen
}

async fn warm(ground: &Arc<Ground>) {
    let page = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ground.big);
    let (to, page) = (ground.pages, Arc::new(page));
    let shown = many(16, |_| {
        let page = page.clone();
        async move { ask_page(to, page.as_bytes()).await }
    });
    assert_eq!(shown.await, tally(vec!["200 closed".to_owned(); 16]));
    let large = v1::PushRequest { frame: vec![0; 3_000_000].into() };
    let refused = ask(ground, Shown::Member, PUSH, enveloped(&large.encode_to_vec())).await;
    assert_eq!(refused, "INVALID_ARGUMENT");
}

/// The time that 99 of 100 calls took at most.
fn p99(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[(samples.len() - 1) * 99 / 100]
}

/// A program that computes where attackers do and asks nothing of the hub, until dropped: if it costs the honest node
/// anything, the two parts of the machine are not as apart as they should be.
#[derive(Debug)]
struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbour {
    /// Computes once it is where it is to be.
    fn start(be_there: impl FnOnce() + Send + 'static) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            be_there();
            // No pauses between the looks: a processor that is not its own would be given away in them.
            while !stopped.load(Ordering::Relaxed) {
                black_box(());
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// The p99 of both calls, in one look or the least of several.
#[derive(Clone, Copy)]
struct Latency([Duration; 2]);

impl Latency {
    async fn look(honest: &mut Honest) -> Self {
        let mark = honest.now();
        honest.rounds(ROUNDS).await;
        Self(CALLS.map(|call| p99(honest.since(mark, call))))
    }

    async fn least(honest: &mut Honest) -> Self {
        let mut least = Self::look(honest).await;
        for _ in 1..LOOKS {
            least = least.or_less(Self::look(honest).await);
        }
        least
    }

    fn or_less(self, other: Self) -> Self {
        Self(CALLS.map(|call| self.of(call).min(other.of(call))))
    }

    fn of(self, call: Call) -> Duration {
        self.0[call as usize]
    }

    fn doubles(self, calm: Self) -> bool {
        CALLS.iter().any(|call| self.of(*call) > 2 * calm.of(*call))
    }

    /// The calls of which it is too much, even for a debug build on a machine that others use too.
    fn too_much(self, calm: Self) -> impl Iterator<Item = Call> {
        let most = move |call| NOISE[call as usize].max(2 * calm.of(call));
        CALLS.into_iter().filter(move |call| self.of(*call) > most(*call))
    }

    /// Whether to look again. A debug build is not held to twice as long as at calm.
    fn questionable(self, calm: Self) -> bool {
        if cfg!(debug_assertions) {
            self.too_much(calm).next().is_some()
        } else {
            self.doubles(calm)
        }
    }
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hello {:.1?}, Push {:.1?}", self.of(Call::Hello), self.of(Call::Push))
    }
}

/// The attack again and again, so that there is no time without it while the honest node is looked at; what was seen.
async fn under(
    attack: fn(Arc<Ground>) -> Attack,
    ground: &Arc<Ground>,
    honest: &mut Honest,
) -> (Seen, Latency) {
    let looked = Cell::new(false);
    let attacks = async {
        let mut seen = attack(ground.clone()).await;
        while !looked.get() {
            add(&mut seen, attack(ground.clone()).await);
        }
        seen
    };
    let looking = async {
        let latency = Latency::look(honest).await;
        looked.set(true);
        latency
    };
    let (seen, latency) = tokio::join!(tokio::time::timeout(BOUND, attacks), looking);
    (seen.unwrap_or_else(|_| tally(["never over".to_owned()])), latency)
}

fn add(seen: &mut Seen, more: Seen) {
    for (outcome, count) in more {
        *seen.entry(outcome).or_default() += count;
    }
}

/// Runs attacks one after the other on a fresh hub; prints what was seen and complains of all that fails at
/// the end.
pub(super) fn run(scenarios: impl IntoIterator<Item = Scenario>) {
    let machines = Machines::split();
    machines.attackers().block_on(run_all(machines, scenarios));
}

#[expect(clippy::print_stdout, reason = "the table, for people")]
async fn run_all(machines: Machines, scenarios: impl IntoIterator<Item = Scenario>) {
    machines.be_with_the_hub();
    let ground = Arc::new(Ground::open().await);
    let honest = ground.honest.lock().unwrap().take().unwrap();
    let mut honest = Honest::start(honest);
    machines.be_with_attackers();
    let chosen = std::env::var("LIANBO_TEST_HOSTILE_ONLY").ok();
    // At rest, but not asleep: it has shown its largest page to some, and taken a large frame.
    honest.rounds(ROUNDS).await;
    warm(&ground).await;
    let memory = Memory::of(ground.hub);
    let rest = memory.now();
    println!("the hub at rest {} MiB", mib(rest));
    let mut calm = Latency::least(&mut honest).await;
    let neighbour = Neighbour::start(move || machines.be_with_attackers());
    let beside = Latency::least(&mut honest).await;
    drop(neighbour);
    let neighbour = Neighbour::start(move || {
        machines.be_with_the_hub();
        spare::step_back().unwrap();
    });
    let above = Latency::least(&mut honest).await;
    drop(neighbour);
    println!("attack | seen | MiB over rest, most and after | p99 of the honest node | took");
    let (mut wrong, mut measured) = (Vec::new(), Vec::new());
    for Scenario { name, attack, expect } in scenarios {
        if chosen.as_ref().is_some_and(|chosen| !name.contains(chosen)) {
            continue;
        }
        let began = Instant::now();
        memory.forget_most();
        let (mut seen, mut during) = under(attack, &ground, &mut honest).await;
        for _ in 1..LOOKS {
            if during.questionable(calm) {
                let (more, again) = under(attack, &ground, &mut honest).await;
                add(&mut seen, more);
                during = during.or_less(again);
            }
        }
        let took = began.elapsed();
        honest.rounds(AFTER).await;
        let over = [memory.most(), memory.now()].map(|kib| kib.saturating_sub(rest));
        let [most, after] = over.map(mib);
        println!("{name} | {seen:?} | {most}, {after} | {during} | {took:.1?}");
        let clear = |outcome: &String| expect.iter().any(|it| outcome.starts_with(it));
        if seen.is_empty() || !seen.keys().all(clear) {
            wrong.push(format!("{name}: expected {expect:?}, saw {seen:?}"));
        }
        if over[0] > GROWTH {
            wrong.push(format!("{name}: the hub grew by {most} MiB"));
        }
        measured.push((name, during));
    }
    calm = calm.or_less(Latency::least(&mut honest).await);
    drop(honest);
    println!("p99 of the honest node when all is calm: {calm}");
    println!("p99 of the honest node beside a program that only computes: {beside}");
    println!("the same, where that has what the hub and the node leave of their cores: {above}");
    for (name, during) in measured {
        if during.doubles(calm) {
            println!("more than twice that of calm: {name}: {during}");
        }
        for call in during.too_much(calm) {
            let (during, calm) = (during.of(call), calm.of(call));
            wrong.push(format!("{name}: p99 of {call:?} {during:?}, was {calm:?}"));
        }
    }
    let ground = Arc::into_inner(ground).expect("all attacks are over");
    ground.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn mib(kib: u64) -> String {
    format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024)
}
