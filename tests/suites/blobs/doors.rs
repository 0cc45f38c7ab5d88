//! Rule 2 at the doors that files go through: what is not for the asker answers as what never was.

use bytes::Bytes;
use lianbo_node::entry::Hash;
use lianbo_node::identity::Identity;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_proto::v1;
use lianbo_tests::net::{TestHub, TestNode};
use lianbo_tests::raw::RawClient;
use lianbo_tests::{on_both, records};
use tonic::{Code, Status};

use super::{
    Desk, ORGANIZATION, all_due, article_path, blob, file_path, get, name, picture, village,
};

const INTERNAL: Audience = Audience::all(Scope::Internal);

async fn file(client: &mut RawClient, name: v1::BlobName) -> Result<Vec<u8>, Status> {
    let request = v1::GetBlobRequest { name: Some(name), offset: 0 };
    let mut stream = client.blobs.get(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.message().await? {
        bytes.extend_from_slice(&chunk.data);
    }
    Ok(bytes)
}

async fn stat(client: &mut RawClient, name: v1::BlobName) -> Result<v1::StatBlobResponse, Status> {
    let request = v1::StatBlobRequest { name: Some(name) };
    client.blobs.stat(request).await.map(tonic::Response::into_inner)
}

async fn put(client: &mut RawClient, name: v1::BlobName, data: &[&[u8]]) -> Result<(), Status> {
    let open = v1::PutBlobOpen { name: Some(name), offset: 0 };
    let mut said = vec![v1::put_blob_request::Message::Open(open)];
    said.extend(
        data.iter().map(|it| v1::put_blob_request::Message::Data(Bytes::copy_from_slice(it))),
    );
    let said: Vec<_> =
        said.into_iter().map(|it| v1::PutBlobRequest { message: Some(it) }).collect();
    client.blobs.put(tokio_stream::iter(said)).await.map(drop)
}

/// All that a caller learns of a refusal.
fn told(status: &Status) -> (Code, String, Vec<(String, String)>) {
    let metadata = status.metadata().clone().into_headers();
    let metadata = metadata
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    (status.code(), status.message().to_owned(), metadata)
}

on_both! {
    async fn whoever_may_not_read_an_entry_gets_the_answer_of_what_never_was(database) {
        let hub = TestHub::start(database).await;
        let (mut near, far) = (village(&hub, "near").await, village(&hub, "far").await);
        let bytes = picture(1, 20_000);
        let hash = blob(&bytes).hash;
        let desk = Desk::from(&hub);
        let open = desk.publish(ORGANIZATION, 1, &bytes).await;
        let hidden = [
            desk.publish(INTERNAL, 2, &picture(2, 20_000)).await,
            desk.publish(
                Audience::direct(Scope::Organization, far.identity.site),
                3,
                &picture(3, 20_000),
            )
            .await,
        ];
        assert_eq!(far.sync().await.files, 2, "what is addressed to it comes with its file");
        let secret = [blob(&picture(2, 20_000)).hash, blob(&picture(3, 20_000)).hash];
        let pki = near.pki();
        for listener in Scope::ALL {
            let mut client = RawClient::connect(&hub, &pki, listener).await;
            let mut never = name(&open, hash);
            never.entry = Bytes::copy_from_slice(&[7; 32]);
            let nothing = file(&mut client, never.clone()).await.unwrap_err();
            assert_eq!(nothing.code(), Code::NotFound);
            let mut others: Vec<v1::BlobName> =
                hidden.iter().zip(secret).map(|(it, blob)| name(it, blob)).collect();
            // A file it does not have, through an entry it may read; and one of a hidden entry through that.
            others.push(name(&open, Hash([9; 32])));
            others.push(name(&open, secret[0]));
            if listener == Scope::Public {
                others.push(name(&open, hash));
            } else {
                assert!(file(&mut client, name(&open, hash)).await.unwrap() == bytes);
            }
            for other in others {
                let refused = file(&mut client, other.clone()).await.unwrap_err();
                assert_eq!(told(&refused), told(&nothing), "{other:?} at {listener}");
                for refused in [
                    stat(&mut client, other.clone()).await.unwrap_err(),
                    stat(&mut client, never.clone()).await.unwrap_err(),
                    put(&mut client, other.clone(), &[b"x"]).await.unwrap_err(),
                    put(&mut client, never.clone(), &[b"x"]).await.unwrap_err(),
                ] {
                    assert_eq!(told(&refused).1, told(&nothing).1, "{other:?} at {listener}");
                    assert_eq!(refused.code(), Code::NotFound);
                }
            }
        }
        // Pages: nobody is told more than the listener's scope lets through.
        near.sync().await;
        near.serve().await;
        let pages = [
            near.pages(),
            hub.pages(Scope::Organization),
            hub.pages(Scope::Public),
        ];
        for page in pages {
            let never = get(page, &file_path(hub.identity.site, records::id(77))).await;
            for n in [2, 3] {
                let refused = get(page, &file_path(hub.identity.site, records::id(n))).await;
                assert!(refused.is(404));
                assert_eq!(refused.timeless(), never.timeless());
            }
        }
        assert!(get(hub.pages(Scope::Internal), &file_path(hub.identity.site, records::id(2))).await.is(200));
        assert!(get(hub.pages(Scope::Internal), &file_path(hub.identity.site, records::id(3))).await.is(404));
        near.close().await;
        far.close().await;
        hub.close().await;
    }

    async fn a_hash_that_one_has_merely_heard_of_brings_nothing(database) {
        let hub = TestHub::start(database).await;
        let spy = village(&hub, "spy").await;
        let secret = picture(4, 20_000);
        let hash = blob(&secret).hash;
        Desk::from(&hub).publish(INTERNAL, 1, &secret).await;
        // Names the hidden file in an article of its own.
        let written = Desk::from(&spy).write(ORGANIZATION, 2, blob(&secret)).await;
        spy.sync().await;
        let mut client = RawClient::connect(&hub, &spy.pki(), Scope::Organization).await;
        let stands = stat(&mut client, name(&written, hash)).await.unwrap();
        assert_eq!((stands.held, stands.whole), (0, false));
        let refused = file(&mut client, name(&written, hash)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "as long as it brings nothing itself");
        let other = Desk::from(&spy).write(ORGANIZATION, 3, blob(&picture(5, 20_000))).await;
        spy.sync().await;
        let unheard = file(&mut client, name(&other, blob(&picture(5, 20_000)).hash)).await;
        assert_eq!(told(&refused), told(&unheard.unwrap_err()));
        let page = hub.pages(Scope::Organization);
        let path = file_path(spy.identity.site, records::id(2));
        assert!(get(page, &path).await.is(404));
        assert!(get(page, &article_path(spy.identity.site, 2)).await.text().contains("传输中"));
        // Whoever has it may show it.
        put(&mut client, name(&written, hash), &[&secret]).await.unwrap();
        assert!(get(page, &path).await.body == secret);
        drop(client);
        spy.close().await;
        hub.close().await;
    }

    async fn wrong_bytes_never_show(database) {
        let hub = TestHub::start(database).await;
        let from = village(&hub, "from").await;
        let bytes = picture(6, 20_000);
        let hash = blob(&bytes).hash;
        let written = Desk::from(&from).write(ORGANIZATION, 1, blob(&bytes)).await;
        from.sync().await;
        let mut client = RawClient::connect(&hub, &from.pki(), Scope::Organization).await;
        let called = || name(&written, hash);
        let wrong = put(&mut client, called(), &[&vec![0; 20_000]]).await.unwrap_err();
        assert_eq!(wrong.code(), Code::InvalidArgument);
        let long = put(&mut client, called(), &[&bytes[..19_999], b"xy"]).await.unwrap_err();
        assert_eq!(long.code(), Code::InvalidArgument);
        let stands = stat(&mut client, called()).await.unwrap();
        assert_eq!((stands.held, stands.whole), (0, false), "nothing of it is left");
        for odd in [&[][..], &[b"".as_slice()][..]] {
            assert!(put(&mut client, called(), odd).await.is_err());
        }
        let early = put(&mut client, called(), &[&bytes[..5_000]]).await.unwrap_err();
        assert_eq!(early.code(), Code::Aborted);
        let again = put(&mut client, called(), &[&bytes]).await.unwrap_err();
        assert_eq!(again.code(), Code::Aborted, "the first 5,000 bytes are here");
        assert_eq!(stat(&mut client, called()).await.unwrap().held, 5_000);
        assert!(get(hub.pages(Scope::Organization), &file_path(from.identity.site, records::id(1))).await.is(404));
        for bad in [None, Some(v1::BlobName::default())] {
            let request = v1::GetBlobRequest { name: bad, offset: 0 };
            assert_eq!(client.blobs.get(request).await.unwrap_err().code(), Code::InvalidArgument);
        }
        drop(client);
        from.close().await;
        hub.close().await;
    }

    async fn a_hub_that_lost_its_files_is_given_them_again(database) {
        let mut hub = TestHub::start(database).await;
        let from = village(&hub, "from").await;
        let (own, hubs) = (picture(7, 20_000), picture(8, 20_000));
        Desk::from(&from).publish(ORGANIZATION, 1, &own).await;
        Desk::from(&hub).publish(ORGANIZATION, 2, &hubs).await;
        assert_eq!(from.sync().await.files, 2);
        hub.lose(TestDatabase::sqlite().await).await;
        std::fs::remove_dir_all(hub.folder().join("blobs")).unwrap();
        from.sync().await;
        hub.let_sign().await;
        for _ in 0..2 {
            all_due(&from.site().store).await;
            from.sync().await;
        }
        for bytes in [&own, &hubs] {
            let size = hub.hub().blobs.stat(blob(bytes).hash).await.unwrap();
            assert_eq!(size, Some(20_000));
        }
        let page = hub.pages(Scope::Organization);
        assert!(get(page, &file_path(from.identity.site, records::id(1))).await.body == own);
        from.close().await;
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_and_does_not_read_holds_up_nobody_and_the_hub_can_stop() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let bytes = picture(9, 4_000_000);
    let hash = blob(&bytes).hash;
    let written = Desk::from(&hub).publish(ORGANIZATION, 1, &bytes).await;
    let enrol = async |code: &str| {
        let identity = Identity::generate(&mut rand::rng());
        let pki = hub.enrol(&identity, code, Scope::Organization).await;
        RawClient::connect(&hub, &pki, Scope::Organization).await
    };
    let mut deaf = enrol("deaf").await;
    let mut streams = Vec::new();
    let request = || v1::GetBlobRequest { name: Some(name(&written, hash)), offset: 0 };
    for _ in 0..4 {
        streams.push(deaf.blobs.get(request()).await.unwrap());
    }
    let refused = deaf.blobs.get(request()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "so many at a time and no more");
    let mut quick = enrol("quick").await;
    assert!(file(&mut quick, name(&written, hash)).await.unwrap() == bytes);
    drop(quick);
    hub.close().await;
    drop((deaf, streams));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_calls_itself_a_picture_is_never_shown_as_one() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let script = b"<html><script>alert(1)</script></html>".to_vec();
    let desk = Desk::from(&hub);
    desk.attach(&script).await;
    let mut claimed = blob(&script);
    claimed.media_type = "image/png".into();
    desk.write(ORGANIZATION, 1, claimed).await;
    let page = hub.pages(Scope::Organization);
    let shown = get(page, &article_path(hub.identity.site, 1)).await.text();
    assert!(!shown.contains("<img"), "{shown}");
    let answer = get(page, &file_path(hub.identity.site, records::id(1))).await;
    assert!(
        answer.is(200) && answer.header("content-disposition").unwrap().starts_with("attachment")
    );
    assert!(!answer.header("content-type").unwrap().starts_with("image"), "{}", answer.head);
    assert!(answer.header("content-security-policy").unwrap().starts_with("sandbox"));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_internal_file_stays_on_its_nodes_disk() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let node = TestNode::join(&hub, "unit", Scope::Organization, Scope::Organization).await;
    let bytes = picture(10, 9_000);
    Desk::from(&node).publish(INTERNAL, 1, &bytes).await;
    assert_eq!(node.sync().await.files, 0);
    assert_eq!(hub.hub().blobs.stat(blob(&bytes).hash).await.unwrap(), None);
    node.close().await;
    hub.close().await;
}
