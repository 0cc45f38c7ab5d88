//! What an attack is, and what is looked at while it runs.

use std::collections::BTreeMap;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lianbo_proto::v1;
use prost::Message;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::calls::{PUSH, ask, enveloped};
use super::ground::{Ground, Shown};
use super::honest::{CALLS, Honest};
use super::http1::ask as ask_page;
use super::memory::Watch;

/// Most the hub may grow over its rest, during and after everything, in KiB.
const GROWTH: u64 = 64 * 1024;
/// Latencies below this are the scheduler's: attackers, hub and honest node share the machine's cores, in a
/// debug build.
const NOISE: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(500)];
/// Rounds of the honest node before everything, twice before each attack (alone and beside a [`Neighbour`]), and beside
/// it at least.
const CALM: usize = 200;
const BEFORE: usize = 40;
const BESIDE: usize = 120;
/// Rounds after an attack, until what it left is cleared away.
const AFTER: usize = 20;
/// One attack must be over by then.
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

/// Attackers have machines of their own: here they take what hub and honest node leave them, and no core counts as
/// busy because of them.
fn step_back() {
    let me = rustix::thread::gettid().as_raw_nonzero().to_string();
    let done = std::process::Command::new("chrt").args(["--idle", "--pid", "0", &me]).status();
    assert!(done.is_ok_and(|it| it.success()), "this thread may let others go first");
}

/// A program beside hub and honest node that computes as much as attackers may, and asks nothing of the hub; until
/// dropped. What it costs the honest node, attackers would cost it on this machine if the hub never heard of them.
#[derive(Debug)]
struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbour {
    fn start() -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            step_back();
            while !stopped.load(Ordering::Relaxed) {
                spin_loop();
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

/// So many rounds of the honest node, added to what it saw before.
async fn more_rounds(honest: &mut Honest, rounds: usize, samples: &mut [Vec<Duration>; 2]) {
    let mark = honest.now();
    honest.rounds(rounds).await;
    for call in CALLS {
        samples[call as usize].extend(honest.since(mark, call));
    }
}

/// Runs attacks one after the other on a fresh hub; prints what was seen and complains of all that fails at
/// the end.
pub(super) fn run(scenarios: impl IntoIterator<Item = Scenario>) {
    let mut attackers = Builder::new_multi_thread();
    attackers.worker_threads(1).enable_all().on_thread_start(step_back);
    attackers.build().unwrap().block_on(run_all(scenarios));
}

#[expect(clippy::print_stdout, reason = "the table, for people")]
async fn run_all(scenarios: impl IntoIterator<Item = Scenario>) {
    let ground = Arc::new(Ground::open().await);
    let honest = ground.honest.lock().unwrap().take().unwrap();
    let mut honest = Honest::start(honest);
    // What is started from here on inherits it; the hub and the honest node run.
    step_back();
    let chosen = std::env::var("LIANBO_TEST_HOSTILE_ONLY").ok();
    let fresh = honest.now();
    honest.rounds(CALM).await;
    // At rest, but not asleep: it has shown its largest page to some, and taken a large frame.
    warm(&ground).await;
    let mut calm = CALLS.map(|call| honest.since(fresh, call));
    let mut crowded = <[Vec<Duration>; 2]>::default();
    let rest = ground.pss_kib();
    println!("the hub at rest {} MiB", mib(rest));
    println!("attack | seen | MiB over rest, most and after | p99 of the honest node | took");
    let (mut wrong, mut measured) = (Vec::new(), Vec::new());
    for Scenario { name, attack, expect } in scenarios {
        if chosen.as_ref().is_some_and(|chosen| !name.contains(chosen)) {
            continue;
        }
        more_rounds(&mut honest, BEFORE, &mut calm).await;
        let neighbour = Neighbour::start();
        more_rounds(&mut honest, BEFORE, &mut crowded).await;
        drop(neighbour);
        let (mark, began) = (honest.now(), Instant::now());
        let watch = Watch::start(ground.clone());
        let attack = tokio::time::timeout(BOUND, attack(ground.clone()));
        let (seen, ()) = tokio::join!(attack, honest.rounds(BESIDE));
        let took = began.elapsed();
        let during = CALLS.map(|call| p99(honest.since(mark, call)));
        honest.rounds(AFTER).await;
        let over = [watch.most(), ground.pss_kib()].map(|kib| kib.saturating_sub(rest));
        let seen = seen.unwrap_or_else(|_| tally(["never over".to_owned()]));
        println!(
            "{name} | {seen:?} | {}, {} | {} | {took:.1?}",
            mib(over[0]),
            mib(over[1]),
            shown(during)
        );
        let clear = |outcome: &String| expect.iter().any(|it| outcome.starts_with(it));
        if seen.is_empty() || !seen.keys().all(clear) {
            wrong.push(format!("{name}: expected {expect:?}, saw {seen:?}"));
        }
        if over[0] > GROWTH {
            wrong.push(format!("{name}: the hub grew by {} MiB", mib(over[0])));
        }
        measured.push((name, during));
    }
    drop(honest);
    let [calm, crowded] = [calm, crowded].map(|samples| samples.map(p99));
    println!("p99 of the honest node when all is calm: {}", shown(calm));
    println!("p99 of the honest node beside a program that only computes: {}", shown(crowded));
    for (name, during) in measured {
        for call in CALLS {
            let [calm, crowded, during] = [calm, crowded, during].map(|p99s| p99s[call as usize]);
            for (than, p99) in [("calm", calm), ("beside a program", crowded)] {
                if during > 2 * p99 {
                    println!(
                        "{name}: p99 of {call:?} {during:.1?}, more than twice {p99:.1?} ({than})"
                    );
                }
            }
            if during > NOISE[call as usize].max(2 * calm) {
                wrong.push(format!("{name}: p99 of {call:?} {during:?}, was {calm:?}"));
            }
        }
    }
    let ground = Arc::into_inner(ground).expect("all attacks are over");
    ground.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn mib(kib: u64) -> String {
    format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024)
}

fn shown([hello, push]: [Duration; 2]) -> String {
    format!("Hello {hello:.1?}, Push {push:.1?}")
}
