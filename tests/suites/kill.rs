//! SIGKILL of real processes at random moments under load; afterwards an independent model says what must be there.
//!
//! `LIANBO_TEST_KILLS=50` runs that many rounds instead of CI's three.

mod fsync;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lianbo_node::entry::{Hash, Lane, SiteId};
use lianbo_node::journal::Meta;
use lianbo_node::scope::Scope;
use lianbo_node::store::Store;
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::ledger::{Ledger, Name};
use lianbo_tests::process::{HUB, NODE, Program, Serving};
use lianbo_tests::pusher::Pusher;
use lianbo_tests::records;
use rand::RngExt;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Rounds in CI.
const ROUNDS: usize = 3;
/// How long hub and nodes may take to come together after the last round.
const MENDING: Duration = Duration::from_mins(2);
/// Most entries of one push.
const FRAME: usize = 40;

/// What somebody was told is kept: a site's entry, by its hash.
type Told = Arc<Mutex<Vec<(SiteId, Hash)>>>;

fn rounds() -> usize {
    let rounds = std::env::var("LIANBO_TEST_KILLS").ok();
    rounds.map_or(ROUNDS, |text| text.parse().expect("a number"))
}

/// A free port that the system gives to nobody by itself, so that it is still free after a kill.
fn port() -> u16 {
    loop {
        let port = rand::rng().random_range(12_000..32_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Real time for what only real processes can do.
async fn pause(range: std::ops::Range<u64>) {
    let pause = rand::rng().random_range(range);
    #[expect(clippy::disallowed_methods, reason = "other processes run meanwhile")]
    tokio::time::sleep(Duration::from_millis(pause)).await;
}

/// A hub and two nodes in folders of their own.
struct County {
    folder: TempDir,
    hub: Program,
    nodes: Vec<Program>,
    url: String,
}

impl County {
    /// A hub on a database: `None` for a file in its folder.
    async fn found(database: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("127.0.0.1:{}", port());
        let mut hub = Program::new(HUB, folder.path().join("hub"))
            .set("LIANBO_LISTEN__ORGANIZATION__GRPC", &url)
            .set("LIANBO_METRICS__ADDRESS", "127.0.0.1:0");
        for (network, what) in [
            ("INTERNAL", "GRPC"),
            ("INTERNAL", "PAGES"),
            ("ORGANIZATION", "PAGES"),
            ("PUBLIC", "GRPC"),
            ("PUBLIC", "PAGES"),
        ] {
            hub = hub.set(&format!("LIANBO_LISTEN__{network}__{what}"), "127.0.0.1:0");
        }
        if let Some(database) = database {
            hub = hub.set("LIANBO_DATABASE", database);
        }
        hub.run(&["init", "--code", "county", "--name", "清源县委组织部"]).await.unwrap();
        column(&hub).await;
        Self { folder, hub, nodes: Vec::new(), url: format!("https://{url}") }
    }

    async fn invite(&self, code: &str) -> String {
        let args = ["invite", "--code", code, "--name", "清河镇", "--ceiling", "organization"];
        self.hub.run(&args).await.unwrap().trim().to_owned()
    }

    async fn join(&mut self, code: &str) {
        let token = self.invite(code).await;
        let node = Program::new(NODE, self.folder.path().join(code))
            .set("LIANBO_METRICS__ADDRESS", "127.0.0.1:0")
            .set("LIANBO_PAGES__ADDRESS", "127.0.0.1:0");
        node.run(&["join", &self.url, &token]).await.unwrap();
        column(&node).await;
        self.nodes.push(node);
    }

    fn programs(&self) -> impl Iterator<Item = &Program> {
        std::iter::once(&self.hub).chain(&self.nodes)
    }
}

async fn column(at: &Program) {
    let args = ["column", "add", "news", "--name", "要闻", "--scope", "organization"];
    at.run(&args).await.unwrap();
}

/// Somebody at a desk: writes through the command, again and again.
async fn write(at: Program, told: Told, stop: CancellationToken) {
    let text = at.data().join("text.md");
    std::fs::write(&text, "压实责任。\n").unwrap();
    let text = text.display().to_string();
    let args = ["article", "add", "--column", "news", "--title", "推进会", "--file", &text];
    let args = [&args[..], &["--scope", "organization", "--json"]].concat();
    while !stop.is_cancelled() {
        // A command beside a serving process may find the database busy: then nothing was told.
        let Ok(out) = at.run(&args).await else { continue };
        let said: serde_json::Value = serde_json::from_str(&out).unwrap();
        let hash = said["hash"].as_str().and_then(Hash::from_hex).unwrap();
        let site = said["site"].as_str().and_then(SiteId::from_hex).unwrap();
        told.lock().unwrap().push((site, hash));
        pause(0..300).await;
    }
}

/// A unit that only pushes, as fast as the hub answers.
async fn push(mut pusher: Pusher, stop: CancellationToken) -> Pusher {
    while !stop.is_cancelled() {
        let Some(mut pushing) = pusher.open().await else {
            pause(20..100).await;
            continue;
        };
        while !stop.is_cancelled() {
            let count = rand::rng().random_range(1..FRAME);
            if pusher.made.len() < pusher.acked + count {
                pusher.write(
                    (0..count).map(|n| records::article(u8::try_from(n).unwrap_or(0), "推进会")),
                );
            }
            if pusher.push(&mut pushing, count).await.is_none() {
                break;
            }
            pause(0..30).await;
        }
    }
    pusher
}

/// Kills the hub, and often a node, at random moments; starts them again.
async fn rounds_of_kills(county: &County, serving: &mut [Option<Serving>]) -> usize {
    let mut kills = 0;
    let programs: Vec<_> = county.programs().collect();
    for _ in 0..rounds() {
        let mut victims = vec![0];
        victims.extend((1..programs.len()).filter(|_| rand::rng().random_bool(0.7)));
        for victim in victims {
            pause(0..700).await;
            serving[victim].take().unwrap().kill().await;
            kills += 1;
            pause(0..100).await;
            serving[victim] = Some(programs[victim].serve().await);
        }
    }
    kills
}

/// The databases of the hub and of the nodes.
async fn stores(county: &County, database: Option<&str>) -> Vec<Store> {
    let mut stores = Vec::new();
    for (index, program) in county.programs().enumerate() {
        let file = format!("sqlite:{}", program.data().join("lianbo.db").display());
        let address = database.filter(|_| index == 0).unwrap_or(&file);
        stores.push(Store::open(address).await.unwrap());
    }
    stores
}

async fn ledgers(county: &County, database: Option<&str>) -> Vec<Ledger> {
    let mut ledgers = Vec::new();
    for (index, store) in stores(county, database).await.into_iter().enumerate() {
        ledgers.push(Ledger::read(&store, &format!("site {index}")).await);
        store.close().await;
    }
    ledgers
}

/// What is wrong, if anything: replicas hold exactly what they have to.
fn compare(ledgers: &[Ledger], sites: &[SiteId]) -> Result<(), String> {
    let all: BTreeSet<Name> = ledgers.iter().flat_map(|it| it.names.iter().copied()).collect();
    for (index, ledger) in ledgers.iter().enumerate() {
        let expected: BTreeSet<Name> = all
            .iter()
            .filter(|(log, ..)| {
                // Everything here is for the private network, where all of them are.
                assert!(log.audience.scope >= Scope::Organization);
                let meant = log.audience.addressee.is_none_or(|site| site == sites[index]);
                let down = log.site == sites[0] || log.lane == Lane::Control;
                index == 0 || log.site == sites[index] || (meant && down)
            })
            .copied()
            .collect();
        if ledger.names != expected {
            let missing = expected.difference(&ledger.names).count();
            let beyond = ledger.names.difference(&expected).count();
            return Err(format!("site {index}: {missing} missing, {beyond} beyond"));
        }
        if let Some(place) = ledger.broken(|log| index == 0 || log.site == sites[index]) {
            return Err(format!("site {index}: a gap or a second entry at {place:?}"));
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what was counted, for people")]
async fn kills(database: Option<&str>) {
    let began = Instant::now();
    let mut county = County::found(database).await;
    let mut serving = vec![Some(county.hub.serve().await)];
    let mut pushers = Vec::new();
    for code in ["one", "two"] {
        county.join(code).await;
        let token = county.invite(&format!("pusher-{code}")).await;
        pushers.push(Pusher::join(&county.url, &token).await);
    }
    for node in &county.nodes {
        serving.push(Some(node.serve().await));
    }
    let (told, stop) = (Told::default(), CancellationToken::new());
    let writers: Vec<_> = county
        .programs()
        .map(|program| tokio::spawn(write(program.clone(), told.clone(), stop.clone())))
        .collect();
    let pushing: Vec<_> =
        pushers.into_iter().map(|pusher| tokio::spawn(push(pusher, stop.clone()))).collect();
    let kills = rounds_of_kills(&county, &mut serving).await;
    stop.cancel();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut pushed = 0;
    for task in pushing {
        let pusher = task.await.unwrap();
        let acked = pusher.made.iter().take(pusher.acked);
        told.lock().unwrap().extend(acked.map(|made| (pusher.site(), made.hash)));
        pushed += pusher.acked;
    }
    let mut sites = Vec::new();
    for store in stores(&county, database).await {
        let meta = Meta::load(&mut store.read().await.unwrap()).await.unwrap();
        sites.push(meta.unwrap().site);
        store.close().await;
    }
    let mended = Instant::now();
    let ledgers = loop {
        let ledgers = ledgers(&county, database).await;
        match compare(&ledgers, &sites) {
            Ok(()) => break ledgers,
            Err(wrong) if mended.elapsed() > MENDING => panic!("{wrong}"),
            Err(_) => pause(200..201).await,
        }
    };
    let hashes: BTreeSet<_> = ledgers[0].names.iter().map(|name| (name.0.site, name.2)).collect();
    let told = told.lock().unwrap().clone();
    let lost: Vec<_> = told.iter().filter(|it| !hashes.contains(it)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    for serving in serving.into_iter().flatten() {
        assert!(serving.terminate().await.success());
    }
    for program in county.programs() {
        program.run(&["verify"]).await.unwrap();
    }
    println!(
        "{} rounds, {kills} kills: {} acknowledged ({pushed} pushed, {} at desks), none lost; the hub \
         holds {}, nothing twice, replicas equal, verify clean; {:?}, of that {:?} to mend",
        rounds(),
        told.len(),
        told.len() - pushed,
        ledgers[0].names.len(),
        began.elapsed(),
        mended.elapsed(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_whoever_is_killed_sqlite() {
    kills(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_whoever_is_killed_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        kills(Some(&database.address)).await;
    }
}
