//! Rule 3: a retraction never reverts, whatever comes when.

use std::fmt::Write as _;

use lianbo_node::args;
use lianbo_node::content::{
    article, first_seen, notice, release as releases, retraction as retractions,
};
use lianbo_node::ingest::{Outcome, Reason};
use lianbo_node::scope::{Audience, Reader, Scope};
use lianbo_node::store::Tx;
use lianbo_tests::author::Made;
use lianbo_tests::records::{article as write, id, notice as tell, release, retraction};
use lianbo_tests::{TestSite, on_both};

const ALL: Audience = Audience::all(Scope::Organization);
const WIDE: Audience = Audience::all(Scope::Public);
const MARK: &str = "zqwithdrawnqz";

/// These entries, as they are held.
async fn held(tx: &mut Tx, made: &[&Made]) -> Vec<retractions::Held> {
    let mut held = Vec::new();
    for made in made {
        let row = tx.optional("SELECT position FROM entries WHERE hash = $1", args![made.hash]);
        let (site, hash) = made.name();
        held.push((site, hash, row.await.unwrap().unwrap().get(0).unwrap()));
    }
    held
}

/// Everything that readers of every kind get to see, as text.
async fn shown(site: &TestSite) -> String {
    let mut tx = site.read().await;
    let mut seen = String::new();
    let authors = [1, 2, 3].map(|seed| lianbo_tests::TestAuthor::new(seed).site());
    for ceiling in Scope::ALL {
        let mut readers = vec![Reader::anonymous(ceiling)];
        readers.extend(authors.map(|it| Reader::site(it, ceiling, Scope::Internal)));
        for reader in readers {
            let lines =
                article::list(&mut tx, reader, &article::ArticleFilter::default()).await.unwrap();
            seen += &serde_json::to_string(&lines).unwrap();
            let lines = notice::list(&mut tx, reader, 100).await.unwrap();
            seen += &serde_json::to_string(&lines).unwrap();
            for author in authors {
                for n in 1..20 {
                    let view = article::get(&mut tx, reader, author, id(n)).await.unwrap();
                    seen += &serde_json::to_string(&view).unwrap();
                    let view = notice::get(&mut tx, reader, author, id(n)).await.unwrap();
                    seen += &serde_json::to_string(&view).unwrap();
                }
            }
            for n in 1..20u8 {
                let prefix = id(n).to_string();
                if let Ok(found) = article::find(&mut tx, reader, &prefix).await {
                    write!(seen, "{found:?}").unwrap();
                }
            }
        }
    }
    for author in authors {
        for n in 1..20 {
            let targets = article::live_targets(&mut tx, author, id(n)).await.unwrap();
            write!(seen, "{targets:?}").unwrap();
            assert!(
                article::current_entry(&mut tx, author, id(n)).await.unwrap().is_none() || n > 5
            );
        }
    }
    seen
}

/// All orders of five things.
fn orders() -> Vec<Vec<usize>> {
    let mut orders = vec![vec![]];
    for n in 0..5 {
        orders = orders
            .iter()
            .flat_map(|order: &Vec<usize>| {
                (0..=order.len()).map(move |at| {
                    let mut order = order.clone();
                    order.insert(at, n);
                    order
                })
            })
            .collect();
    }
    orders
}

on_both! {
    async fn what_is_withdrawn_stays_so_in_whatever_order_it_comes(database) {
        let mut site = TestSite::hub(database).await;
        site.with_units().await;
        let hub = site.hub.clone();
        // A fresh pair of site and article for each order: 120 units on one database.
        for (index, order) in orders().into_iter().enumerate() {
            let mut unit = lianbo_tests::TestAuthor::new(100 + u8::try_from(index).unwrap());
            site.enrol(&unit, "wugong", Scope::Organization).await;
            let first = unit.write(ALL, write(1, MARK));
            let revised = unit.write(ALL, write(1, MARK));
            let wider = site.hub.write(WIDE, release(&first, None, MARK));
            let by_record = index % 2 == 0;
            let gone = if by_record {
                unit.write(ALL, retraction([], Some(id(1)), ""))
            } else {
                unit.write(ALL, retraction([&first, &revised], None, ""))
            };
            let late = unit.write(ALL, tell(11, ""));
            let five: Vec<Made> = vec![first.clone(), revised.clone(), wider.clone(), gone, late];
            let ordered: Vec<Made> = order.iter().map(|at| five[*at].clone()).collect();
            for batch in ordered.chunks(1 + index % 3) {
                site.accept(batch).await;
            }
            let mut tx = site.read().await;
            let reader = Reader::site(unit.site(), Scope::Internal, Scope::Internal);
            for reader in [reader, Reader::anonymous(Scope::Public), site.reader()] {
                assert_eq!(article::get(&mut tx, reader, unit.site(), id(1)).await.unwrap(), None);
            }
            let held = held(&mut tx, &[&first, &revised, &wider]).await;
            let withdrawn = retractions::withdrawn(&mut tx, &held).await.unwrap();
            assert_eq!(withdrawn.len(), 3, "{order:?}: all travel without a body");
            let stale = releases::stale(&mut tx, hub.site(), 0, 1000).await.unwrap();
            assert!(stale.iter().any(|target| target.hash == wider.hash), "the hub withdraws its release");
        }
        let seen = shown(&site).await;
        assert!(!seen.contains(MARK), "withdrawn text is shown");
        assert!(site.rebuild().await.unchanged);
        assert!(!shown(&site).await.contains(MARK), "after a rebuild");
        site.close().await;
    }

    async fn a_record_withdrawn_takes_revisions_nobody_knew_of(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let first = unit.write(ALL, write(1, MARK));
        let elsewhere = unit.write(Audience::all(Scope::Internal), write(1, MARK));
        let gone = unit.write(ALL, retraction([], Some(id(1)), ""));
        let after = unit.write(ALL, write(1, MARK));
        site.accept([&first, &gone]).await;
        site.accept([&after, &elsewhere]).await;
        // An old bundle brings everything again.
        let outcomes = site.outcomes(&[first, after, elsewhere]).await;
        assert_eq!(outcomes, vec![Outcome::Known; 3]);
        assert!(!shown(&site).await.contains(MARK));
        site.close().await;
    }

    async fn nobody_withdraws_what_another_wrote(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, mut other] = site.with_units().await;
        let held = unit.write(ALL, write(8, MARK));
        let told = unit.write(ALL, tell(9, MARK));
        site.accept([&held, &told]).await;
        let digests = site.digests().await;
        let by_target = other.clone().write(ALL, retraction([&held, &told], None, ""));
        let outcomes = site.outcomes(&[by_target]).await;
        assert!(matches!(&outcomes[0], Outcome::Refused(it) if it.reason == Reason::Rule));
        assert_eq!(site.digests().await, digests);
        // By a record id that is also another's: withdraws its own, which it may, and nothing else.
        let by_record = other.write(ALL, retraction([], Some(id(8)), ""));
        // Naming a log of its own, but another's hash: withdraws nothing of the other's.
        let mut target = held.target();
        target.log.site = other.site();
        let lianbo_node::content::Record::Retraction(mut it) = retraction([], Some(id(9)), "") else { unreachable!() };
        it.targets.push(target);
        let by_hash = other.write(ALL, lianbo_node::content::Record::Retraction(it));
        // The hub neither.
        let by_hub = site.hub.write(ALL, retraction([], Some(id(8)), ""));
        site.accept([&by_record, &by_hash, &by_hub]).await;
        let mut tx = site.read().await;
        let reader = Reader::anonymous(Scope::Organization);
        assert!(article::get(&mut tx, reader, unit.site(), id(8)).await.unwrap().is_some());
        assert!(notice::get(&mut tx, reader, unit.site(), id(9)).await.unwrap().is_some());
        let both = self::held(&mut tx, &[&held, &told]).await;
        assert!(retractions::withdrawn(&mut tx, &both).await.unwrap().is_empty());
        drop(tx);
        site.close().await;
    }

    async fn a_retraction_cannot_be_withdrawn(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let first = unit.write(ALL, write(1, MARK));
        let gone = unit.write(ALL, retraction([&first], None, ""));
        let back = unit.write(ALL, retraction([&gone], None, ""));
        site.accept([&first, &gone]).await;
        let outcomes = site.outcomes(&[back]).await;
        assert!(matches!(&outcomes[0], Outcome::Refused(it) if it.reason == Reason::Rule));
        assert!(!shown(&site).await.contains(MARK));
        site.close().await;
    }

    async fn a_withdrawn_entry_may_come_without_its_body_and_a_late_body_shows_nothing(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let first = unit.write(ALL, write(1, MARK));
        let gone = unit.write(ALL, retraction([&first], None, ""));
        site.accept([&gone]).await;
        site.take(vec![first.without_body()], lianbo_tests::site::REFILL).await;
        site.take(vec![first.entry.clone()], lianbo_tests::site::REFILL).await;
        assert!(!shown(&site).await.contains(MARK));
        let mut tx = site.read().await;
        let unseen = first_seen::unseen(&mut tx, site.hub.site(), 0, 100).await.unwrap();
        drop(tx);
        assert!(unseen.len() <= 1, "{unseen:?}");
        assert!(site.rebuild().await.unchanged);
        site.close().await;
    }
}
