//! Order, gaps, forks, bodies that come later.

use lianbo_node::content::article;
use lianbo_node::entry::{Hash, Lane};
use lianbo_node::heights::Height;
use lianbo_node::ingest::Outcome;
use lianbo_node::scope::{Audience, Scope};
use lianbo_tests::author::{Made, TestAuthor};
use lianbo_tests::records::{article, id, notice, retraction};
use lianbo_tests::site::REFILL;
use lianbo_tests::{TestSite, on_both};

const ALL: Audience = Audience::all(Scope::Organization);

fn height(made: &Made) -> Height {
    Height { seq: made.head.seq, hash: made.hash }
}

fn articles(author: &mut TestAuthor, count: u8) -> Vec<Made> {
    (1..=count).map(|n| author.write(ALL, article(n, ""))).collect()
}

async fn ends(site: TestSite) {
    site.assert_sound_journal().await;
    assert!(site.rebuild().await.unchanged, "views rebuilt from the journal are other views");
    assert!(site.verify().await.is_empty(), "a healthy journal: {:?}", site.verify().await);
    site.close().await;
}

on_both! {
    async fn what_comes_twice_is_kept_once(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let made = articles(&mut unit, 3);
        site.accept(&made).await;
        assert_eq!(site.outcomes(&made).await, vec![Outcome::Known; 3]);
        let twice = unit.write(ALL, article(9, ""));
        let outcomes = site.outcomes(&[twice.clone(), twice]).await;
        assert_eq!(outcomes, [Outcome::Accepted(6), Outcome::Known]);
        ends(site).await;
    }

    async fn outcomes_and_positions_come_in_the_order_of_the_batch(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, mut other] = site.with_units().await;
        let mut made = articles(&mut unit, 2);
        made.insert(1, other.write(ALL, notice(1, "")));
        let expected: Vec<Outcome> = (3..=5).map(Outcome::Accepted).collect();
        let taken = site.take(lianbo_tests::author::entries(&made), REFILL).await;
        assert_eq!(taken.outcomes, expected);
        assert_eq!(taken.heights[&made[2].head.log], height(&made[2]));
        assert_eq!(taken.heights[&made[1].head.log], height(&made[1]));
        let kept: Vec<Hash> = site.journal().await[2..].iter().map(|item| item.hash).collect();
        assert_eq!(kept, made.iter().map(|it| it.hash).collect::<Vec<_>>());
        ends(site).await;
    }

    async fn an_entry_before_its_predecessors_is_shown_and_absorbed_when_the_gap_closes(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let made = articles(&mut unit, 6);
        let log = made[0].head.log;
        site.accept(&made[5..]).await;
        assert_eq!(site.heights().await.get(&log), None, "a height has no gap below");
        let mut tx = site.read().await;
        let line = article::get(&mut tx, site.reader(), unit.site(), id(6)).await.unwrap();
        assert!(line.is_some(), "a detached entry is folded");
        drop(tx);
        site.accept([&made[0], &made[3]]).await;
        assert_eq!(site.heights().await[&log], height(&made[0]));
        site.accept([&made[2], &made[1]]).await;
        assert_eq!(site.heights().await[&log], height(&made[3]));
        site.accept([&made[4]]).await;
        assert_eq!(site.heights().await[&log], height(&made[5]));
        assert_eq!(site.forks().await, []);
        ends(site).await;
    }

    async fn gaps_close_over_more_entries_than_are_read_at_a_time(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let made: Vec<Made> =
            (0..1100).map(|_| unit.write_body(ALL, Lane::Content, vec![0xfa, 0x07, 0].into())).collect();
        site.accept(&made[1..]).await;
        assert_eq!(site.heights().await.get(&made[0].head.log), None);
        site.accept(&made[..1]).await;
        assert_eq!(site.heights().await[&made[0].head.log], height(&made[1099]));
        ends(site).await;
    }

    async fn both_branches_of_a_fork_are_kept_folded_and_reported_in_any_order(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let made = articles(&mut unit, 2);
        let log = made[0].head.log;
        let mut clone = unit.clone();
        let ours: Vec<Made> = (11..=13).map(|n| unit.write(ALL, article(n, "甲"))).collect();
        let theirs: Vec<Made> = (21..=23).map(|n| clone.write(ALL, article(n, "乙"))).collect();
        site.accept(&made).await;
        site.accept([&ours[0], &theirs[1], &ours[1]]).await;
        assert!(site.forks().await.contains(&(log, 3)), "the second branch's successor tells of it");
        site.accept([&theirs[0], &theirs[2], &ours[2]]).await;
        assert!(site.forks().await.contains(&(log, 3)));
        let mut tx = site.read().await;
        for n in [11, 12, 13, 21, 22, 23] {
            let held = article::get(&mut tx, site.reader(), unit.site(), id(n)).await.unwrap();
            assert!(held.is_some(), "article {n}");
        }
        drop(tx);
        ends(site).await;
    }

    async fn a_fork_is_reported_when_the_successor_came_before_the_other_branch(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let first = articles(&mut unit, 1);
        let mut clone = unit.clone();
        unit.write(ALL, article(2, "甲"));
        let after = unit.write(ALL, article(3, "甲"));
        let other = clone.write(ALL, article(4, "乙"));
        site.accept(&first).await;
        site.accept([&after]).await;
        assert_eq!(site.forks().await, [], "a gap is no fork");
        site.accept([&other]).await;
        assert_eq!(site.forks().await, [(other.head.log, 2)]);
        ends(site).await;
    }

    async fn a_fork_below_the_tip_is_reported_however_entries_are_batched(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let mut clone = unit.clone();
        let ours = articles(&mut unit, 2);
        clone.write(ALL, article(9, "乙"));
        let theirs = clone.write(ALL, article(8, "乙"));
        site.accept(&ours[..1]).await;
        site.accept([&ours[1], &theirs]).await;
        let log = theirs.head.log;
        assert_eq!(site.forks().await, [(log, 1), (log, 2)]);
        ends(site).await;
    }

    async fn a_forked_log_stands_as_high_as_its_longest_branch_in_any_order(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let mut clone = unit.clone();
        let ours = articles(&mut unit, 1);
        let theirs: Vec<Made> = (21..=23).map(|n| clone.write(ALL, article(n, "乙"))).collect();
        site.accept(&ours).await;
        site.accept(&theirs).await;
        assert_eq!(site.heights().await[&ours[0].head.log], height(&theirs[2]));
        ends(site).await;
    }

    async fn a_body_that_comes_later_is_filled_in_and_shown(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let made = articles(&mut unit, 2);
        let heads = made.iter().map(Made::without_body).collect();
        assert_eq!(site.take(heads, REFILL).await.accepted(), 2);
        assert_eq!(site.heights().await[&made[0].head.log], height(&made[1]));
        let mut tx = site.read().await;
        assert_eq!(article::get(&mut tx, site.reader(), unit.site(), id(1)).await.unwrap(), None);
        drop(tx);
        site.clock.advance(60_000);
        assert_eq!(site.outcomes(&made).await, [Outcome::Known, Outcome::Known]);
        let mut tx = site.read().await;
        let view = article::get(&mut tx, site.reader(), unit.site(), id(1)).await.unwrap();
        assert!(view.is_some());
        drop(tx);
        let items = site.journal().await;
        assert_eq!(items[2].entry, made[0].entry);
        assert_eq!(items[2].slug.as_deref(), Some("news"));
        // Without a body again: what is held stays.
        let heads: Vec<_> = made.iter().map(Made::without_body).collect();
        assert_eq!(site.take(heads, REFILL).await.outcomes, [Outcome::Known, Outcome::Known]);
        assert!(site.journal().await[2].entry.body.is_some());
        ends(site).await;
    }

    async fn head_and_body_in_one_batch_become_one_entry(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let made = unit.write(ALL, article(1, ""));
        let batch = vec![made.without_body(), made.entry.clone(), made.entry.clone()];
        let fresh = site.site().door.fresh();
        fresh.want();
        let taken = site.take(batch, REFILL).await;
        assert_eq!(taken.outcomes, [Outcome::Accepted(3), Outcome::Known, Outcome::Known]);
        assert_eq!(site.journal().await[2].entry, made.entry);
        let handed = fresh.take_after(2, usize::MAX);
        assert!(handed.iter().all(|item| item.entry == made.entry), "handed on without its body");
        ends(site).await;
    }

    async fn another_life_of_the_data_is_another_log(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let before = articles(&mut unit, 2);
        let start = unit.reborn(ALL);
        let after = articles(&mut unit, 1);
        site.accept(before.iter().chain([&start]).chain(&after)).await;
        let heights = site.heights().await;
        assert_eq!(heights[&before[1].head.log], height(&before[1]));
        assert_eq!(heights[&after[0].head.log], height(&after[0]));
        assert_eq!(site.forks().await, []);
        // A retraction in the new life reaches entries of the old one.
        site.accept([&unit.write(ALL, retraction(&before[1..], None, ""))]).await;
        let mut tx = site.read().await;
        assert_eq!(article::get(&mut tx, site.reader(), unit.site(), id(2)).await.unwrap(), None);
        drop(tx);
        ends(site).await;
    }

    async fn an_unknown_kind_of_record_is_kept_to_the_bit_and_passed_on(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        // Field 127, a message; and a known kind with a field of the future.
        let unknown = unit.write_body(ALL, Lane::Content, vec![0xfa, 0x07, 0x02, 0x08, 0x01].into());
        let nothing = unit.write_body(ALL, Lane::Control, Vec::new().into());
        let mut body = unit.write(ALL, article(1, "")).entry.body.unwrap().to_vec();
        body.extend([0xfa, 0x07, 0x00]);
        let newer = unit.write_body(ALL, Lane::Content, body.into());
        site.accept([&unknown, &nothing, &newer]).await;
        let items = site.journal().await;
        for (item, made) in items[2..].iter().zip([unknown, nothing, newer]) {
            assert_eq!(item.entry, made.entry);
        }
        site.assert_sound_journal().await;
        let mut tx = site.read().await;
        let view = article::get(&mut tx, site.reader(), unit.site(), id(1)).await.unwrap();
        assert!(view.is_some(), "a further field does not hide an article");
        drop(tx);
        ends(site).await;
    }
}
