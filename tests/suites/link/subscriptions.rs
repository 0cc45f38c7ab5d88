//! What goes between siblings: subscribed columns, their retractions, and what is addressed.

use super::{ORGANIZATION, are, hub_writes, titles, titles_for, village};
use lianbo_node::content::notice;
use lianbo_node::content::retraction::{Retraction, Target};
use lianbo_node::content::{Record, article};
use lianbo_node::scope::{Audience, Reader, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_proto::v1;
use lianbo_tests::net::{TestHub, everything};
use lianbo_tests::{on_both, records};

use super::canaries::get;

on_both! {
    async fn siblings_articles_come_for_subscribed_columns_and_go_when_withdrawn(database) {
        let hub = TestHub::start(database).await;
        let author = village(&hub, "author").await;
        let (any, one, none) =
            (village(&hub, "any").await, village(&hub, "one").await, village(&hub, "none").await);
        any.subscribe(None, "rencai").await;
        one.subscribe(Some(author.identity.site), "news").await;
        let rencai = author.write(ORGANIZATION, records::article_in(1, "rencai", "people")).await;
        author.write(ORGANIZATION, records::article_in(2, "news", "news")).await;
        author.sync().await;
        for node in [&any, &one, &none] {
            node.sync().await;
        }
        assert!(are(&titles(&mut any.read().await).await, &["people"]));
        assert!(are(&titles(&mut one.read().await).await, &["news"]));
        assert!(are(&titles(&mut none.read().await).await, &[]));

        let target = Target { log: rencai.log, seq: rencai.seq, hash: rencai.hash };
        let retraction = Retraction { targets: vec![target], record: None, reason: "有误".into() };
        author.write(ORGANIZATION, Record::Retraction(retraction)).await;
        author.sync().await;
        any.sync().await;
        assert!(are(&titles(&mut any.read().await).await, &[]), "withdrawn");
        // A later subscriber gets the head without its text, and shows nothing.
        none.subscribe(None, "rencai").await;
        none.sync().await;
        assert!(are(&titles(&mut none.read().await).await, &[]));
        let held = everything(&mut none.read().await).await;
        assert!(held.iter().any(|(log, _, hash)| *log == rencai.log && *hash == rencai.hash));
        for node in [author, any, one, none] {
            node.close().await;
        }
        hub.close().await;
    }

    async fn a_letter_between_two_nodes_is_carried_and_shown_to_nobody_else(database) {
        let hub = TestHub::start(database).await;
        let (from, to, third) =
            (village(&hub, "from").await, village(&hub, "to").await, village(&hub, "third").await);
        third.subscribe(None, "news").await;
        let direct = Audience::direct(Scope::Organization, to.identity.site);
        let letter = from.write(direct, records::article(1, "letter")).await;
        let note = from.write(direct, records::notice(2, "note")).await;
        hub_writes(&hub, 3, "open").await;
        from.sync().await;
        for node in [&to, &third] {
            node.sync().await;
        }
        let reader = |node: &lianbo_tests::net::TestNode| {
            Reader::site(node.identity.site, Scope::Organization, Scope::Organization)
        };
        let own = from.identity.site;
        let mut tx = to.read().await;
        let found = article::get(&mut tx, reader(&to), own, records::id(1)).await.unwrap();
        assert!(found.is_some(), "the addressee reads it");
        assert_eq!(notice::list(&mut tx, reader(&to), 10).await.unwrap().len(), 1);
        assert!(are(&titles(&mut tx).await, &["open"]), "visitors of its pages do not");
        drop(tx);
        let held = everything(&mut third.read().await).await;
        assert!(held.iter().all(|(log, ..)| log.audience.addressee.is_none()));
        let held = everything(&mut hub.store.read().await.unwrap()).await;
        for written in [&letter, &note] {
            assert!(held.iter().any(|(_, _, hash)| *hash == written.hash), "the hub carries it");
        }
        let mut tx = hub.store.read().await.unwrap();
        let at_hub = Reader::site(hub.identity.site, Scope::Internal, Scope::Internal);
        let shown = titles_for(&mut tx, at_hub).await;
        assert!(are(&shown, &["open"]), "{shown:?}");
        assert!(notice::list(&mut tx, at_hub, 10).await.unwrap().is_empty());
        drop(tx);
        for path in ["/".into(), "/notices".into(), format!("/article/{own}/{}", records::id(1))] {
            let page = get(hub.pages(Scope::Internal), &path).await;
            assert!(!page.contains("letter") && !page.contains("note}"), "{path}");
            assert!(path != format!("/article/{own}/{}", records::id(1)) || page.contains(" 404 "));
        }
        // Receipts for the note go back the same way.
        to.sync().await;
        from.sync().await;
        let held = everything(&mut from.read().await).await;
        let answered = held.iter().any(|(log, ..)| log.site == to.identity.site);
        assert!(answered, "the author hears that it was delivered");
        for node in [from, to, third] {
            node.close().await;
        }
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_tells_nothing_of_letters_between_others() {
    let mut hub = TestHub::start(TestDatabase::sqlite().await).await;
    let (from, to, third) =
        (village(&hub, "from").await, village(&hub, "to").await, village(&hub, "third").await);
    let direct = Audience::direct(Scope::Organization, to.identity.site);
    let letter = from.write(direct, records::article(1, "letter")).await;
    from.sync().await;
    third.sync().await;
    let old = hub.copy().await;
    hub_writes(&hub, 2, "more").await;
    third.sync().await;
    hub.put_back(&old).await;
    let pki = third.pki();
    let mut client = lianbo_tests::raw::RawClient::connect(&hub, &pki, Scope::Organization).await;
    let hello = client.sync.hello(third.hello().await).await.unwrap().into_inner();
    assert_eq!(hello.outcome(), v1::HelloOutcome::HubRolledBack);
    let claim = lianbo_node::heights::Height { seq: 99, hash: letter.hash };
    let offer = lianbo_tests::raw::offer(&[(letter.log, claim)].into());
    let answer = client.sync.offer(offer).await.unwrap().into_inner();
    assert_eq!(answer.wanted, []);
    drop(client);
    for node in [from, to, third] {
        node.close().await;
    }
    hub.close().await;
}
