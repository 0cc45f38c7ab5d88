//! `verify` names what is damaged, and is silent where nothing is; a database of a newer program is left alone.

use lianbo_node::args;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::{Store, StoreError, Tx};
use lianbo_tests::records::{article, notice, retraction};
use lianbo_tests::{Made, TestSite, on_both};

const ALL: Audience = Audience::all(Scope::Organization);

/// A journal with gaps, a fork and a withdrawn entry without a body: positions 3 to 13.
async fn healthy(site: &mut TestSite) -> Vec<Made> {
    let [mut unit, mut other] = site.with_units().await;
    let mut clone = unit.clone();
    let mut made: Vec<Made> = (1..=6).map(|n| unit.write(ALL, article(n, ""))).collect();
    made.remove(3);
    made.extend((1..=2).map(|n| clone.write(ALL, notice(n, ""))));
    made.extend((1..=2).map(|n| other.write(ALL, notice(n, ""))));
    site.accept(&made).await;
    let gone = other.write(ALL, article(9, ""));
    let why = other.write(ALL, retraction([&gone], None, ""));
    site.accept(&[why]).await;
    site.take(vec![gone.without_body()], lianbo_tests::site::REFILL).await;
    assert_eq!(site.journal().await.len(), 13);
    made
}

async fn bytes(tx: &mut Tx, column: &str, position: i64) -> Vec<u8> {
    let sql = format!("SELECT {column} FROM entries WHERE position = $1");
    tx.optional(&sql, args![position]).await.unwrap().unwrap().get(0).unwrap()
}

async fn put(tx: &mut Tx, column: &str, position: i64, value: Vec<u8>) {
    let sql = format!("UPDATE entries SET {column} = $1 WHERE position = $2");
    assert_eq!(tx.execute(&sql, args![value, position]).await.unwrap(), 1);
}

/// Positions at which something is named.
async fn named(site: &TestSite) -> Vec<i64> {
    site.verify().await.iter().map(|it| it.position).collect()
}

on_both! {
    async fn every_flipped_bit_is_named_where_it_is(database) {
        let mut site = TestSite::hub(database).await;
        healthy(&mut site).await;
        assert!(site.verify().await.is_empty(), "{:?}", site.verify().await);
        for column in ["head", "signature", "body", "hash", "rolling", "previous"] {
            for (position, place) in [(4, 0), (4, 20), (5, 31), (7, 12), (11, 5)] {
                let mut tx = site.store().write().await.unwrap();
                let before = bytes(&mut tx, column, position).await;
                let mut after = before.clone();
                after[place] ^= 0x10;
                put(&mut tx, column, position, after).await;
                tx.commit().await.unwrap();
                let found = named(&site).await;
                assert!(found.contains(&position), "{column} at {position}: {found:?}");
                let mut tx = site.store().write().await.unwrap();
                put(&mut tx, column, position, before).await;
                tx.commit().await.unwrap();
            }
        }
        assert!(site.verify().await.is_empty());
        site.close().await;
    }

    async fn a_body_that_nothing_withdrew_is_missed(database) {
        let mut site = TestSite::hub(database).await;
        healthy(&mut site).await;
        site.damage("UPDATE entries SET body = NULL WHERE position = 5").await;
        assert_eq!(named(&site).await, [5]);
        site.close().await;
    }

    async fn a_value_of_the_wrong_length_is_named_and_does_not_stop_the_search(database) {
        let mut site = TestSite::hub(database).await;
        healthy(&mut site).await;
        for column in ["head", "signature", "body", "hash", "rolling", "previous"] {
            let mut tx = site.store().write().await.unwrap();
            let before = bytes(&mut tx, column, 5).await;
            put(&mut tx, column, 5, before[..before.len() - 1].to_vec()).await;
            tx.commit().await.unwrap();
            let found = named(&site).await;
            assert!(found.contains(&5), "{column}: {found:?}");
            let mut tx = site.store().write().await.unwrap();
            put(&mut tx, column, 5, before).await;
            tx.commit().await.unwrap();
        }
        assert!(site.verify().await.is_empty());
        site.close().await;
    }

    async fn an_entry_moved_in_its_log_is_named(database) {
        let mut site = TestSite::hub(database).await;
        healthy(&mut site).await;
        site.damage("UPDATE entries SET seq = seq + 40 WHERE position = 6").await;
        assert!(named(&site).await.contains(&6));
        site.damage("UPDATE entries SET seq = seq - 40 WHERE position = 6").await;
        site.damage("UPDATE entries SET log = (SELECT log FROM entries WHERE position = 10) WHERE position = 6").await;
        assert!(named(&site).await.contains(&6));
        site.close().await;
    }

    async fn a_missing_row_is_named_by_the_one_after_it(database) {
        let mut site = TestSite::hub(database).await;
        healthy(&mut site).await;
        site.damage("DELETE FROM entries WHERE position = 6").await;
        assert!(named(&site).await.contains(&7));
        site.close().await;
    }

    async fn missing_rows_at_the_end_are_named(database) {
        let mut site = TestSite::hub(database).await;
        let made = healthy(&mut site).await;
        site.damage("DELETE FROM entries WHERE position >= 10").await;
        let found = site.verify().await;
        let theirs = made.last().unwrap().site();
        assert!(found.iter().any(|it| it.site == Some(theirs) && it.position == 9), "{found:?}");
        site.close().await;
    }

    async fn a_database_of_a_newer_program_is_refused(database) {
        let site = TestSite::hub(database).await;
        let mut tx = site.store().write().await.unwrap();
        tx.execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'what is to come', TRUE, $1, 0)",
            args![vec![0; 48]],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        match Store::open(site.address()).await {
            Err(error @ StoreError::Newer { found: 9999, known: 1..9999 }) => {
                assert!(error.to_string().contains("newer than this program"));
            }
            other => panic!("{other:?}"),
        }
        site.close().await;
    }

    async fn opening_a_database_again_changes_nothing(database) {
        let mut site = TestSite::hub(database).await;
        healthy(&mut site).await;
        let (digests, heights) = (site.digests().await, site.heights().await);
        let again = Store::open(site.address()).await.unwrap();
        again.close().await;
        assert_eq!((site.digests().await, site.heights().await), (digests, heights));
        site.close().await;
    }
}
