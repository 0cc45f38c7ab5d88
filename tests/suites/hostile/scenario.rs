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
/// Rounds of the honest node in one look.
const ROUNDS: usize = if cfg!(debug_assertions) { 50 } else { 100 };
/// How often calm and attack are looked at in turns, each time for as long; medians count. A debug build, on a machine that
/// others use too, is not held to twice as long as at calm.
const LOOKS: usize = if cfg!(debug_assertions) { 1 } else { 5 };
/// The same where that was too much. No look is dropped.
const MORE_LOOKS: usize = if cfg!(debug_assertions) { 5 } else { 11 };
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

/// How long the calls of the honest node took.
#[derive(Default)]
struct Looks(Vec<[Duration; 2]>);

impl Looks {
    /// Looks once more: the time that 99 of 100 calls took at most.
    async fn look(&mut self, honest: &mut Honest) {
        let mark = honest.now();
        honest.rounds(ROUNDS).await;
        self.0.push(CALLS.map(|call| {
            let mut took = honest.since(mark, call);
            took.sort_unstable();
            took[(took.len() - 1) * 99 / 100]
        }));
    }

    /// The median of all looks: a moment in which the machine had no time for anybody is in few of them.
    fn p99(&self, call: Call) -> Duration {
        let mut looks: Vec<_> = self.0.iter().map(|look| look[call as usize]).collect();
        looks.sort_unstable();
        looks[(looks.len() - 1) / 2]
    }

    fn doubles(&self, calm: &Self) -> bool {
        CALLS.iter().any(|call| self.p99(*call) > 2 * calm.p99(*call))
    }

    /// The calls of which it is too much, even for a debug build on a machine that others use too.
    fn too_much(&self, calm: &Self) -> impl Iterator<Item = Call> {
        let most = |call| NOISE[call as usize].max(2 * calm.p99(call));
        CALLS.into_iter().filter(move |call| self.p99(*call) > most(*call))
    }

    /// Whether to look more often.
    fn questionable(&self, calm: &Self) -> bool {
        if cfg!(debug_assertions) {
            self.too_much(calm).next().is_some()
        } else {
            self.doubles(calm)
        }
    }
}

impl std::fmt::Display for Looks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [hello, push] = CALLS.map(|call| self.p99(call));
        write!(f, "Hello {hello:.1?}, Push {push:.1?}")
    }
}

/// The attack again and again, so that there is no time without it while the honest node is looked at; what was seen.
async fn under(
    attack: fn(Arc<Ground>) -> Attack,
    ground: &Arc<Ground>,
    honest: &mut Honest,
    looks: &mut Looks,
) -> Seen {
    let looked = Cell::new(false);
    let attacks = async {
        let mut seen = attack(ground.clone()).await;
        while !looked.get() {
            add(&mut seen, attack(ground.clone()).await);
        }
        seen
    };
    let looking = async {
        looks.look(honest).await;
        looked.set(true);
    };
    let (seen, ()) = tokio::join!(tokio::time::timeout(BOUND, attacks), looking);
    seen.unwrap_or_else(|_| tally(["never over".to_owned()]))
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
    let [mut calm, mut beside, mut above] = <[Looks; 3]>::default();
    calm.look(&mut honest).await;
    let neighbour = Neighbour::start(move || machines.be_with_attackers());
    beside.look(&mut honest).await;
    drop(neighbour);
    let neighbour = Neighbour::start(move || {
        machines.be_with_the_hub();
        spare::step_back().unwrap();
    });
    above.look(&mut honest).await;
    drop(neighbour);
    println!("p99 of the honest node when all is calm: {calm}");
    println!("p99 of the honest node beside a program that only computes: {beside}");
    println!("the same, where that has what the hub and the node leave of their cores: {above}");
    println!(
        "attack | seen | MiB over rest, most and after | p99 of the honest node | at calm | took"
    );
    let mut wrong = Vec::new();
    for Scenario { name, attack, expect } in scenarios {
        if chosen.as_ref().is_some_and(|chosen| !name.contains(chosen)) {
            continue;
        }
        let began = Instant::now();
        memory.forget_most();
        let (mut seen, [mut calm, mut during]) = (Seen::new(), <[Looks; 2]>::default());
        for looks in 0..MORE_LOOKS {
            if looks >= LOOKS && !during.questionable(&calm) {
                break;
            }
            calm.look(&mut honest).await;
            add(&mut seen, under(attack, &ground, &mut honest, &mut during).await);
            honest.rounds(AFTER).await;
        }
        let took = began.elapsed();
        let over = [memory.most(), memory.now()].map(|kib| kib.saturating_sub(rest));
        let [most, after] = over.map(mib);
        println!("{name} | {seen:?} | {most}, {after} | {during} | {calm} | {took:.1?}");
        let clear = |outcome: &String| expect.iter().any(|it| outcome.starts_with(it));
        if seen.is_empty() || !seen.keys().all(clear) {
            wrong.push(format!("{name}: expected {expect:?}, saw {seen:?}"));
        }
        if over[0] > GROWTH {
            wrong.push(format!("{name}: the hub grew by {most} MiB"));
        }
        if during.doubles(&calm) {
            println!("more than twice that of calm: {name}");
        }
        for call in during.too_much(&calm) {
            let (during, calm) = (during.p99(call), calm.p99(call));
            wrong.push(format!("{name}: p99 of {call:?} {during:?}, was {calm:?}"));
        }
    }
    drop(honest);
    let ground = Arc::into_inner(ground).expect("all attacks are over");
    ground.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn mib(kib: u64) -> String {
    format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024)
}
