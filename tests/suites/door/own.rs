//! Own entries: all or nothing, fenced after a restore, many writers at once; and what a failing transaction does.

use std::sync::Arc;

use lianbo_node::content::receipt::Stage;
use lianbo_node::content::{Record, article as articles};
use lianbo_node::entry::Lane;
use lianbo_node::ingest::{Draft, IngestError, PlanError, Reason};
use lianbo_node::journal::{self, Standing};
use lianbo_node::scope::{Audience, Scope};
use lianbo_tests::author::{TestAuthor, entries};
use lianbo_tests::records::{article, column, id, notice, receipt};
use lianbo_tests::site::REFILL;
use lianbo_tests::{TestSite, on_both};

const ALL: Audience = Audience::all(Scope::Organization);
const INSIDE: Audience = Audience::all(Scope::Internal);

async fn ends(site: TestSite) {
    site.assert_sound_journal().await;
    assert!(site.rebuild().await.unchanged, "views rebuilt from the journal are other views");
    assert!(site.verify().await.is_empty(), "a healthy journal: {:?}", site.verify().await);
    site.close().await;
}

on_both! {
    async fn own_entries_are_written_together_or_not_at_all(database) {
        let site = TestSite::node(database).await;
        let good = [(ALL, column("news", "")), (ALL, article(1, "")), (INSIDE, article(1, ""))];
        let bad = (ALL, receipt(site.hub.site(), id(1), Stage::Read, ""));
        let with_bad = [&good[..1], &[bad], &good[1..]].concat();
        let error = site.write(with_bad).await.unwrap_err();
        assert!(matches!(&error, IngestError::Rule(it) if it.reason == Reason::Rule), "{error}");
        assert_eq!(site.journal().await.len(), 0);
        let written = site.write(good.to_vec()).await.unwrap();
        let places: Vec<_> = written.iter().map(|it| (it.log.audience, it.seq, it.position)).collect();
        assert_eq!(places, [(ALL, 1, 1), (ALL, 2, 2), (INSIDE, 1, 3)]);
        let mut tx = site.read().await;
        let view = articles::get(&mut tx, site.reader(), site.id(), id(1)).await.unwrap().unwrap();
        assert_eq!(view.revisions.len(), 2);
        assert!(view.revisions[0].lamport > view.revisions[1].lamport);
        drop(tx);
        ends(site).await;
    }

    async fn many_own_entries_are_signed_each_with_its_own_signature(database) {
        let site = TestSite::node(database).await;
        // More than are signed, and more than are written, in one go.
        let good = (0..700_u32).map(|n| (ALL, article(1, &n.to_string())));
        let bad = (ALL, receipt(site.hub.site(), id(1), Stage::Read, ""));
        let refused = site.write(good.clone().chain([bad]).collect()).await;
        assert!(matches!(refused, Err(IngestError::Rule(_))), "{refused:?}");
        assert_eq!(site.journal().await.len(), 0);
        let written = site.write(good.collect()).await.unwrap();
        assert_eq!((written.len(), written[699].seq), (700, 700));
        // `ends` verifies every signature.
        ends(site).await;
    }

    async fn who_follows_is_handed_what_came_in_as_the_journal_has_it(database) {
        let mut site = TestSite::node(database).await;
        let fresh = site.site().door.fresh();
        site.write(vec![(ALL, column("news", ""))]).await.unwrap();
        assert!(fresh.take_after(0, usize::MAX).is_empty(), "nobody wanted it");
        fresh.want();
        let from_hub = site.hub.write(ALL, notice(1, ""));
        site.accept([&from_hub]).await;
        site.write(vec![(ALL, article(1, "")), (INSIDE, article(2, ""))]).await.unwrap();
        let bad = (ALL, receipt(site.hub.site(), id(1), Stage::Read, ""));
        site.write(vec![(ALL, article(3, "")), bad]).await.unwrap_err();
        let mut tx = site.read().await;
        let (held, _) = journal::all_after(&mut tx, 1, usize::MAX).await.unwrap();
        drop(tx);
        let handed = fresh.take_after(1, usize::MAX);
        assert_eq!(handed.len(), 3);
        assert_eq!(format!("{handed:?}"), format!("{held:?}"));
        ends(site).await;
    }

    async fn a_text_that_fits_no_body_is_refused(database) {
        let site = TestSite::node(database).await;
        let Record::Article(mut it) = article(1, "") else { unreachable!() };
        it.text = "长".repeat(lianbo_node::entry::MAX_BODY / 3);
        let error = site.write(vec![(ALL, Record::Article(it))]).await.unwrap_err();
        assert!(matches!(error, IngestError::Rule(_)), "{error}");
        ends(site).await;
    }

    async fn what_a_plan_reads_is_what_it_writes_upon(database) {
        let site = TestSite::node(database).await;
        let me = site.reader();
        let plan = |n: u8| -> lianbo_node::ingest::Plan {
            Box::new(move |tx| Box::pin(async move {
                let held = articles::list(tx, me, &articles::ArticleFilter::default()).await?;
                let free = !held.iter().any(|line| line.id == id(n));
                let drafts = free.then(|| Draft::new(ALL, article(n, "")));
                Ok::<_, PlanError>(drafts.into_iter().collect())
            }))
        };
        let door = &site.site().door;
        let (one, two, three) = tokio::join!(
            door.write_planned(plan(1)),
            door.write_planned(plan(1)),
            door.write_planned(plan(2)),
        );
        let written = [one, two, three].map(|it| it.unwrap().len());
        assert_eq!(written, [1, 0, 1]);
        let refused = door
            .write_planned(Box::new(|_| Box::pin(async { Err(PlanError::Refused("no".into())) })))
            .await;
        assert!(matches!(refused, Err(IngestError::Refused(_))));
        ends(site).await;
    }

    async fn nothing_is_signed_on_data_that_may_be_old(database) {
        let mut site = TestSite::node(database).await;
        site.write(vec![(ALL, article(1, ""))]).await.unwrap();
        site.stand(Standing::Restored).await;
        let fenced = site.write(vec![(ALL, article(2, ""))]).await;
        assert!(matches!(fenced, Err(IngestError::Fenced(_))), "{fenced:?}");
        // Others' entries are taken all the same.
        let from_hub = site.hub.write(ALL, notice(1, ""));
        site.accept([&from_hub]).await;
        site.stand(Standing::Ready).await;
        assert_eq!(site.write(vec![(ALL, article(2, ""))]).await.unwrap()[0].seq, 2);
        ends(site).await;
    }

    async fn a_site_does_not_write_on_a_log_that_goes_on_elsewhere(database) {
        let site = TestSite::node(database).await;
        let mut clone = TestAuthor::new(2);
        let written = site.write(vec![(ALL, article(1, ""))]).await.unwrap();
        clone.incarnation = written[0].log.incarnation;
        // The clone's log has its first entry too, and goes on.
        let theirs = [clone.write(ALL, article(2, "")), clone.write(ALL, article(3, ""))];
        site.accept(&theirs).await;
        let fenced = site.write(vec![(ALL, article(4, ""))]).await;
        assert!(matches!(fenced, Err(IngestError::Fenced(_))), "{fenced:?}");
        assert!(site.forks().await.contains(&(theirs[0].head.log, 1)));
        ends(site).await;
    }

    async fn many_writers_share_the_journal_without_a_gap(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, mut other] = site.with_units().await;
        let before = site.journal().await.len();
        let site = Arc::new(site);
        let mut tasks = tokio::task::JoinSet::new();
        let (writers, each) = (40, 5);
        for _ in 0..writers {
            let site = site.clone();
            tasks.spawn(async move {
                for n in 0..each {
                    site.write(vec![(ALL, article(n, "")), (INSIDE, notice(n, ""))]).await.unwrap();
                }
            });
        }
        for author in [&mut unit, &mut other] {
            let made: Vec<_> = (0..100).map(|n| author.write(ALL, article(n, ""))).collect();
            // Each batch comes twice, from two links.
            for batch in made.chunks(7).chain(made.chunks(11)) {
                let (site, batch) = (site.clone(), entries(batch));
                tasks.spawn(async move {
                    let taken = site.take(batch, REFILL).await;
                    assert_eq!(taken.refusals().count(), 0);
                });
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let site = Arc::into_inner(site).unwrap();
        // One more: a new life begins in an audience that an earlier one wrote to.
        let expected = before + 1 + writers * usize::from(each) * 2 + 200;
        assert_eq!(site.journal().await.len(), expected);
        let heights = site.heights().await;
        for author in [&unit, &other] {
            assert_eq!(heights[&author.log(ALL, Lane::Content)].seq, 100);
        }
        let own: u64 =
            heights.iter().filter(|(log, _)| log.site == site.id() && log.lane == Lane::Content).map(|(_, it)| it.seq).sum();
        assert_eq!(own, u64::from(each) * 2 * writers as u64);
        assert_eq!(site.forks().await, []);
        assert_eq!(*site.site().door.end().borrow(), i64::try_from(expected).unwrap());
        ends(site).await;
    }

    async fn a_failing_transaction_tells_everyone_and_keeps_nothing(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let made = unit.write(ALL, article(1, ""));
        let before = site.journal().await.len();
        let digests = site.digests().await;
        site.damage("ALTER TABLE article_revisions RENAME TO article_revisions_away").await;
        let door = &site.site().door;
        let (taken, written, other) = tokio::join!(
            door.take(vec![made.entry.clone()], REFILL),
            site.write(vec![(ALL, article(2, ""))]),
            site.write(vec![(ALL, article(3, ""))]),
        );
        assert!(matches!(taken, Err(IngestError::Store(_))), "{taken:?}");
        assert!(matches!(written, Err(IngestError::Store(_))), "{written:?}");
        assert!(matches!(other, Err(IngestError::Store(_))), "{other:?}");
        site.damage("ALTER TABLE article_revisions_away RENAME TO article_revisions").await;
        assert_eq!(site.journal().await.len(), before);
        assert_eq!(site.digests().await, digests);
        // The door stands: the same may be submitted again.
        site.accept([&made]).await;
        site.write(vec![(ALL, article(2, ""))]).await.unwrap();
        ends(site).await;
    }

    async fn a_closed_door_says_so(database) {
        let site = TestSite::node(database).await;
        let door = site.site().door.clone();
        site.close().await;
        let answer = door.write(vec![Draft::new(ALL, article(1, ""))]).await;
        assert!(matches!(answer, Err(IngestError::Stopping)), "{answer:?}");
    }
}
