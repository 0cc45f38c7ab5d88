//! What is withdrawn goes, from pages and from the disk.

use super::{Desk, ORGANIZATION, article_path, blob, file_path, get, name, picture, village};
use lianbo_node::content::Record;
use lianbo_node::content::release::{Approval, Release};
use lianbo_node::content::retraction::{Retraction, Target};
use lianbo_node::ingest::Written;
use lianbo_node::scope::Scope;
use lianbo_node::wire::decode_record;
use lianbo_proto::v1;
use lianbo_tests::net::{TestHub, eventually};
use lianbo_tests::raw::RawClient;
use lianbo_tests::{on_both, records};
use tonic::Code;

fn retraction(written: &Written) -> Record {
    let target = Target { log: written.log, seq: written.seq, hash: written.hash };
    Record::Retraction(Retraction { targets: vec![target], record: None, reason: "有误".into() })
}

/// Takes an entry of the hub's own to the internet.
pub(super) async fn release_of(hub: &TestHub, written: &Written) -> Record {
    let mut tx = hub.store.read().await.unwrap();
    let (original, head, _) =
        lianbo_node::content::current_entry(&mut tx, written.log.site, records::id(1))
            .await
            .unwrap()
            .unwrap();
    let record = decode_record(original.body.as_ref().unwrap()).unwrap().unwrap();
    let approval = |person: &str| Approval { person: person.into(), at_ms: records::START_MS };
    Record::Release(Box::new(Release {
        original,
        head,
        record,
        unit_code: "county".into(),
        unit_name: "县".into(),
        approvals: vec![approval("甲"), approval("乙")],
        first_seen_ms: None,
    }))
}

on_both! {
    async fn a_withdrawn_picture_is_gone_from_every_page_and_every_disk(database) {
        let hub = TestHub::start(database).await;
        let (mut from, mut to) = (village(&hub, "from").await, village(&hub, "to").await);
        let (bytes, author) = (picture(1, 50_000), from.identity.site);
        let hash = blob(&bytes).hash;
        from.serve().await;
        to.serve().await;
        let written = Desk::from(&from).publish(ORGANIZATION, 1, &bytes).await;
        let pages = [from.pages(), hub.pages(Scope::Organization), to.pages()];
        let file = file_path(author, records::id(1));
        for page in pages {
            eventually("the picture is there", async || get(page, &file).await.is(200)).await;
        }
        from.write(ORGANIZATION, retraction(&written)).await;
        assert!(get(from.pages(), &file).await.is(404), "at once, where it is folded");
        let never = file_path(author, records::id(99));
        for page in pages {
            eventually("the picture is gone", async || get(page, &file).await.is(404)).await;
            let (gone, nothing) = (get(page, &file).await, get(page, &never).await);
            assert_eq!(gone.timeless(), nothing.timeless());
            assert!(get(page, &article_path(author, 1)).await.is(404));
        }
        let stores = [from.site().blobs.clone(), hub.hub().blobs.clone(), to.site().blobs.clone()];
        for blobs in stores {
            eventually("the file is gone", async || blobs.stat(hash).await.unwrap().is_none()).await;
        }
        let mut client = RawClient::connect(&hub, &to.pki(), Scope::Organization).await;
        let request = v1::GetBlobRequest { name: Some(name(&written, hash)), offset: 0 };
        let refused = client.blobs.get(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        drop(client);
        from.close().await;
        to.close().await;
        hub.close().await;
    }

    async fn a_file_that_another_live_entry_names_stays(database) {
        let hub = TestHub::start(database).await;
        let bytes = picture(2, 5_000);
        let desk = Desk::from(&hub);
        let first = desk.publish(ORGANIZATION, 1, &bytes).await;
        desk.publish(ORGANIZATION, 2, &bytes).await;
        hub.write(vec![lianbo_node::ingest::Draft::new(ORGANIZATION, retraction(&first))]).await;
        lianbo_node::duties::files::once(&hub.store, &desk.blobs, &hub.hub().clock).await.unwrap();
        let page = hub.pages(Scope::Organization);
        let site = hub.identity.site;
        assert!(get(page, &file_path(site, records::id(1))).await.is(404));
        assert!(get(page, &file_path(site, records::id(2))).await.body == bytes);
        hub.close().await;
    }
}
