//! The link on a simulated network, seed by seed.
//!
//! `LIANBO_TEST_SEED=7` runs one seed alone, `LIANBO_TEST_SEEDS=200` that many instead of CI's twenty.
#![expect(clippy::print_stdout, reason = "a seed that fails says so, with how to run it alone")]

use std::time::Duration;

use lianbo_tests::sim;

/// Seeds in CI, and tests they are spread over.
const SEEDS: u64 = 20;
const TESTS: u64 = 4;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn seeds(part: u64) -> Vec<u64> {
    if let Some(seed) = number("LIANBO_TEST_SEED") {
        return if part == 0 { vec![seed] } else { Vec::new() };
    }
    (0..number("LIANBO_TEST_SEEDS").unwrap_or(SEEDS)).filter(|seed| seed % TESTS == part).collect()
}

fn run(part: u64) {
    let (mut count, mut total) = (0, sim::Report::default());
    let mut failed = Vec::new();
    for seed in seeds(part) {
        match sim::run(seed) {
            Ok(report) => {
                println!("seed {seed}: {report:?}");
                count += 1;
                total.written += report.written;
                total.entries += report.entries;
                total.troubles += report.troubles;
                total.crashes += report.crashes;
                total.rollbacks += report.rollbacks;
                total.simulated += report.simulated;
                total.took += report.took;
            }
            Err(error) => {
                println!("seed {seed} FAILED: {error}");
                failed.push(seed);
            }
        }
    }
    println!("part {part}: {count} seeds good: {total:?}");
    assert!(
        failed.is_empty(),
        "seeds {failed:?} failed; alone: \
         LIANBO_TEST_SEED={} cargo nextest run -p lianbo-tests simulation --no-capture",
        failed[0]
    );
    assert!(total.took >= Duration::ZERO);
}

#[test]
fn whatever_the_network_does_everything_arrives_once_where_it_may_1() {
    run(0);
}

#[test]
fn whatever_the_network_does_everything_arrives_once_where_it_may_2() {
    run(1);
}

#[test]
fn whatever_the_network_does_everything_arrives_once_where_it_may_3() {
    run(2);
}

#[test]
fn whatever_the_network_does_everything_arrives_once_where_it_may_4() {
    run(3);
}
