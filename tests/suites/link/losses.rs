//! A hub loses data, some or all: its nodes give it back what they hold (rule 8).

use super::{ORGANIZATION, are, hub_writes, node_writes, titles, village};
use lianbo_hub::enrol::invite::Invite;
use lianbo_node::content::Record;
use lianbo_node::content::site::{self, Enrolment, Revocation, Unit};

use lianbo_node::identity::Identity;
use lianbo_node::ingest::{Draft, IngestError};
use lianbo_node::link::token::invite_id;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_proto::v1::HelloOutcome;
use lianbo_tests::net::{TestHub, TestNode, everything};
use lianbo_tests::raw::RawClient;
use lianbo_tests::{on_both, records};

/// Enrols a site that spent an invitation.
async fn spend(hub: &TestHub, secret: &[u8]) -> Identity {
    let identity = Identity::generate(&mut rand::rng());
    let unit = Unit { code: "spender".into(), name: "用过".into(), parent: String::new() };
    let enrolment = Enrolment {
        site: identity.site,
        key: identity.public(),
        unit,
        ceiling: Scope::Organization,
        invite: Some(invite_id(secret)),
        hub: false,
    };
    hub.write(vec![Draft::new(enrolment.audience(), Record::Enrolment(enrolment))]).await;
    identity
}

async fn revoke(hub: &TestHub, identity: &Identity) {
    let revocation = Revocation { site: identity.site, reason: "机构撤并".into() };
    hub.write(vec![Draft::new(ORGANIZATION, Record::Revocation(revocation))]).await;
    hub.hub().refresh_members().await.unwrap();
}

async fn signs(hub: &TestHub) -> bool {
    let probe = Draft::new(Audience::all(Scope::Internal), records::article(200, "probe"));
    match hub.hub().door.write(vec![probe]).await {
        Ok(_) => true,
        Err(IngestError::Fenced(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn outcome(hub: &TestHub, node: &TestNode) -> HelloOutcome {
    let mut client = RawClient::connect(hub, &node.pki(), Scope::Organization).await;
    client.sync.hello(node.hello().await).await.unwrap().into_inner().outcome()
}

/// Everything of the private network at the hub and at the nodes is the same.
async fn assert_equal(hub: &TestHub, nodes: &[&TestNode]) {
    let at_hub = everything(&mut hub.store.read().await.unwrap()).await;
    let shared = |it: &(lianbo_node::entry::LogId, u64, lianbo_node::entry::Hash)| {
        it.0.audience.scope >= Scope::Organization && it.0.audience.addressee.is_none()
    };
    let at_hub: std::collections::BTreeSet<_> = at_hub.into_iter().filter(shared).collect();
    for node in nodes {
        let here = everything(&mut node.read().await).await.into_iter().filter(shared).collect();
        assert_eq!(at_hub, here);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_put_back_to_an_older_copy_is_filled_up_by_its_nodes() {
    let mut hub = TestHub::start(TestDatabase::sqlite().await).await;
    let (first, second) = (village(&hub, "village").await, village(&hub, "township").await);
    for node in [&first, &second] {
        node.subscribe(None, "news").await;
    }
    node_writes(&first, 1, "early").await;
    hub_writes(&hub, 2, "early-above").await;
    first.sync().await;
    second.sync().await;
    let old = hub.copy().await;

    // All of this the hub will forget.
    let late = village(&hub, "late").await;
    late.subscribe(None, "news").await;
    let spender = spend(&hub, b"a secret").await;
    revoke(&hub, &spender).await;
    hub_writes(&hub, 3, "late-above").await;
    node_writes(&first, 4, "late-first").await;
    node_writes(&late, 5, "late-late").await;
    for node in [&first, &late, &second, &first, &late] {
        node.sync().await;
    }
    let before = everything(&mut first.read().await).await;

    hub.put_back(&old).await;
    assert!(!hub.fenced(), "nothing shows yet");
    assert_eq!(outcome(&hub, &first).await, HelloOutcome::HubRolledBack);
    assert!(hub.fenced());
    assert!(!signs(&hub).await);
    // The one it forgot comes first.
    late.sync().await;
    first.sync().await;
    second.sync().await;
    assert!(!signs(&hub).await, "until the operator's word");
    let all = ["early", "early-above", "late-above", "late-first", "late-late"];
    let mut tx = hub.store.read().await.unwrap();
    let found = titles(&mut tx).await;
    assert!(are(&found, &all), "{found:?}");
    assert!(everything(&mut tx).await.is_superset(&before));
    assert!(site::invite_spent(&mut tx, invite_id(b"a secret")).await.unwrap().is_some());
    assert!(site::revoked(&mut tx).await.unwrap().contains(&spender.site));
    assert!(site::get(&mut tx, late.identity.site).await.unwrap().is_some());
    drop(tx);

    hub.let_sign().await;
    hub_writes(&hub, 6, "new-life").await;
    for node in [&first, &second, &late, &first, &second, &late] {
        node.sync().await;
    }
    for node in [&first, &second, &late] {
        assert_eq!(titles(&mut node.read().await).await.len(), 6);
        assert_eq!(outcome(&hub, node).await, HelloOutcome::Resume);
    }
    assert_equal(&hub, &[&first, &second, &late]).await;
    for node in [first, second, late] {
        node.close().await;
    }
    hub.close().await;
}

on_both! {
    async fn a_hub_that_lost_everything_but_its_keys_is_filled_up_too(database) {
        let fresh = if database.address.starts_with("sqlite") {
            TestDatabase::sqlite().await
        } else {
            TestDatabase::postgres().await.unwrap()
        };
        let mut hub = TestHub::start(database).await;
        let (first, second) = (village(&hub, "village").await, village(&hub, "township").await);
        let spender = spend(&hub, b"a secret").await;
        revoke(&hub, &spender).await;
        hub_writes(&hub, 1, "above").await;
        node_writes(&first, 2, "first").await;
        node_writes(&second, 3, "second").await;
        for node in [&first, &second, &first] {
            node.sync().await;
        }
        let secret = Draft::new(Audience::all(Scope::Internal), records::article(4, "secret"));
        hub.write(vec![secret]).await;

        hub.lose(fresh).await;
        assert!(hub.fenced());
        assert_eq!(outcome(&hub, &second).await, HelloOutcome::HubRolledBack);
        for node in [&first, &second] {
            node.sync().await;
        }
        let mut tx = hub.store.read().await.unwrap();
        let found = titles(&mut tx).await;
        assert!(are(&found, &["above", "first", "second"]), "{found:?}");
        let spent = site::invite_spent(&mut tx, invite_id(b"a secret")).await.unwrap();
        assert_eq!(spent, Some(spender.site));
        assert!(site::revoked(&mut tx).await.unwrap().contains(&spender.site));
        let refused = Invite::find(&mut tx, b"a secret", false, 0).await;
        assert!(refused.unwrap_err().to_string().contains("spent"));
        drop(tx);
        hub.let_sign().await;
        assert!(signs(&hub).await);
        for node in [&first, &second, &first, &second] {
            node.sync().await;
        }
        assert_eq!(outcome(&hub, &first).await, HelloOutcome::Resume);
        first.close().await;
        second.close().await;
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_hub_tells_a_site_it_forgot_nothing_but_what_anybody_may_read() {
    let mut hub = TestHub::start(TestDatabase::sqlite().await).await;
    let secret = Draft::new(Audience::all(Scope::Internal), records::article(1, "secret"));
    hub.write(vec![secret]).await;
    hub_writes(&hub, 2, "private").await;
    let everybody = Draft::new(Audience::all(Scope::Public), records::article(3, "open"));
    hub.write(vec![everybody]).await;
    let knows = village(&hub, "village").await;
    let old = hub.copy().await;
    let forgotten = Identity::generate(&mut rand::rng());
    let pki = hub.enrol(&forgotten, "forgotten", Scope::Public).await;
    knows.sync().await;
    hub.put_back(&old).await;
    assert_eq!(outcome(&hub, &knows).await, HelloOutcome::HubRolledBack);

    // Its ceiling is public; the listener's is internal.
    let mut client = RawClient::connect(&hub, &pki, Scope::Internal).await;
    let pulled = client.pull(lianbo_node::entry::Lane::Content, bytes::Bytes::new()).await.unwrap();
    let entries = lianbo_tests::raw::open_frame(&pulled.frame);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].0.log.audience.scope, Scope::Public);
    knows.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_hub_signed_before_it_noticed_replaces_nothing() {
    let mut hub = TestHub::start(TestDatabase::sqlite().await).await;
    let node = village(&hub, "village").await;
    hub_writes(&hub, 1, "shared").await;
    node.sync().await;
    let old = hub.copy().await;
    hub_writes(&hub, 2, "lost-one").await;
    hub_writes(&hub, 3, "lost-two").await;
    node.sync().await;
    for written in [1, 2, 3] {
        hub.put_back(&old).await;
        // As many as were lost, fewer, more.
        for n in 0..written {
            hub_writes(&hub, 10 + n, &format!("again-{n}")).await;
        }
        node.sync().await;
        let mut tx = hub.store.read().await.unwrap();
        let found = titles(&mut tx).await;
        for mark in ["shared", "lost-one", "lost-two", "again-0"] {
            assert!(found.iter().any(|title| title.ends_with(mark)), "{mark}: {found:?}");
        }
        assert!(hub.fenced());
        let forks = lianbo_node::journal::forks(&mut tx).await.unwrap();
        assert!(!forks.is_empty(), "both branches are held, and reported");
    }
    node.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_while_its_hub_was_filled_up_gives_back_what_it_holds_later() {
    let mut hub = TestHub::start(TestDatabase::sqlite().await).await;
    let (near, away) = (village(&hub, "near").await, village(&hub, "away").await);
    hub_writes(&hub, 1, "shared").await;
    near.sync().await;
    let old = hub.copy().await;
    hub_writes(&hub, 2, "near-has").await;
    near.sync().await;
    hub_writes(&hub, 3, "away-has").await;
    away.sync().await;
    hub.put_back(&old).await;
    near.sync().await;
    assert!(hub.fenced());
    hub.let_sign().await;
    hub_writes(&hub, 4, "new").await;
    // It still holds the hub's word that it belongs, which went to everybody on the private network.
    away.sync().await;
    let all = ["shared", "near-has", "away-has", "new"];
    let found = titles(&mut hub.store.read().await.unwrap()).await;
    assert!(are(&found, &all), "{found:?}");
    near.sync().await;
    assert!(are(&titles(&mut near.read().await).await, &all));
    near.close().await;
    away.close().await;
    hub.close().await;
}
