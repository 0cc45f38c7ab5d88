//! Rule 2 through every door of a running hub: every entry carries a mark of its own in all its texts, and
//! every byte that comes out for a reader is searched for marks it may not see. One
//! property, long because it knocks at every door there is.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use lianbo_node::content::Record;
use lianbo_node::entry::{Head, Lane, RecordId, SiteId};
use lianbo_node::heights::Heights;
use lianbo_node::ingest::Draft;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::wire::{MAX_RAW, encode_frame};
use lianbo_proto::v1;
use lianbo_tests::harvest::{admit, behind, page};
use lianbo_tests::net::{PATIENCE, TestHub, eventually};
use lianbo_tests::raw::{RawClient, hello, offer, pull};
use lianbo_tests::{Made, TestAuthor, records};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing_subscriber::EnvFilter;

/// A page with its head, as it comes over the line.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("a page")
}

/// Everything this process logs.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged() -> Logged {
    static LOGGED: OnceLock<Logged> = OnceLock::new();
    let listen = || {
        let logged = Logged::default();
        let writer = logged.clone();
        let filter = EnvFilter::new("lianbo_hub=trace,lianbo_node=trace,info");
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
        subscriber.with_ansi(false).with_writer(move || writer.clone()).init();
        logged
    };
    LOGGED.get_or_init(listen).clone()
}

/// Every mark in some bytes.
fn marks(bytes: &[u8]) -> BTreeSet<usize> {
    bytes
        .windows(9)
        .filter(|it| it.starts_with(b"zq") && it.ends_with(b"qz"))
        .filter_map(|it| std::str::from_utf8(&it[2..7]).ok()?.parse().ok())
        .collect()
}

fn mark(n: usize) -> String {
    format!("zq{n:05}qz")
}

/// Every mark in a message: in its bytes, and in what its frame holds.
fn marks_of(message: &impl Message, frame: &[u8]) -> BTreeSet<usize> {
    let mut found = marks(&message.encode_to_vec());
    if !frame.is_empty() {
        found.extend(marks(&zstd::bulk::decompress(frame, MAX_RAW).unwrap()));
    }
    found
}

/// What happens next. The numbers choose among few things, so that they meet.
#[derive(Clone, Debug)]
struct Step {
    author: usize,
    kind: u8,
    scope: usize,
    to: usize,
    pick: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..4usize, 0..8u8, 0..3usize, 0..8usize, any::<usize>())
        .prop_map(|(author, kind, scope, to, pick)| Step { author, kind, scope, to, pick });
    proptest::collection::vec(step, 1..12)
}

/// An entry the hub holds, and who may see its mark: readers of any of its carriers.
struct Planted {
    carriers: Vec<(SiteId, Audience)>,
    site: SiteId,
    lane: Lane,
    in_column: bool,
    withdrawn: bool,
    article: Option<RecordId>,
    made: Option<Made>,
    /// What a release releases.
    of: Option<usize>,
}

impl Planted {
    fn seen_by(&self, site: Option<SiteId>, ceiling: Scope) -> bool {
        self.carriers.iter().any(|(author, audience)| {
            let addressed = match audience.addressee {
                None => true,
                Some(to) => site == Some(to) || site == Some(*author),
            };
            audience.scope >= ceiling && addressed
        })
    }

    /// Whether it has to come down to a site that subscribes to the column.
    fn comes_to(&self, site: SiteId, ceiling: Scope, hub: SiteId) -> bool {
        self.carriers.iter().any(|(author, audience)| {
            let wanted = *author == hub
                || self.lane == Lane::Control
                || audience.addressee == Some(site)
                || (self.in_column && audience.addressee.is_none());
            let addressed = audience.addressee.is_none_or(|to| to == site);
            audience.scope >= ceiling && addressed && wanted && *author != site
        })
    }
}

struct Unit {
    author: TestAuthor,
    ceiling: Scope,
    /// Behind the listener of its own network, and behind the others.
    clients: Vec<(Scope, RawClient)>,
}

struct World {
    hub: TestHub,
    units: Vec<Unit>,
    /// A harvester behind each listener.
    harvesters: Vec<(Scope, RawClient)>,
    planted: Vec<Planted>,
    logged: Logged,
    /// Every log there is: a hostile site might guess them.
    logs: Heights,
}

impl World {
    async fn new() -> Self {
        let logged = logged();
        let hub = TestHub::start(TestDatabase::sqlite().await).await;
        let mut units = Vec::new();
        let members = [
            ("department", Scope::Internal),
            ("township", Scope::Organization),
            ("village", Scope::Organization),
            ("outlet", Scope::Public),
        ];
        for (index, (code, ceiling)) in members.into_iter().enumerate() {
            let author = TestAuthor::new(u8::try_from(index).unwrap() + 2);
            let pki = hub.enrol(&author.identity, code, ceiling).await;
            let mut clients = Vec::new();
            for listener in Scope::ALL {
                clients.push((listener, RawClient::connect(&hub, &pki, listener).await));
            }
            units.push(Unit { author, ceiling, clients });
        }
        let (_, pki) = admit(&hub, "province").await;
        let mut harvesters = Vec::new();
        for listener in Scope::ALL {
            harvesters.push((listener, RawClient::connect(&hub, &pki, listener).await));
        }
        Self { hub, units, harvesters, planted: Vec::new(), logged, logs: Heights::new() }
    }

    fn record(step: &Step, n: usize) -> (Record, Option<RecordId>, bool) {
        let id = RecordId((n as u128 + 1).to_be_bytes());
        let text = mark(n);
        match step.kind {
            0..=3 => {
                let Record::Article(mut article) = records::article(1, &text) else {
                    unreachable!()
                };
                article.id = id;
                (Record::Article(article), Some(id), true)
            }
            4 => {
                let Record::Notice(mut notice) = records::notice(1, &text) else { unreachable!() };
                notice.id = id;
                (Record::Notice(notice), None, false)
            }
            _ => (records::column("news", &text), None, true),
        }
    }

    async fn plant(&mut self, step: &Step) {
        let n = self.planted.len();
        let hub = self.hub.identity.site;
        let sites: Vec<_> = self.units.iter().map(|unit| unit.author.site()).collect();
        let author = if step.author == 3 { hub } else { sites[step.author] };
        let scope = Scope::ALL[step.scope];
        let to = sites.get(step.to).copied().filter(|to| *to != author);
        let audience = to.map_or(Audience::all(scope), |to| Audience::direct(scope, to));
        match step.kind {
            6 => return self.release(step, scope, n).await,
            7 => return self.retract(step, n).await,
            _ => {}
        }
        let (record, article, in_column) = Self::record(step, n);
        let mut planted = Planted {
            carriers: vec![(author, audience)],
            site: author,
            lane: Lane::Content,
            in_column,
            withdrawn: false,
            article,
            made: None,
            of: None,
        };
        if author == hub {
            self.hub.write(vec![Draft::new(audience, record)]).await;
        } else {
            let unit = &mut self.units[step.author];
            let mut ahead = unit.author.clone();
            let made = ahead.write(audience, record);
            let client = &mut unit.clients[unit.ceiling as usize - 1].1;
            let answer = client.push_entries(std::slice::from_ref(&made.entry)).await.unwrap();
            assert!(marks(&answer.encode_to_vec()).is_empty());
            if audience.scope < unit.ceiling {
                assert_eq!(answer.refused.len(), 1, "it does not cross its own link");
                planted.carriers.clear();
            } else {
                assert_eq!(answer.refused, []);
                unit.author = ahead;
                planted.made = Some(made);
            }
        }
        self.planted.push(planted);
    }

    /// The hub takes a unit's article further.
    async fn release(&mut self, step: &Step, scope: Scope, n: usize) {
        let releasable: Vec<usize> = self
            .planted
            .iter()
            .enumerate()
            .filter(|(_, it)| {
                let wider = it.carriers.first().is_some_and(|(_, audience)| {
                    audience.addressee.is_none() && audience.scope < scope
                });
                it.article.is_some() && it.made.is_some() && !it.withdrawn && wider
            })
            .map(|(index, _)| index)
            .collect();
        if releasable.is_empty() {
            return;
        }
        let hub = self.hub.identity.site;
        let index = releasable[step.pick % releasable.len()];
        let original = &mut self.planted[index];
        let made = original.made.as_ref().unwrap();
        let release = records::release(made, Some(records::START_MS), &mark(n));
        let audience = Audience::all(scope);
        self.hub.write(vec![Draft::new(audience, release)]).await;
        original.carriers.push((hub, audience));
        self.planted.push(Planted {
            carriers: vec![(hub, audience)],
            site: hub,
            lane: Lane::Content,
            in_column: false,
            withdrawn: false,
            article: None,
            made: None,
            of: Some(index),
        });
    }

    /// A unit withdraws an article of its own: from every listener, releases included.
    async fn retract(&mut self, step: &Step, n: usize) {
        let own: Vec<usize> = self
            .planted
            .iter()
            .enumerate()
            .filter(|(_, it)| it.made.is_some() && !it.withdrawn)
            .map(|(index, _)| index)
            .collect();
        if own.is_empty() {
            return;
        }
        let index = own[step.pick % own.len()];
        for it in self.planted.iter_mut().filter(|it| it.of == Some(index)) {
            it.withdrawn = true;
        }
        let target = &mut self.planted[index];
        target.withdrawn = true;
        let made = target.made.clone().unwrap();
        let unit = self.units.iter_mut().find(|unit| unit.author.site() == made.site()).unwrap();
        let retraction =
            unit.author.write(made.audience(), records::retraction([&made], None, &mark(n)));
        let client = &mut unit.clients[unit.ceiling as usize - 1].1;
        let answer = client.push_entries(&[retraction.entry]).await.unwrap();
        assert_eq!(answer.refused, []);
        self.planted.push(Planted {
            carriers: vec![(made.site(), made.audience())],
            site: made.site(),
            lane: Lane::Control,
            in_column: false,
            withdrawn: false,
            article: None,
            made: None,
            of: None,
        });
    }

    fn forbidden(
        &self,
        found: &BTreeSet<usize>,
        site: Option<SiteId>,
        ceiling: Scope,
    ) -> Vec<usize> {
        let may = |n: &usize| self.planted[*n].seen_by(site, ceiling);
        found.iter().copied().filter(|n| !may(n)).collect()
    }

    /// Everything every reader gets holds what it may see and nothing else.
    async fn search(&mut self, since: usize, follow: usize) {
        let mut tx = self.hub.store.read().await.unwrap();
        self.logs = lianbo_node::journal::heights_of_all(&mut tx).await.unwrap();
        drop(tx);
        let end = lianbo_node::journal::end(&mut self.hub.store.read().await.unwrap()).await;
        let end = end.unwrap().position;
        eventually("the duties are done", async || *self.hub.hub().door.end().borrow() >= end)
            .await;
        let hub = self.hub.identity.site;
        let mut units = std::mem::take(&mut self.units);
        for (index, unit) in units.iter_mut().enumerate() {
            let site = unit.author.site();
            for (listener, client) in &mut unit.clients {
                let ceiling = unit.ceiling.max(*listener);
                let found = self.everything(client, &unit.author, ceiling).await;
                let wrong = self.forbidden(&found, Some(site), ceiling);
                assert_eq!(wrong, Vec::<usize>::new(), "{index} behind {listener}");
                for (n, planted) in self.planted.iter().enumerate() {
                    let due = planted.comes_to(site, ceiling, hub) && !planted.withdrawn;
                    assert!(!due || found.contains(&n), "{n} is missing for {index} at {listener}");
                }
                // A stream has to be listened to for a while: one reader in every third round.
                if follow.is_multiple_of(3)
                    && index * 3 + (*listener as usize - 1) == follow / 3 * 5 % 12
                {
                    let found = follow_all(client).await;
                    let wrong = self.forbidden(&found, Some(site), ceiling);
                    assert_eq!(wrong, Vec::<usize>::new(), "{index} follows behind {listener}");
                }
            }
        }
        self.units = units;
        self.harvests().await;
        self.pages(since).await;
        let metrics = get(self.hub.running().metrics, "/metrics").await;
        assert!(metrics.contains("lianbo_"), "{metrics}");
        assert_eq!(marks(metrics.as_bytes()), BTreeSet::new());
        let lines = self.logged.0.lock().unwrap();
        assert!(!lines.is_empty());
        assert_eq!(marks(&lines), BTreeSet::new(), "nothing of a text is logged");
    }

    /// All marks in all that a site is told when it asks.
    async fn everything(
        &self,
        client: &mut RawClient,
        own: &TestAuthor,
        ceiling: Scope,
    ) -> BTreeSet<usize> {
        let site = own.site();
        let mut found = BTreeSet::new();
        let answer = client.hello(site).await.unwrap();
        found.extend(marks(&answer.encode_to_vec()));
        assert!(answer.yours.iter().all(|it| it.log.as_ref().unwrap().site == site.0[..]));
        for lane in Lane::ALL {
            for refill in [false, true] {
                let terms = v1::PullRequest { refill, subscriptions: wanted(), ..pull(lane) };
                for answer in client.pull_all(&terms).await.unwrap().0 {
                    found.extend(marks_of(&answer, &answer.frame));
                    for (head, entry) in lianbo_tests::raw::open_frame(&answer.frame) {
                        self.assert_meant(&head, &entry, site, ceiling);
                    }
                }
            }
        }
        let answer = client.sync.offer(offer(&self.logs)).await.unwrap().into_inner();
        assert_eq!(answer.wanted, [], "a hub that lost nothing wants nothing");
        // A well-signed entry in each log of others: refused, and nothing told.
        let probes: Vec<_> = self
            .logs
            .keys()
            .filter(|log| log.site != site)
            .map(|log| {
                let head = own.next_head(log.audience, log.lane, &Bytes::new());
                own.sign(Head { log: *log, seq: 1, previous: None, ..head }, Bytes::new()).entry
            })
            .collect();
        let answer = client.push(encode_frame(&probes)).await.unwrap();
        assert_eq!((answer.refused.len(), answer.acked.len()), (probes.len(), 0));
        found.extend(marks(&answer.encode_to_vec()));
        let errors = [
            client.pull(Lane::Content, Bytes::from_static(b"x")).await.unwrap_err(),
            client.push(Bytes::from_static(b"x")).await.unwrap_err(),
            client.sync.hello(hello(self.hub.identity.site)).await.unwrap_err(),
        ];
        found.extend(marks(format!("{errors:?}").as_bytes()));
        found
    }

    /// Not even the head of a hidden entry comes.
    fn assert_meant(
        &self,
        head: &Head,
        entry: &lianbo_node::entry::Entry,
        site: SiteId,
        ceiling: Scope,
    ) {
        let audience = head.log.audience;
        assert!(audience.scope >= ceiling);
        let among = [Some(site), None].contains(&audience.addressee) || head.log.site == site;
        assert!(among, "addressed to another");
        let hash = entry.hash();
        let withdrawn = self
            .planted
            .iter()
            .any(|it| it.withdrawn && it.made.as_ref().is_some_and(|made| made.hash == hash));
        assert!(!withdrawn || entry.body.is_none(), "a withdrawn text comes");
    }

    /// What a harvester is told, through every network: public, live, and by the hub's own word.
    async fn harvests(&mut self) {
        let hub = self.hub.identity.site;
        let mut harvesters = std::mem::take(&mut self.harvesters);
        for (listener, client) in &mut harvesters {
            let request = v1::HarvestRequest { entries: true, ..behind(&Bytes::new()) };
            let (pages, cursor) = client.list_all(&request).await.unwrap();
            let mut found: BTreeSet<usize> =
                pages.iter().flat_map(|page| marks(&page.encode_to_vec())).collect();
            let mut stream = client.harvested(&cursor).await.unwrap();
            found.extend(marks(&page(&mut stream).await.unwrap().encode_to_vec()));
            let errors = [
                client.hello(hub).await.unwrap_err(),
                client.pull(Lane::Content, Bytes::new()).await.unwrap_err(),
                client.harvest.list(behind(&vec![0; 2000].into())).await.unwrap_err(),
            ];
            found.extend(marks(format!("{errors:?}").as_bytes()));
            let wrong = self.forbidden(&found, None, Scope::Public);
            assert_eq!(wrong, Vec::<usize>::new(), "a harvester behind {listener}");
            for (n, it) in self.planted.iter().enumerate() {
                let published = it.carriers.contains(&(hub, Audience::all(Scope::Public)));
                let due = it.article.is_some() && published && !it.withdrawn;
                assert_eq!(
                    found.contains(&n) && it.article.is_some(),
                    due,
                    "{n} behind {listener}"
                );
            }
        }
        self.harvesters = harvesters;
    }

    /// Pages of every listener, for anybody.
    async fn pages(&self, since: usize) {
        let planted: Vec<_> = self.planted.iter().enumerate().collect();
        for listener in Scope::ALL {
            let address = self.hub.pages(listener);
            let mut paths: Vec<String> =
                ["/", "/notices", "/units", "/nothing", "/feed.atom"].map(str::to_owned).into();
            let authors: BTreeSet<_> = planted.iter().map(|(_, it)| it.site).collect();
            paths.extend(authors.iter().map(|site| format!("/column/{site}/news")));
            paths.extend(authors.iter().map(|site| format!("/column/{site}/news/feed.atom")));
            for path in paths {
                let page = get(address, &path).await;
                let found = marks(page.as_bytes());
                assert!(self.forbidden(&found, None, listener).is_empty(), "{path} at {listener}");
                let withdrawn = found.iter().find(|n| self.planted[**n].withdrawn);
                assert_eq!(withdrawn, None, "{path} at {listener}");
            }
            for (n, it) in &planted[since..] {
                let Some(id) = it.article else { continue };
                let page = get(address, &format!("/article/{}/{id}", it.site)).await;
                let found = marks(page.as_bytes());
                assert!(self.forbidden(&found, None, listener).is_empty(), "{n} at {listener}");
                // Outside, a hub shows what it wrote or released.
                let own = (self.hub.identity.site, Audience::all(Scope::Public));
                let answered_for = listener != Scope::Public || it.carriers.contains(&own);
                let shown = it.seen_by(None, listener) && !it.withdrawn && answered_for;
                assert_eq!(found.contains(n), shown, "{n} at {listener}: {page}");
                assert_eq!(page.starts_with("HTTP/1.1 200"), shown, "{n} at {listener}: {page}");
            }
        }
    }
}

/// Any column of that name.
fn wanted() -> Vec<v1::Subscription> {
    vec![v1::Subscription { site: Bytes::new(), column: "news".into() }]
}

async fn follow_all(client: &mut RawClient) -> BTreeSet<usize> {
    let open = v1::FollowOpen { subscriptions: wanted(), refill: true, ..Default::default() };
    let mut stream = client.follow(open).await.unwrap();
    let batches = stream.settle().await;
    batches.iter().flat_map(|batch| marks_of(batch, &batch.frame)).collect()
}

#[test]
fn every_byte_that_comes_out_of_a_hub_is_for_whoever_gets_it() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = Mutex::new(runtime.block_on(World::new()));
    let config =
        Config { cases: 24, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let case = std::sync::atomic::AtomicUsize::new(0);
    TestRunner::new(config)
        .run(&steps(), |steps| {
            let mut world = world.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let case = case.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            runtime.block_on(async {
                let since = world.planted.len();
                for step in &steps {
                    world.plant(step).await;
                }
                world.search(since, case).await;
            });
            Ok(())
        })
        .unwrap();
    let world = world.into_inner().unwrap();
    let released = world.planted.iter().filter(|it| it.carriers.len() > 1).count();
    let withdrawn = world.planted.iter().filter(|it| it.withdrawn && it.carriers.len() > 1).count();
    println!("{} entries, {released} released, {withdrawn} withdrawn", world.planted.len());
    assert!(released > 0, "a search that meets no release proves little");
    runtime.block_on(async move {
        drop((world.units, world.harvesters));
        world.hub.close().await;
    });
}
