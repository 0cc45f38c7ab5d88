//! A county on a simulated network, driven by a seed: the real hub and nodes, random writes, and everything a
//! network and its machines do to them. Then the trouble ends, and a model says what must be everywhere.

mod host;
mod model;
mod world;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Runtime;
use turmoil::Sim;

use model::{Replica, judge, refold};
use world::{HUB, World};

/// How finely simulated time runs.
const TICK: Duration = Duration::from_millis(10);
/// How long the trouble lasts, in simulated seconds.
const TROUBLE: std::ops::Range<u64> = 30..90;
/// How long hub and nodes may take to come together once it is over: two dead keepalives and the longest
/// backoff, and room.
const MENDING: Duration = Duration::from_secs(400);
/// How often the model is asked meanwhile.
const LOOK: Duration = Duration::from_secs(10);

/// What one seed came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Acknowledged writes.
    pub written: usize,
    /// Acknowledged entries; every one was found again.
    pub entries: usize,
    /// What was done to network and machines.
    pub troubles: usize,
    /// Machines that died and came back.
    pub crashes: usize,
    /// Nodes that came back with older data.
    pub rollbacks: usize,
    /// Simulated time until everything was everywhere.
    pub simulated: Duration,
    /// Real time it took.
    pub took: Duration,
}

/// Something that ends or happens later.
#[derive(Clone, Copy, Debug)]
enum Later {
    Repair(usize),
    Start(usize),
}

struct Driver<'s> {
    world: Arc<World>,
    sim: Sim<'s>,
    /// For what happens outside the simulation: reading disks.
    outside: Runtime,
    rng: StdRng,
    later: Vec<(Duration, Later)>,
    /// Old copies of disks.
    copies: Vec<Option<PathBuf>>,
    report: Report,
}

/// Runs a seed. The error says what is wrong.
pub fn run(seed: u64) -> Result<Report, String> {
    let began = Instant::now();
    let outside = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let world = Arc::new(outside.block_on(World::found(seed)));
    let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(Duration::from_hours(1))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(rng.random_range(2..400)))
        .tcp_capacity(1 << 16)
        .enable_random_order();
    if rng.random_bool(0.3) {
        builder.fail_rate(0.002).repair_rate(0.05);
    }
    let mut sim = builder.build();
    for index in 0..world.members.len() {
        let whose = world.clone();
        let name = world.members[index].name.clone();
        sim.host(name, move || host::run(whose.clone(), index));
    }
    let copies = vec![None; world.members.len()];
    let report = Report::default();
    let mut driver = Driver { world, sim, outside, rng, later: Vec::new(), copies, report };
    driver.trouble()?;
    driver.heal();
    driver.mend().map_err(|error| format!("{error} ({:?})", driver.report))?;
    let told = driver.world.told();
    let (written, entries) = (told.written, told.acked.len());
    drop(told);
    let simulated = driver.sim.elapsed();
    Ok(Report { written, entries, simulated, took: began.elapsed(), ..driver.report })
}

impl Driver<'_> {
    fn step(&mut self) -> Result<(), String> {
        self.sim.step().map(drop).map_err(|error| format!("a host failed: {error}"))?;
        let now = self.sim.elapsed();
        let due: Vec<_> = self.later.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, what) in due {
            match what {
                Later::Repair(node) => self.repair(node),
                Later::Start(member) => self.sim.bounce(self.world.members[member].name.as_str()),
            }
        }
        Ok(())
    }

    fn repair(&mut self, node: usize) {
        let name = self.world.members[node].name.as_str();
        // What was held comes now, late; what was lost stays lost.
        self.sim.release("hub", name);
        self.sim.repair("hub", name);
    }

    /// Everything that can go wrong, at random moments.
    fn trouble(&mut self) -> Result<(), String> {
        let until = Duration::from_secs(self.rng.random_range(TROUBLE));
        let mut next = Duration::from_secs(2);
        while self.sim.elapsed() < until {
            self.step()?;
            if self.sim.elapsed() < next {
                continue;
            }
            next = self.sim.elapsed() + Duration::from_millis(self.rng.random_range(200..6_000));
            self.report.troubles += 1;
            let node = self.rng.random_range(1..self.world.members.len());
            let name = self.world.members[node].name.clone();
            let lasts = Duration::from_millis(self.rng.random_range(100..20_000));
            let ends = self.sim.elapsed() + lasts;
            match self.rng.random_range(0..100) {
                0..15 => {
                    self.sim.partition("hub", name.as_str());
                    self.later.push((ends, Later::Repair(node)));
                }
                15..25 => {
                    if self.rng.random_bool(0.5) {
                        self.sim.partition_oneway("hub", name.as_str());
                    } else {
                        self.sim.partition_oneway(name.as_str(), "hub");
                    }
                    self.later.push((ends, Later::Repair(node)));
                }
                25..40 => {
                    self.sim.hold("hub", name.as_str());
                    self.later.push((ends, Later::Repair(node)));
                }
                40..50 => {
                    let latency = Duration::from_millis(self.rng.random_range(2..2_000));
                    self.sim.set_link_max_message_latency("hub", name.as_str(), latency);
                }
                50..65 => drop(self.crash(HUB, lasts / 3)),
                65..85 => drop(self.crash(node, lasts / 3)),
                85..93 => self.copy(node)?,
                _ => self.roll_back(node),
            }
        }
        Ok(())
    }

    /// A machine dies; it starts again after a while.
    fn crash(&mut self, member: usize, lasts: Duration) -> bool {
        let name = self.world.members[member].name.as_str();
        if !self.sim.is_host_running(name) {
            return false;
        }
        self.sim.crash(name);
        self.later.push((self.sim.elapsed() + lasts, Later::Start(member)));
        self.report.crashes += 1;
        true
    }

    /// Somebody copies a node's disk while the machine is off.
    fn copy(&mut self, node: usize) -> Result<(), String> {
        if !self.crash(node, Duration::from_millis(500)) {
            return Ok(());
        }
        let database = self.settled(node);
        let copy = database.with_extension("copy");
        std::fs::copy(&database, &copy).map_err(|error| error.to_string())?;
        self.copies[node] = Some(copy);
        Ok(())
    }

    /// A node's disk is put back to the copy. What the node acknowledged since, and the hub does not
    /// hold, is lost with the disk: nobody can ask for that.
    fn roll_back(&mut self, node: usize) {
        let Some(copy) = self.copies[node].clone() else { return };
        if !self.crash(node, Duration::from_millis(700)) {
            return;
        }
        let database = self.settled(node);
        let before = self.outside.block_on(Replica::read(&self.world.members[HUB]));
        std::fs::copy(&copy, &database).expect("the copy is put back");
        let kept = self.outside.block_on(Replica::read(&self.world.members[node]));
        self.settled(node);
        let site = self.world.members[node].site();
        let mut told = self.world.told();
        told.acked.retain(|it| {
            it.log.site != site
                || before.holds(it.log, it.seq, it.hash)
                || kept.holds(it.log, it.seq, it.hash)
        });
        drop(told);
        self.report.rollbacks += 1;
    }

    /// Waits until nothing has a dead machine's database open; its path.
    fn settled(&self, member: usize) -> PathBuf {
        let member = &self.world.members[member];
        let database = member.database();
        let wal = member.folder.join("lianbo.db-wal");
        self.outside.block_on(async {
            loop {
                // The last to close folds the log of writes into the file and removes it.
                member.open().await.close().await;
                if !wal.exists() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        });
        database
    }

    /// The trouble is over.
    fn heal(&mut self) {
        self.world.hush();
        self.sim.set_fail_rate(0.0);
        for node in 1..self.world.members.len() {
            self.repair(node);
            let name = self.world.members[node].name.clone();
            let latency = Duration::from_millis(50);
            self.sim.set_link_max_message_latency("hub", name.as_str(), latency);
        }
        self.later.retain(|(_, what)| matches!(what, Later::Start(_)));
    }

    /// Runs on until everything is everywhere.
    fn mend(&mut self) -> Result<(), String> {
        let until = self.sim.elapsed() + MENDING;
        loop {
            let look = self.sim.elapsed() + LOOK;
            while self.sim.elapsed() < look {
                self.step()?;
            }
            let verdict = self.look();
            if verdict.is_ok() || self.sim.elapsed() > until {
                return verdict;
            }
        }
    }

    fn look(&self) -> Result<(), String> {
        self.outside.block_on(async {
            let mut replicas = Vec::new();
            for member in &self.world.members {
                replicas.push(Replica::read(member).await);
            }
            judge(&self.world, &replicas)?;
            for (index, replica) in replicas.iter().enumerate() {
                refold(&self.world, index, replica).await?;
            }
            Ok(())
        })
    }
}
