//! Rule 4: the same entries, in any order and any grouping, give the same views.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::content::article::{ArticleFilter, list};
use crate::content::first_seen::{FirstSeen, Sighting};
use crate::content::site::{KeyChange, Revocation};
use crate::content::{clear, digests};
use crate::store::testing::TestDatabase;

/// What one of two sites writes next; the numbers choose among few things, so that they meet.
#[derive(Clone, Debug)]
struct Step {
    author: usize,
    kind: u8,
    scope: usize,
    direct: bool,
    record: u8,
    pick: usize,
}

fn step() -> impl Strategy<Value = Step> {
    (0..2usize, 0..11u8, 0..3usize, any::<bool>(), 0..3u8, any::<usize>()).prop_map(
        |(author, kind, scope, direct, record, pick)| Step {
            author,
            kind,
            scope,
            direct,
            record,
            pick,
        },
    )
}

/// Valid history of two sites. What no site could write is left out.
fn history(steps: &[Step]) -> Vec<Made> {
    let mut authors = [Author::new(1), Author::new(2)];
    let mut made: Vec<Made> = Vec::new();
    for step in steps {
        let scope = Scope::ALL[step.scope];
        let other = authors[1 - step.author].site();
        let all = Audience::all(scope);
        let audience = if step.direct { Audience::direct(scope, other) } else { all };
        let author = &mut authors[step.author];
        let name = format!("{scope} {} {}", step.direct, step.pick % 1000);
        let at_ms = day(i64::from(step.record) + i64::try_from(step.pick % 7).unwrap());
        let picked = (!made.is_empty()).then(|| made[step.pick % made.len()].clone());
        let next = match (step.kind, picked) {
            (0 | 1, _) => author.write(audience, article(step.record, &name, at_ms)),
            (2, _) => author.write(audience, notice(step.record, &name, at_ms)),
            (3, _) => author.write(audience, column("lanmu", &name, i32::from(step.record))),
            (4, _) => {
                let target = Author::new(1 + step.record);
                author.enrols(&target.identity, "danwei", scope, false)
            }
            (5, _) => {
                let further =
                    Identity::new(author.site(), SigningKey::from_bytes(&[step.record; 32]));
                let change = KeyChange { key: further.public(), proof: further.key_proof() };
                author.write(all, Record::KeyChange(change))
            }
            (6, _) => {
                let site = SiteId([1 + step.record; 16]);
                author.write(all, Record::Revocation(Revocation { site, reason: name }))
            }
            (7, Some(picked)) => {
                let own = picked.head.log.site == author.site();
                let targets = if own { vec![&picked] } else { Vec::new() };
                author.retracts(audience, &targets, step.direct.then_some(id(step.record)))
            }
            (8, Some(_)) => {
                // Of the first few, so that several sightings meet.
                let (site, hash) = made[step.pick % made.len().min(3)].name();
                let sightings = vec![Sighting { site, hash, at_ms }; 2];
                author.write(all, Record::FirstSeen(FirstSeen { sightings }))
            }
            (9, Some(picked)) if matches!(picked.record, Record::Notice(_)) => {
                author.signs(&picked, Stage::ALL[usize::from(step.record)], at_ms)
            }
            (10, Some(picked))
                if matches!(picked.record, Record::Article(_) | Record::Notice(_)) =>
            {
                author.releases(Scope::Public, &picked, step.direct.then_some(at_ms))
            }
            _ => continue,
        };
        made.push(next);
    }
    made
}

/// Folds `made` in the order of `keys`, in groups of these sizes, at positions of arrival.
async fn arrive(tx: &mut Tx, made: &[Made], keys: &[u32], groups: &[usize]) {
    let mut order: Vec<usize> = (0..made.len()).collect();
    order.sort_by_key(|index| (keys[index % keys.len()], *index));
    let items: Vec<Folding<'_>> = order
        .iter()
        .zip(1..)
        .map(|(index, position)| {
            let Made { head, hash, record, .. } = &made[*index];
            Folding { position, received_ms: day(position), hash: *hash, head, record }
        })
        .collect();
    let (mut rest, mut sizes) = (items.as_slice(), groups.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).min(rest.len());
        fold(tx, &rest[..size]).await.unwrap();
        // A batch that comes twice changes nothing.
        fold(tx, &rest[..size]).await.unwrap();
        rest = &rest[size..];
    }
}

/// What every kind of reader sees, without what each site has for itself.
async fn seen(tx: &mut Tx) -> Vec<(Reader, String, bool)> {
    let mut seen = Vec::new();
    for ceiling in Scope::ALL {
        for site in [None, Some(SiteId([1; 16])), Some(SiteId([2; 16])), Some(SiteId([3; 16]))] {
            let reader = Reader { site, ..Reader::anonymous(ceiling) };
            for line in list(tx, reader, &ArticleFilter::default()).await.unwrap() {
                // The title says for whom it was written; a release takes it further.
                let scope: Scope = line.title.split(' ').next().unwrap().parse().unwrap();
                let direct = line.title.contains("true");
                assert!(line.scope >= ceiling);
                assert!(line.released() || line.scope == scope);
                if direct && !line.released() {
                    assert!(site.is_some_and(|site| site.0[0] < 3), "{reader:?} {line:?}");
                }
                let shown =
                    format!("{} {} {:?}", line.title, line.published_ms, line.first_seen_ms);
                seen.push((reader, shown, line.revised));
            }
        }
    }
    seen
}

#[test]
fn any_order_and_grouping_gives_the_same_views() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let databases = runtime.block_on(TestDatabase::each());
    let order = || prop::collection::vec(any::<u32>(), 1..60);
    let groups = || prop::collection::vec(1..20usize, 1..6);
    let cases =
        (prop::collection::vec(step(), 1..60), (order(), groups()), (order(), groups()), groups());
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&cases, |(steps, first, second, regrouped)| {
            let made = history(&steps);
            runtime.block_on(async {
                let mut on_engines: Vec<BTreeMap<&str, Hash>> = Vec::new();
                for database in &databases {
                    // Never committed: every case begins with empty tables.
                    let tx = &mut database.store.write().await.unwrap();
                    arrive(tx, &made, &first.0, &first.1).await;
                    let (shared, local) =
                        (digests(tx, false).await.unwrap(), digests(tx, true).await.unwrap());
                    let shown = seen(tx).await;
                    clear(tx).await.unwrap();
                    arrive(tx, &made, &first.0, &regrouped).await;
                    assert_eq!(digests(tx, true).await.unwrap(), local, "rebuilt");
                    clear(tx).await.unwrap();
                    arrive(tx, &made, &second.0, &second.1).await;
                    assert_eq!(digests(tx, false).await.unwrap(), shared, "in another order");
                    assert_eq!(seen(tx).await, shown, "as readers see it");
                    on_engines.push(shared);
                }
                assert!(on_engines.windows(2).all(|pair| pair[0] == pair[1]), "on both engines");
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        for database in &databases {
            database.store.close().await;
        }
    });
}

#[tokio::test]
async fn cleared_views_are_empty_and_alike() {
    on_each!(|tx| {
        let empty = digests(tx, true).await.unwrap();
        let mut unit = Author::new(2);
        let made = unit.write(Audience::all(Scope::Public), article(1, "甲", day(1)));
        keep(tx, &[&made]).await;
        assert_ne!(digests(tx, false).await.unwrap(), empty);
        clear(tx).await.unwrap();
        assert_eq!(digests(tx, true).await.unwrap(), empty);
    });
}
