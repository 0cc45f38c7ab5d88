//! What a stranger's program may send: each gets a clear answer, and the hub goes on serving others.

use super::{ORGANIZATION, hub_writes};
use bytes::Bytes;
use lianbo_node::entry::{Lane, LogId, SiteId};
use lianbo_node::heights::{Height, Heights};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::scope::Scope;
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::wire::{MAX_FRAME, MAX_RAW, encode_frame, heights_to_proto};
use lianbo_proto::v1;
use lianbo_proto::v1::follow_request::Message;
use lianbo_tests::net::TestHub;
use lianbo_tests::raw::{RawClient, open_frame, pull};
use lianbo_tests::{TestAuthor, on_both, records};
use tonic::Code;

const CONTENT: i32 = Lane::Content as i32;

struct World {
    hub: TestHub,
    own: TestAuthor,
    client: RawClient,
    /// Another site, that keeps to the rules.
    other: RawClient,
}

impl World {
    async fn new(database: TestDatabase) -> Self {
        let hub = TestHub::start(database).await;
        let own = TestAuthor::new(2);
        let pki = hub.enrol(&own.identity, "village", Scope::Organization).await;
        let client = RawClient::connect(&hub, &pki, Scope::Organization).await;
        let identity = Identity::generate(&mut rand::rng());
        let pki = hub.enrol(&identity, "township", Scope::Organization).await;
        let other = RawClient::connect(&hub, &pki, Scope::Organization).await;
        hub_writes(&hub, 1, "one").await;
        Self { hub, own, client, other }
    }

    /// The hub still serves this connection and others; nothing hangs on what happened.
    async fn close(mut self) {
        for client in [&mut self.client, &mut self.other] {
            let mut stream = client.follow(v1::FollowOpen::default()).await.unwrap();
            let batches = stream.settle().await;
            let entries: usize = batches.iter().map(|it| open_frame(&it.frame).len()).sum();
            assert!(entries >= 3, "two enrolments and an article, at least: {entries}");
        }
        drop((self.client, self.other));
        self.hub.close().await;
    }
}

#[tokio::test]
async fn frames_that_are_none_are_named_so() {
    let mut world = World::new(TestDatabase::sqlite().await).await;
    let bomb = zstd::bulk::compress(&vec![0; MAX_RAW + 1], 19).unwrap();
    let not_a_batch = zstd::bulk::compress(&[0xff; 9], 1).unwrap();
    for (frame, told) in [
        (b"garbage".to_vec(), "zstd"),
        (bomb, "8 MiB"),
        (not_a_batch, "batch"),
        (vec![0; MAX_FRAME + 1], "4 MiB"),
    ] {
        let status = world.client.push(frame.into()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains(told), "{status:?}");
    }
    // Larger than a message may be: never read to its end.
    let status = world.client.push(vec![0; 2 * MAX_FRAME].into()).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let answer = world.client.push(Bytes::new()).await.unwrap();
    assert_eq!((answer.acked.len(), answer.refused.len()), (0, 0), "an empty frame is no harm");
    world.close().await;
}

#[tokio::test]
async fn one_bad_entry_does_not_hold_up_the_good_ones_beside_it() {
    let mut world = World::new(TestDatabase::sqlite().await).await;
    let good = world.own.write(ORGANIZATION, records::article(5, "good"));
    let mut forged = world.own.clone().write(ORGANIZATION, records::article(6, "forged")).entry;
    forged.signature = Bytes::from_static(&[7; 64]);
    let garbage = lianbo_node::entry::Entry {
        head: Bytes::from_static(b"\xff\xff"),
        signature: Bytes::from_static(&[7; 64]),
        body: None,
    };
    let answer = world.client.push_entries(&[forged, garbage, good.entry]).await.unwrap();
    let reasons: Vec<_> = answer.refused.iter().map(v1::Refusal::reason).collect();
    assert_eq!(reasons, [v1::RefusalReason::BadSignature, v1::RefusalReason::Malformed]);
    assert_eq!(answer.acked.len(), 1);
    assert_eq!(answer.acked[0].seq, 1);
    world.close().await;
}

#[tokio::test]
async fn what_came_before_a_broken_frame_is_written_and_acknowledged_and_nothing_after_it() {
    let mut world = World::new(TestDatabase::sqlite().await).await;
    let frames = [1, 2, 3].map(|n| {
        let made = world.own.write(ORGANIZATION, records::article(n, "good"));
        encode_frame(&[made.entry])
    });
    let [first, second, late] = frames;
    let (send, mut answers) = world.client.push_stream().await.unwrap();
    let sending = async {
        for frame in [first, second, Bytes::from_static(b"garbage"), late] {
            // The hub may have ended the call by the last.
            drop(send.send(v1::PushRequest { frame }).await);
        }
    };
    let answering = async {
        for upto in [1, 2] {
            let answer = answers.message().await.unwrap().unwrap();
            assert_eq!(answer.acked[0].seq, upto);
        }
        let status = answers.message().await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    };
    tokio::join!(sending, answering);
    drop((send, answers));
    let mut tx = world.hub.store.read().await.unwrap();
    let held = lianbo_node::journal::heights_of_site(&mut tx, world.own.site()).await.unwrap();
    assert_eq!(held.values().map(|height| height.seq).collect::<Vec<_>>(), [2]);
    drop(tx);
    world.close().await;
}

#[tokio::test]
async fn a_stream_begins_with_one_open_and_goes_on_with_acknowledgements_of_it() {
    let mut world = World::new(TestDatabase::sqlite().await).await;
    let ack = v1::LaneCursor { lane: CONTENT, cursor: Bytes::from_static(&[1; 124]) };
    let status = world.client.follow_with(Message::Ack(ack.clone())).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains("begins with an open"));

    // A cursor never sent, whatever it holds.
    let pulled = world.client.pull(Lane::Content, Bytes::new()).await.unwrap();
    for cursor in [ack.cursor, Bytes::new()] {
        let mut stream = world.client.follow(v1::FollowOpen::default()).await.unwrap();
        stream.ack_cursor(CONTENT, cursor).await;
        let status = stream.end().await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains("not sent on this stream"));
    }
    drop(pulled);

    let mut stream = world.client.follow(v1::FollowOpen::default()).await.unwrap();
    let first = stream.batch().await;
    stream.ack(&first).await;
    stream.ack(&first).await;
    assert_eq!(stream.end().await.code(), Code::InvalidArgument, "acknowledged twice");

    let mut stream = world.client.follow(v1::FollowOpen::default()).await.unwrap();
    let first = stream.batch().await;
    stream.ack_cursor(9, first.cursor.clone()).await;
    assert_eq!(stream.end().await.code(), Code::InvalidArgument, "in no lane");

    let mut stream = world.client.follow(v1::FollowOpen::default()).await.unwrap();
    stream.say(Message::Open(v1::FollowOpen::default())).await;
    let status = stream.end().await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains("after the open"));
    world.close().await;
}

on_both! {
    async fn a_cursor_is_good_for_its_lane_its_site_its_listener_and_its_hub_alone(database) {
        let mut world = World::new(database).await;
        let foreign_hub = TestHub::start(TestDatabase::sqlite().await).await;
        let pki = foreign_hub.enrol(&world.own.identity, "village", Scope::Organization).await;
        let mut abroad = RawClient::connect(&foreign_hub, &pki, Scope::Organization).await;
        let pki = world.hub.certify(world.own.site(), std::time::Duration::from_hours(1));
        let mut outside = RawClient::connect(&world.hub, &pki, Scope::Public).await;

        let own = world.client.pull(Lane::Content, Bytes::new()).await.unwrap().cursor;
        assert!(world.client.pull(Lane::Content, own.clone()).await.unwrap().frame.is_empty());
        let mut tampered = own.to_vec();
        tampered[40] ^= 1;
        let bad = [
            world.client.pull(Lane::Control, Bytes::new()).await.unwrap().cursor,
            world.other.pull(Lane::Content, Bytes::new()).await.unwrap().cursor,
            outside.pull(Lane::Content, Bytes::new()).await.unwrap().cursor,
            abroad.pull(Lane::Content, Bytes::new()).await.unwrap().cursor,
            tampered.into(),
            own.slice(1..),
            Bytes::from_static(b"x"),
        ];
        for (index, cursor) in bad.into_iter().enumerate() {
            let status = world.client.pull(Lane::Content, cursor.clone()).await.unwrap_err();
            assert_eq!(status.code(), Code::FailedPrecondition, "{index}: {status:?}");
            assert!(status.message().contains("call Hello"), "{index}: {status:?}");
            let cursors = vec![v1::LaneCursor { lane: CONTENT, cursor }];
            let open = v1::FollowOpen { cursors, ..v1::FollowOpen::default() };
            let status = world.client.follow(open).await.unwrap_err();
            assert_eq!(status.code(), Code::FailedPrecondition, "{index}: {status:?}");
        }
        assert!(!world.hub.fenced(), "none of them is proof that this hub lost data");
        drop(abroad);
        drop(outside);
        foreign_hub.close().await;
        world.close().await;
    }
}

#[tokio::test]
async fn lists_are_bounded() {
    let mut world = World::new(TestDatabase::sqlite().await).await;
    let log = |n: u64| LogId {
        site: SiteId([4; 16]),
        incarnation: lianbo_node::entry::Incarnation(u128::from(n).to_be_bytes()),
        audience: ORGANIZATION,
        lane: Lane::Content,
    };
    let held: Heights = (0..50_001)
        .map(|n| (log(n), Height { seq: 1, hash: lianbo_node::entry::Hash([0; 32]) }))
        .collect();
    let held = heights_to_proto(&held);
    let column = v1::Subscription { site: Bytes::new(), column: "news".into() };
    let subscriptions = vec![column.clone(); 1001];
    let too_much = [
        v1::PullRequest { held: held.clone(), ..pull(Lane::Content) },
        v1::PullRequest { subscriptions: subscriptions.clone(), ..pull(Lane::Content) },
    ];
    for request in too_much {
        let open = v1::FollowOpen {
            held: request.held.clone(),
            subscriptions: request.subscriptions.clone(),
            ..v1::FollowOpen::default()
        };
        let codes = [
            world.client.sync.pull(request).await.unwrap_err(),
            world.client.follow(open).await.unwrap_err(),
        ];
        for status in codes {
            let named = [Code::InvalidArgument, Code::OutOfRange].contains(&status.code());
            assert!(named, "{status:?}");
        }
    }
    let offer = v1::OfferRequest { held };
    let status = world.client.sync.offer(offer).await.unwrap_err();
    assert!([Code::InvalidArgument, Code::OutOfRange].contains(&status.code()), "{status:?}");
    for odd in ["", "UPPER", "-x", "a/b"] {
        let subscriptions = vec![v1::Subscription { column: odd.into(), ..column.clone() }];
        let request = v1::PullRequest { subscriptions, ..pull(Lane::Content) };
        let status = world.client.sync.pull(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{odd:?}: {status:?}");
    }
    let status = world.client.sync.pull(v1::PullRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "no lane: {status:?}");
    world.close().await;
}

#[tokio::test]
async fn a_site_may_ask_for_its_own_entries_and_for_small_batches() {
    let mut world = World::new(TestDatabase::sqlite().await).await;
    let mine: Vec<_> = (10..13)
        .map(|n| world.own.write(ORGANIZATION, records::article(n, "mine")).entry)
        .collect();
    world.client.push(encode_frame(&mine)).await.unwrap();
    let more = (20..30).map(|n| Draft::new(ORGANIZATION, records::article(n, "theirs")));
    world.hub.write(more.collect()).await;
    let entries = |answers: &[v1::PullResponse]| -> usize {
        answers.iter().map(|answer| open_frame(&answer.frame).len()).sum()
    };
    let all = pull(Lane::Content);
    let (large, _) = world.client.pull_all(&all).await.unwrap();
    assert_eq!((large.len(), entries(&large)), (1, 11));
    let tiny = v1::PullRequest { max_bytes: 1, ..all.clone() };
    let (small, _) = world.client.pull_all(&tiny).await.unwrap();
    assert_eq!(entries(&small), 11);
    assert!(small.iter().all(|answer| open_frame(&answer.frame).len() <= 1));
    let refill = v1::PullRequest { refill: true, ..all };
    let (whole, _) = world.client.pull_all(&refill).await.unwrap();
    assert_eq!(entries(&whole), 14, "its own, too");
    world.close().await;
}
