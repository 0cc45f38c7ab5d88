//! Rule 2: nothing leaves its audience. Every entry carries a mark of its own in every text; whatever comes out
//! for a reader is searched for marks it may not see, and has to hold all that it may.

use std::collections::BTreeSet;

use lianbo_node::content::{self, Record, article, column, notice, site};
use lianbo_node::entry::{Hash, Lane, RecordId, SiteId};
use lianbo_node::journal;
use lianbo_node::scope::{Audience, Reader, Scope, may_read};
use lianbo_node::store::Tx;
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::sync::filter::{Filter, Subscription};
use lianbo_tests::random::{History, Step, history, steps};
use lianbo_tests::records::id;
use lianbo_tests::{Made, TestAuthor, TestSite};
use proptest::test_runner::{Config, TestRunner};
use serde_json::to_string;
use tokio::runtime::Runtime;

/// Every mark in some bytes.
fn marks(bytes: &[u8]) -> BTreeSet<String> {
    bytes
        .windows(8)
        .filter(|it| it.starts_with(b"zq") && it.ends_with(b"qz"))
        .map(|it| String::from_utf8_lossy(it).into_owned())
        .collect()
}

fn marks_of(made: &Made) -> BTreeSet<String> {
    marks(made.entry.body.as_ref().map_or(&[][..], |body| body))
}

/// Everybody who can ask: each site with each ceiling behind each listener, and visitors.
fn readers(history: &History) -> Vec<Reader> {
    let mut readers: Vec<Reader> = Scope::ALL.map(Reader::anonymous).into();
    let known = [&history.hub, &history.units[0], &history.units[1]].map(TestAuthor::site);
    for site in known.into_iter().chain([SiteId([99; 16])]) {
        for ceiling in Scope::ALL {
            for listener in Scope::ALL {
                readers.push(Reader::site(site, ceiling, listener));
            }
        }
    }
    readers
}

/// What is withdrawn, told from the history alone.
struct Withdrawn {
    entries: BTreeSet<(SiteId, Hash)>,
    records: BTreeSet<(SiteId, RecordId)>,
}

impl Withdrawn {
    fn of(made: &[Made]) -> Self {
        let (mut entries, mut records) = (BTreeSet::new(), BTreeSet::new());
        for it in made {
            if let Some(Record::Retraction(retraction)) = &it.record {
                entries.extend(retraction.targets.iter().map(|target| (it.site(), target.hash)));
                records.extend(retraction.record.map(|record| (it.site(), record)));
            }
        }
        Self { entries, records }
    }

    fn live(&self, made: &Made) -> bool {
        let told = match &made.record {
            Some(Record::Article(it)) => !self.records.contains(&(made.site(), it.id)),
            Some(Record::Notice(it)) => !self.records.contains(&(made.site(), it.id)),
            Some(Record::Release(it)) => {
                let site = it.head.log.site;
                !self.entries.contains(&(site, it.original_hash()))
                    && it.record_id().is_none_or(|id| !self.records.contains(&(site, id)))
            }
            _ => true,
        };
        told && !self.entries.contains(&made.name())
    }
}

/// The article or notice an entry carries: (is an article, author, id).
fn carried(made: &Made) -> Option<(bool, SiteId, RecordId)> {
    let (record, site) = match made.record.as_ref()? {
        Record::Release(it) => (&it.record, it.head.log.site),
        record => (record, made.site()),
    };
    match record {
        Record::Article(it) => Some((true, site, it.id)),
        Record::Notice(it) => Some((false, site, it.id)),
        _ => None,
    }
}

/// Everything the queries give a reader, as text; and which articles and notices they list.
async fn asked(
    tx: &mut Tx,
    reader: Reader,
    sites: &[SiteId],
) -> (String, BTreeSet<(bool, SiteId, RecordId)>) {
    let mut text = String::new();
    let mut listed = BTreeSet::new();
    let all = article::ArticleFilter { limit: 10_000, ..Default::default() };
    let mut filters = vec![all.clone()];
    filters.push(article::ArticleFilter { column: Some("news".into()), ..all.clone() });
    for site in sites {
        filters.push(article::ArticleFilter { site: Some(*site), ..all.clone() });
        filters.push(article::ArticleFilter { carrier: Some(*site), ..all.clone() });
    }
    for (index, filter) in filters.iter().enumerate() {
        let lines = article::list(tx, reader, filter).await.unwrap();
        text += &to_string(&lines).unwrap();
        if index == 0 {
            listed.extend(lines.iter().map(|line| (true, line.site, line.id)));
        }
    }
    let lines = notice::list(tx, reader, 10_000).await.unwrap();
    text += &to_string(&lines).unwrap();
    listed.extend(lines.iter().map(|line| (false, line.site, line.id)));
    text += &to_string(&column::list(tx, reader, None).await.unwrap()).unwrap();
    text += &to_string(&content::retraction::list(tx, reader, 10_000).await.unwrap()).unwrap();
    for view in site::all(tx).await.unwrap() {
        if view.may_see(reader) {
            text += &to_string(&(&view.unit, view.ceiling, view.site)).unwrap();
        }
    }
    for site in sites {
        text += &to_string(&column::list(tx, reader, Some(*site)).await.unwrap()).unwrap();
        for n in (1..4).chain(11..14) {
            let view = article::get(tx, reader, *site, id(n)).await.unwrap();
            assert_eq!(
                view.is_some(),
                listed.contains(&(true, *site, id(n))),
                "get and list agree"
            );
            text += &to_string(&view).unwrap();
            let view = notice::get(tx, reader, *site, id(n)).await.unwrap();
            assert_eq!(
                view.is_some(),
                listed.contains(&(false, *site, id(n))),
                "get and list agree"
            );
            text += &to_string(&view).unwrap();
            text += &to_string(&notice::receipts(tx, reader, *site, id(n)).await.unwrap()).unwrap();
            let reason = content::retraction::reason(tx, reader, *site, id(n)).await.unwrap();
            text += &to_string(&reason).unwrap();
        }
    }
    for n in (1..4).chain(11..14) {
        let found = |kind| listed.iter().filter(move |it| it.0 == kind && it.2 == id(n)).count();
        let prefix = &id(n).to_string()[..6];
        let any = article::find(tx, reader, prefix).await;
        assert_eq!(any.is_ok(), found(true) == 1, "found by prefix: {any:?}");
        let any = notice::find(tx, reader, prefix).await;
        assert_eq!(any.is_ok(), found(false) == 1, "found by prefix: {any:?}");
    }
    (text, listed)
}

async fn queries_keep_to_the_audience(tx: &mut Tx, history: &History) {
    let withdrawn = Withdrawn::of(&history.made);
    let sites = [&history.hub, &history.units[0], &history.units[1]].map(TestAuthor::site);
    for reader in readers(history) {
        let visible: Vec<&Made> = history
            .made
            .iter()
            .filter(|made| may_read(reader, made.site(), made.audience()) && withdrawn.live(made))
            .collect();
        let allowed: BTreeSet<String> = visible.iter().flat_map(|made| marks_of(made)).collect();
        let (text, listed) = asked(tx, reader, &sites).await;
        let leaked: Vec<String> = marks(text.as_bytes()).difference(&allowed).cloned().collect();
        assert!(leaked.is_empty(), "{reader:?} sees {leaked:?}");
        let expected: BTreeSet<_> = visible.iter().filter_map(|made| carried(made)).collect();
        assert_eq!(listed, expected, "{reader:?}");
        let retracted = content::retraction::list(tx, reader, 10_000).await.unwrap();
        let retracted: BTreeSet<Hash> = retracted.iter().map(|it| it.hash).collect();
        let told = visible.iter().filter(|it| matches!(it.record, Some(Record::Retraction(_))));
        assert_eq!(retracted, told.map(|made| made.hash).collect(), "{reader:?}");
    }
}

/// What a link carries to a reader, said once more without the code under test.
fn expected<'m>(filter: &Filter, history: &'m History, accepted: usize) -> Vec<&'m Made> {
    let Reader { site, ceiling, .. } = filter.reader;
    history.made[..accepted]
        .iter()
        .filter(|made| {
            let Audience { scope, addressee } = made.audience();
            let own = site == Some(made.site());
            let slug = match &made.record {
                Some(Record::Article(it)) => Some(it.column.as_str()),
                Some(Record::Column(it)) => Some(it.slug.as_str()),
                _ => None,
            };
            let subscribed = filter.subscriptions.iter().any(|wanted| {
                slug == Some(wanted.column.as_str())
                    && wanted.site.is_none_or(|wanted| wanted == made.site())
            });
            let to_me = addressee.is_some() && addressee == site;
            let wanted = if own {
                filter.refill
            } else {
                made.site() == filter.trunk
                    || made.head.log.lane == Lane::Control
                    || to_me
                    || subscribed
            };
            scope >= ceiling
                && (addressee.is_none() || to_me || own)
                && made.head.log.lane == filter.lane
                && wanted
        })
        .collect()
}

async fn pages_keep_to_the_audience(tx: &mut Tx, history: &History) {
    let end = journal::end(tx).await.unwrap();
    let news = |site| Subscription { site, column: "news".into() };
    let wishes = [vec![], vec![news(None)], vec![news(Some(history.units[0].site()))]];
    for (turn, reader) in readers(history).into_iter().enumerate() {
        for lane in Lane::ALL {
            let filter = Filter {
                reader,
                trunk: history.hub.site(),
                lane,
                subscriptions: wishes[turn % 3].clone(),
                refill: turn % 2 == 0,
            };
            let expected: Vec<Hash> =
                expected(&filter, history, history.made.len()).iter().map(|it| it.hash).collect();
            let whole = journal::page(tx, &filter, 0, end.position, 1 << 24).await.unwrap();
            assert_eq!(whole.end, end);
            assert_eq!(
                whole.items.iter().map(|it| it.hash).collect::<Vec<_>>(),
                expected,
                "{filter:?}"
            );
            for item in &whole.items {
                let made = &history.made[usize::try_from(item.position).unwrap() - 1];
                assert_eq!(item.entry, made.entry);
                assert!(may_read(reader, item.log.site, item.log.audience));
            }
            if turn % 5 == 0 {
                paged(tx, &filter, end, &expected).await;
            }
        }
    }
}

/// Pages of any size make the same list; each gets on, ends where it says, and within its budget.
async fn paged(tx: &mut Tx, filter: &Filter, end: journal::End, expected: &[Hash]) {
    for budget in [0, 700, 2_500, 20_000] {
        let (mut after, mut hashes) = (0, Vec::new());
        while after < end.position {
            let page = journal::page(tx, filter, after, end.position, budget).await.unwrap();
            assert!(page.end.position > after, "a page gets on");
            let rolling = journal::rolling_at(tx, page.end.position).await.unwrap();
            assert_eq!(rolling, Some(page.end.rolling));
            let bytes: usize = page.items.iter().map(|item| item.entry.size()).sum();
            assert!(page.items.len() <= 1 || bytes <= budget + 128, "{bytes} of {budget}");
            assert!(
                page.items.iter().all(|it| after < it.position && it.position <= page.end.position)
            );
            hashes.extend(page.items.iter().map(|item| item.hash));
            after = page.end.position;
        }
        assert_eq!(hashes, expected, "in pages of {budget}");
    }
    let none = journal::page(tx, filter, end.position, end.position, 1000).await.unwrap();
    assert!(none.items.is_empty() && none.end == end);
}

async fn held_by(database: TestDatabase, steps: &[Step]) {
    let history = history(steps);
    let site = TestSite::open(database, TestAuthor::new(77), TestAuthor::new(1)).await;
    site.accept(&history.made).await;
    let mut tx = site.read().await;
    queries_keep_to_the_audience(&mut tx, &history).await;
    pages_keep_to_the_audience(&mut tx, &history).await;
    drop(tx);
    site.close().await;
}

fn run(cases: u32, check: impl Fn(&Runtime, Vec<Step>)) {
    let runtime = Runtime::new().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(80), |steps| {
            check(&runtime, steps);
            Ok(())
        })
        .unwrap();
}

#[test]
fn nothing_leaves_its_audience_by_query_or_page_sqlite() {
    run(5, |runtime, steps| {
        runtime.block_on(async { held_by(TestDatabase::sqlite().await, &steps).await });
    });
}

#[test]
fn nothing_leaves_its_audience_by_query_or_page_postgres() {
    run(5, |runtime, steps| {
        runtime.block_on(async {
            if let Some(database) = TestDatabase::postgres().await {
                held_by(database, &steps).await;
            }
        });
    });
}
