//! What many read alike is read once; what concerns one of them alone is still theirs alone.

use std::collections::BTreeSet;

use super::{ORGANIZATION, hub_writes};
use lianbo_node::content::Record;
use lianbo_node::content::retraction::{Retraction, Target};
use lianbo_node::entry::{Entry, Hash, Head, Lane, SiteId};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::scope::{Audience, Scope};
use lianbo_proto::v1;
use lianbo_tests::net::TestHub;
use lianbo_tests::raw::{Following, RawClient, open_frame, pull};
use lianbo_tests::{TestAuthor, on_both, records};

async fn client(hub: &TestHub, identity: &Identity, code: &str, ceiling: Scope) -> RawClient {
    let pki = hub.enrol(identity, code, ceiling).await;
    RawClient::connect(hub, &pki, Scope::Internal).await
}

/// Everything a new follower gets.
async fn history(client: &mut RawClient) -> Vec<(Head, Entry)> {
    let mut stream = client.follow(v1::FollowOpen::default()).await.unwrap();
    stream.settle().await.iter().flat_map(|batch| entries(&batch.frame)).collect()
}

fn entries(frame: &[u8]) -> Vec<(Head, Entry)> {
    if frame.is_empty() { Vec::new() } else { open_frame(frame) }
}

fn authors(history: &[(Head, Entry)]) -> BTreeSet<SiteId> {
    history.iter().map(|(head, _)| head.log.site).collect()
}

fn addressees(history: &[(Head, Entry)]) -> BTreeSet<SiteId> {
    history.iter().filter_map(|(head, _)| head.log.audience.addressee).collect()
}

async fn until_withdrawn(stream: &mut Following) {
    while stream.batch().await.lane != Lane::Control as i32 {}
}

on_both! {
    async fn everybody_gets_the_same_history_but_for_what_is_their_own(database) {
        let hub = TestHub::start(database).await;
        let mut authors_of = Vec::new();
        let mut clients = Vec::new();
        for (code, ceiling) in [
            ("one", Scope::Organization),
            ("two", Scope::Organization),
            ("inner", Scope::Internal),
            ("three", Scope::Organization),
        ] {
            let author = TestAuthor::of(Identity::generate(&mut rand::rng()));
            clients.push(client(&hub, &author.identity, code, ceiling).await);
            authors_of.push(author);
        }
        let [one, two, inner, three] =
            [0, 1, 2, 3].map(|index: usize| authors_of[index].identity.site);
        hub_writes(&hub, 1, "all").await;
        let internal = Audience::all(Scope::Internal);
        hub.write(vec![Draft::new(internal, records::article(2, "inside"))]).await;
        let direct = Audience::direct(Scope::Organization, two);
        hub.write(vec![Draft::new(direct, records::notice(3, "to two"))]).await;
        // A retraction is in the control lane, which goes to every site but its author's.
        let own = authors_of[0].write(ORGANIZATION, records::article(4, "of one"));
        let withdrawn = authors_of[0].write(ORGANIZATION, records::retraction([&own], None, ""));
        clients[0].push_entries(&[own.entry.clone(), withdrawn.entry.clone()]).await.unwrap();

        // Twice, and in both orders: who reads first leaves what was read to the others.
        for order in [[0, 1, 2, 3], [3, 2, 1, 0]] {
            let mut got = vec![Vec::new(); 4];
            for index in order {
                got[index] = history(&mut clients[index]).await;
                let frame = clients[index].pull(Lane::Content, bytes::Bytes::new()).await.unwrap().frame;
                let pulled = entries(&frame);
                let content = got[index].iter().filter(|(head, _)| head.log.lane == Lane::Content);
                let hashes = |list: &[&(Head, Entry)]| -> BTreeSet<Hash> {
                    list.iter().map(|(_, entry)| Hash::of(&entry.head)).collect()
                };
                assert_eq!(
                    hashes(&pulled.iter().collect::<Vec<_>>()),
                    hashes(&content.collect::<Vec<_>>()),
                    "Pull and Follow"
                );
            }
            let internals = |index: usize| {
                got[index].iter().filter(|(head, _)| head.log.audience.scope == Scope::Internal).count()
            };
            assert!(!authors(&got[0]).contains(&one), "its own entries do not come back");
            for index in [1, 2, 3] {
                assert!(authors(&got[index]).contains(&one), "a sibling's retraction comes");
            }
            assert_eq!(addressees(&got[1]), [two].into());
            for index in [0, 2, 3] {
                assert_eq!(addressees(&got[index]), BTreeSet::new());
            }
            assert!(internals(2) > 0);
            assert_eq!([internals(0), internals(1), internals(3)], [0, 0, 0]);
            assert!(![inner, three].iter().any(|site| authors(&got[0]).contains(site)));
        }
        drop(clients);
        hub.close().await;
    }

    async fn what_was_withdrawn_is_not_given_from_what_others_read_before(database) {
        let hub = TestHub::start(database).await;
        let mut readers = Vec::new();
        for code in ["early", "late"] {
            let identity = Identity::generate(&mut rand::rng());
            readers.push(client(&hub, &identity, code, Scope::Organization).await);
        }
        let written = hub.write(vec![Draft::new(ORGANIZATION, records::article(1, "gone"))]).await;
        let written = written.first().copied().unwrap();
        hub_writes(&hub, 2, "stays").await;
        let bodies = |batches: &[v1::FollowResponse]| {
            let entries = batches.iter().flat_map(|batch| entries(&batch.frame));
            let content = entries.filter(|(head, _)| head.log.lane == Lane::Content);
            content.filter(|(_, entry)| entry.body.is_some()).count()
        };
        let mut early = readers[0].follow(v1::FollowOpen::default()).await.unwrap();
        assert_eq!(bodies(&early.settle().await), 2);
        readers[0].pull(Lane::Content, bytes::Bytes::new()).await.unwrap();

        let target = Target { log: written.log, seq: written.seq, hash: written.hash };
        let retraction = Retraction { targets: vec![target], record: None, reason: "有误".into() };
        hub.write(vec![Draft::new(ORGANIZATION, Record::Retraction(retraction))]).await;
        until_withdrawn(&mut early).await;
        let mut late = readers[1].follow(v1::FollowOpen::default()).await.unwrap();
        let got = late.settle().await;
        assert_eq!(bodies(&got), 1);
        let heads = got.iter().flat_map(|batch| entries(&batch.frame));
        let content = heads.filter(|(head, _)| head.log.lane == Lane::Content);
        assert_eq!(content.count(), 2, "the bare head comes, so that the chain is whole");
        let (answers, _) = readers[1].pull_all(&pull(Lane::Content)).await.unwrap();
        let pulled = answers.iter().flat_map(|answer| entries(&answer.frame));
        assert_eq!(pulled.filter(|(_, entry)| entry.body.is_some()).count(), 1);
        drop((early, late, readers));
        hub.close().await;
    }
}
