//! Rule 4: the same entries, in any order and any batching, on either engine, give the same views and heights.

use lianbo_node::ingest::Outcome;
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::author::{TestAuthor, entries};
use lianbo_tests::random::{Arrival, arrival, history, steps};
use lianbo_tests::site::REFILL;
use lianbo_tests::{Made, TestSite};
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

/// A bystander that holds everything, as a second hub would.
async fn replica(
    database: TestDatabase,
    hub: &TestAuthor,
    made: &[Made],
    by: &Arrival,
) -> TestSite {
    let site = TestSite::open(database, TestAuthor::new(77), hub.clone()).await;
    let mut waiting: Vec<Vec<&Made>> = by.batches(made);
    // What came before what binds its key is offered again, as a link does.
    while !waiting.is_empty() {
        let mut again = Vec::new();
        let mut taken = 0;
        for batch in waiting {
            let answers = site.take(entries(batch.iter().copied()), REFILL).await;
            site.clock.advance(1_000);
            taken += answers.accepted();
            let refused = batch
                .into_iter()
                .zip(&answers.outcomes)
                .filter(|(_, outcome)| matches!(outcome, Outcome::Refused(_)));
            again.extend(refused.map(|(made, _)| vec![made]));
        }
        assert!(taken > 0 || again.is_empty(), "refused for good: {again:?}");
        waiting = again;
    }
    site
}

async fn converge(steps: &[lianbo_tests::random::Step], first: &Arrival, second: &Arrival) {
    let history = history(steps);
    let hub = TestAuthor::new(1);
    let one = replica(TestDatabase::sqlite().await, &hub, &history.made, first).await;
    let other = match TestDatabase::postgres().await {
        Some(database) => database,
        None => TestDatabase::sqlite().await,
    };
    let two = replica(other, &hub, &history.made, second).await;
    assert_eq!(one.digests().await, two.digests().await, "the views");
    assert_eq!(one.heights().await, two.heights().await, "the heights");
    assert_eq!(named(&one).await, named(&two).await, "the forks");
    for site in [one, two] {
        assert!(site.rebuild().await.unchanged, "views rebuilt are other views");
        assert!(site.verify().await.is_empty(), "healthy: {:?}", site.verify().await);
        site.assert_sound_journal().await;
        site.close().await;
    }
}

async fn named(site: &TestSite) -> Vec<(lianbo_node::entry::LogId, u64)> {
    site.forks().await
}

#[test]
fn the_same_entries_in_any_order_and_batching_give_the_same_views_and_heights_on_postgres_too() {
    let runtime = Runtime::new().unwrap();
    let config = Config { cases: 8, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(steps(60), arrival(), arrival()), |(steps, first, second)| {
            runtime.block_on(converge(&steps, &first, &second));
            Ok(())
        })
        .unwrap();
}
