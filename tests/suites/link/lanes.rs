//! Control before live before catch-up, and cursors that tell nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{ORGANIZATION, hub_writes};
use bytes::Bytes;
use lianbo_node::content::Record;
use lianbo_node::content::retraction::{Retraction, Target};
use lianbo_node::entry::{Hash, Lane};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::wire::decode_record;
use lianbo_proto::v1;
use lianbo_tests::net::{PATIENCE, TestHub, eventually};
use lianbo_tests::raw::{RawClient, open_frame, pull};
use lianbo_tests::{on_both, records};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

async fn client(hub: &TestHub, code: &str, ceiling: Scope) -> RawClient {
    let identity = Identity::generate(&mut rand::rng());
    let pki = hub.enrol(&identity, code, ceiling).await;
    RawClient::connect(hub, &pki, ceiling).await
}

fn decoded(batch: &v1::FollowResponse) -> Vec<Record> {
    open_frame(&batch.frame)
        .into_iter()
        .filter_map(|(_, entry)| decode_record(&entry.body?).unwrap())
        .collect()
}

/// An article of 5 KB that compresses to half of that: many do not fit into the buffers on the way.
fn long(n: usize) -> Record {
    let Record::Article(mut article) = records::article(1, "old") else { unreachable!() };
    article.id = lianbo_node::entry::RecordId(u128::try_from(n).unwrap().to_be_bytes());
    let lines = (0..80).map(|line| hex::encode(Hash::of(format!("{n} {line}").as_bytes()).0));
    article.text = lines.collect();
    Record::Article(article)
}

on_both! {
    async fn what_is_urgent_overtakes_a_catch_up(database) {
        let hub = TestHub::start(database).await;
        let mut first = None;
        for chunk in 0..4 {
            let drafts = (0..500).map(|n| Draft::new(ORGANIZATION, long(chunk * 500 + n)));
            let written = hub.write(drafts.collect()).await;
            first = first.or(written.first().copied());
        }
        let first = first.unwrap();
        let mut behind = client(&hub, "village", Scope::Organization).await;
        // The end of the journal is read behind its writers: wait until all of it went to somebody.
        let mut ahead = client(&hub, "ahead", Scope::Organization).await;
        let mut first_stream = ahead.follow(v1::FollowOpen::default()).await.unwrap();
        let mut seen = 0;
        while seen < 2000 {
            let batch = first_stream.batch().await;
            seen += decoded(&batch).iter().filter(|it| matches!(it, Record::Article(_))).count();
            if !batch.cursor.is_empty() {
                first_stream.ack(&batch).await;
            }
        }
        drop((ahead, first_stream));
        let mut stream = behind.follow(v1::FollowOpen::default()).await.unwrap();
        let opening = stream.batch().await;
        assert_eq!(opening.lane, Lane::Control as i32, "control comes first");
        // Nothing of the catch-up is read yet; two batches at most wait on the way.
        let target = Target { log: first.log, seq: first.seq, hash: first.hash };
        let retraction = Retraction { targets: vec![target], record: None, reason: "有误".into() };
        hub.write(vec![
            Draft::new(ORGANIZATION, Record::Retraction(retraction)),
            Draft::new(ORGANIZATION, records::notice(9, "urgent")),
        ])
        .await;
        let (mut retracted, mut noticed, mut old, mut at_retraction) = (None, None, 0, 0);
        let mut index = 0;
        let mut uncovered = false;
        while old < 1999 || noticed.is_none() {
            let batch = stream.batch().await;
            index += 1;
            for record in decoded(&batch) {
                match record {
                    Record::Retraction(_) => {
                        retracted = Some(index);
                        at_retraction = old;
                    }
                    Record::Notice(_) => {
                        noticed = Some(index);
                        assert!(batch.cursor.is_empty(), "ahead of the catch-up: no cursor");
                        uncovered = true;
                    }
                    Record::Article(_) => old += 1,
                    _ => {}
                }
            }
            if !batch.cursor.is_empty() {
                stream.ack(&batch).await;
            }
        }
        let (retracted, noticed) = (retracted.unwrap(), noticed.unwrap());
        assert!(retracted < noticed, "control before live: {retracted} {noticed}");
        assert!(at_retraction < 1600, "before the rest of the catch-up: {at_retraction}");
        assert!(noticed < index, "live before the end of the catch-up");
        assert!(uncovered);
        // What was sent ahead is covered by what came last: the next stream begins after it.
        let settled = stream.settle().await;
        let cursor = |lane: Lane| {
            let mut cursors = settled.iter().filter(|it| it.lane == lane as i32);
            cursors.next_back().map(|it| it.cursor.clone())
        };
        let content = cursor(Lane::Content).expect("a cursor once all is caught up");
        let again = behind.pull(Lane::Content, content).await.unwrap();
        assert!(again.frame.is_empty() && !again.more);
        hub.close().await;
    }
}

#[tokio::test]
async fn hidden_entries_move_nothing_that_a_follower_can_see() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut public = client(&hub, "outside", Scope::Public).await;
    let everybody = Audience::all(Scope::Public);
    hub.write(vec![Draft::new(everybody, records::article(1, "open"))]).await;
    let mut stream = public.follow(v1::FollowOpen::default()).await.unwrap();
    let mut lengths: BTreeSet<usize> =
        stream.settle().await.iter().map(|it| it.cursor.len()).collect();
    let secret = Audience::all(Scope::Internal);
    for n in 2..30 {
        hub.write(vec![Draft::new(secret, records::article(n, "secret"))]).await;
        hub.write(vec![Draft::new(ORGANIZATION, records::notice(n, "private"))]).await;
    }
    assert!(stream.silent_for(Duration::from_millis(500)).await, "not a byte");
    hub.write(vec![Draft::new(everybody, records::article(40, "open"))]).await;
    let batch = stream.batch().await;
    assert_eq!(open_frame(&batch.frame).len(), 1);
    lengths.insert(batch.cursor.len());
    // Pulls look the same whether or not there is something hidden.
    let (answers, cursor) = public.pull_all(&pull(Lane::Content)).await.unwrap();
    assert_eq!(answers.len(), 1);
    lengths.insert(cursor.len());
    for n in 50..60 {
        hub.write(vec![Draft::new(secret, records::article(n, "secret"))]).await;
    }
    let answer = public.pull(Lane::Content, cursor).await.unwrap();
    assert!(answer.frame.is_empty() && !answer.more);
    lengths.insert(answer.cursor.len());
    assert_eq!(lengths.len(), 1, "{lengths:?}");
    drop((public, stream));
    hub.close().await;
}

#[tokio::test]
async fn many_hidden_entries_do_not_make_a_pull_look_longer() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut public = client(&hub, "outside", Scope::Public).await;
    for chunk in 0..4 {
        let hidden = (0..600).map(|n| Draft::new(ORGANIZATION, long(chunk * 600 + n)));
        hub.write(hidden.collect()).await;
    }
    for lane in Lane::ALL {
        let tiny = v1::PullRequest { max_bytes: 1, ..pull(lane) };
        let (answers, _) = public.pull_all(&tiny).await.unwrap();
        let empty = answers.iter().filter(|it| it.frame.is_empty()).count();
        let told = usize::from(answers.len() == 1);
        assert!(empty <= told, "{} answers, {empty} of them empty", answers.len());
    }
    drop(public);
    hub.close().await;
}

#[tokio::test]
async fn the_text_of_a_withdrawn_article_goes_to_nobody_who_comes_later() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let written = hub.write(vec![Draft::new(ORGANIZATION, records::article(1, "withdrawn"))]).await;
    let target = Target { log: written[0].log, seq: written[0].seq, hash: written[0].hash };
    let retraction = Retraction { targets: vec![target], record: None, reason: "有误".into() };
    let mut before = client(&hub, "before", Scope::Organization).await;
    let mut stream = before.follow(v1::FollowOpen::default()).await.unwrap();
    let text = |batches: &[v1::FollowResponse]| {
        let mut entries = batches.iter().flat_map(|it| open_frame(&it.frame));
        entries.find(|(head, _)| head.log == written[0].log).map(|(_, entry)| entry.body.is_some())
    };
    assert_eq!(text(&stream.settle().await), Some(true));
    hub.write(vec![Draft::new(ORGANIZATION, Record::Retraction(retraction))]).await;
    stream.batch().await;
    // The end of the journal is still in memory; from its beginning on, here.
    let mut after = client(&hub, "after", Scope::Organization).await;
    let mut late = after.follow(v1::FollowOpen::default()).await.unwrap();
    assert_eq!(
        text(&late.settle().await),
        Some(false),
        "the head alone, so that the chain is whole"
    );
    let pulled = after.pull(Lane::Content, Bytes::new()).await.unwrap();
    assert!(open_frame(&pulled.frame).iter().all(|(_, entry)| entry.body.is_none()));
    drop((before, stream, after, late));
    hub.close().await;
}

#[tokio::test]
async fn a_narrower_ceiling_ends_a_stream_that_carried_more() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let identity = Identity::generate(&mut rand::rng());
    let pki = hub.enrol(&identity, "village", Scope::Organization).await;
    let mut client = RawClient::connect(&hub, &pki, Scope::Organization).await;
    let mut stream = client.follow(v1::FollowOpen::default()).await.unwrap();
    stream.settle().await;
    hub.enrol(&identity, "village", Scope::Public).await;
    let status = stream.end().await;
    assert_eq!(status.code(), tonic::Code::Aborted, "{status:?}");
    hub_writes(&hub, 1, "private").await;
    let mut stream = client.follow(v1::FollowOpen::default()).await.unwrap();
    let batches = stream.settle().await;
    assert!(batches.iter().all(|it| it.lane == Lane::Control as i32 || it.frame.is_empty()));
    drop((client, stream));
    hub.close().await;
}

#[tokio::test]
async fn a_ceiling_that_narrowed_before_a_stream_says_what_it_wants_ends_it_too() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let identity = Identity::generate(&mut rand::rng());
    let pki = hub.enrol(&identity, "village", Scope::Organization).await;
    let mut client = RawClient::connect(&hub, &pki, Scope::Organization).await;
    let (requests, outbound) = mpsc::channel(1);
    let mut sync = client.sync.clone();
    let opening = sync.follow(ReceiverStream::new(outbound));
    let narrowing = async {
        // On the same connection, behind the beginning of the call.
        client.hello(identity.site).await.unwrap();
        hub.enrol(&identity, "village", Scope::Public).await;
        let known = async || hub.hub().members().sites[&identity.site].ceiling == Scope::Public;
        eventually("the hub knows the ceiling", known).await;
        let open = v1::follow_request::Message::Open(v1::FollowOpen::default());
        requests.send(v1::FollowRequest { message: Some(open) }).await.unwrap();
    };
    let (stream, ()) = tokio::join!(opening, narrowing);
    let mut stream = stream.unwrap().into_inner();
    let told = tokio::time::timeout(PATIENCE, stream.message()).await.unwrap();
    assert_eq!(told.unwrap_err().code(), tonic::Code::Aborted);
    drop((client, sync, stream, requests));
    hub.close().await;
}
