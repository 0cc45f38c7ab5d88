//! What is told.

use bytes::Bytes;
use lianbo_node::content::Record;
use lianbo_node::content::article::{Attachment, Harvested, TextFormat, urn};
use lianbo_node::entry::{BlobRef, Hash, SiteId};
use lianbo_node::ingest::Draft;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::wire::{decode_record, entry_from_proto};
use lianbo_proto::v1;
use lianbo_tests::harvest::{article, behind, page, short, told};
use lianbo_tests::{on_both, records};

use super::{County, ORGANIZATION, PUBLIC};

const INTERNAL: Audience = Audience::all(Scope::Internal);

on_both! {
    async fn what_the_hub_released_is_listed_page_by_page_and_nothing_else(database) {
        let mut county = County::new(database).await;
        let made = county.released(1, "released").await;
        county.rises(ORGANIZATION, records::article(2, "waiting")).await;
        county.rises(PUBLIC, records::article(3, "hasty")).await;
        let unit = county.unit.site();
        for (n, audience) in [(4, INTERNAL), (5, ORGANIZATION), (6, Audience::direct(Scope::Public, unit))] {
            county.hub.write(vec![Draft::new(audience, records::article(n, "hidden"))]).await;
        }
        let others = [records::notice(7, "notice"), records::column("news", "column")];
        county.hub.write(others.map(|record| Draft::new(PUBLIC, record)).into()).await;
        county.hub.write(vec![Draft::new(PUBLIC, records::article(8, "own"))]).await;

        let request = v1::HarvestRequest { limit: 1, ..behind(&Bytes::new()) };
        let (pages, cursor) = county.province.list_all(&request).await.unwrap();
        let news: Vec<_> = pages.iter().flat_map(told).collect();
        assert_eq!(short(&news), ["released", "own"]);
        assert!(pages.len() >= 2 && pages.iter().all(|page| page.items.len() <= 1 && !page.restarted));
        let first = article(&news[0]);
        assert_eq!(first.id, urn(unit, records::id(1)));
        assert_eq!(first.revision, made.hash);
        assert_eq!((first.unit_code.as_str(), first.unit_name.as_str()), ("yantian", "严田镇党委"));
        assert_eq!((first.column.as_str(), first.column_name.as_str()), ("news", "news"));
        assert_eq!(first.title, "我县召开基层党建工作推进会 released");
        assert_eq!(first.html, "<p>会议强调，要压实责任。</p>\n<p>released</p>\n");
        assert_eq!(first.text, "会议强调，要压实责任。\nreleased");
        assert_eq!(first.source, "县委组织部released");
        assert_eq!((first.author.as_str(), first.editor.as_str()), ("王芳released", "李明released"));
        assert_eq!(first.keywords, ["党建", "基层released"]);
        assert_eq!(first.link, "https://example.org/released");
        assert_eq!(first.published_ms, records::START_MS - 86_400_000);
        assert!(first.updated_ms >= first.published_ms);
        assert_eq!((first.page.as_str(), first.files.len()), ("", 0));
        assert_eq!(first.entry, None, "entries come only if asked for");
        // At the end nothing more comes, and the cursor stays good.
        assert_eq!(county.province.news(&cursor).await.0, [""; 0]);
        county.close().await;
    }

    async fn a_revision_and_a_withdrawal_come_behind_the_cursor_and_a_withdrawn_text_never_again(database) {
        let mut county = County::new(database).await;
        let first = county.released(1, "first").await;
        let kept = county.released(2, "kept").await;
        let (news, cursor) = county.province.news(&Bytes::new()).await;
        assert_eq!(news, ["first", "kept"]);
        let revised = county.rises(ORGANIZATION, records::article(2, "revised")).await;
        assert_eq!(county.province.news(&cursor).await.0, [""; 0], "not released yet");
        county.release(&revised).await;
        county.withdrawn(&first).await;
        county.hub.restart().await;
        county.province = lianbo_tests::raw::RawClient::connect(&county.hub, &county.pki, Scope::Internal).await;
        let (pages, after) = county.province.list_all(&behind(&cursor)).await.unwrap();
        let news: Vec<_> = pages.iter().flat_map(told).collect();
        assert_eq!(short(&news), ["revised", "×原稿已撤"]);
        assert_eq!(news[0].id(), urn(kept.site(), records::id(2)));
        assert_eq!(news[1].id(), urn(first.site(), records::id(1)));
        assert_eq!(county.province.news(&after).await.0, [""; 0]);
        // Whoever begins now never sees the withdrawn text, nor the revision before.
        let request = v1::HarvestRequest { entries: true, ..behind(&Bytes::new()) };
        let (pages, _) = county.province.list_all(&request).await.unwrap();
        let all: Vec<_> = pages.iter().flat_map(told).collect();
        let articles: Vec<_> = all.iter().filter(|it| matches!(it, Harvested::Article(_))).collect();
        assert_eq!(articles.len(), 1);
        let told = format!("{pages:?}");
        assert!(!told.contains("first") && !told.contains("kept"), "{told}");
        county.close().await;
    }

    async fn when_one_revision_is_withdrawn_the_one_before_is_told_again(database) {
        let mut county = County::new(database).await;
        let first = county.released(1, "first").await;
        let second = county.rises(ORGANIZATION, records::article(1, "second")).await;
        county.release(&second).await;
        let (news, cursor) = county.province.news(&Bytes::new()).await;
        assert_eq!(news, ["second"], "each article once, as it is now");
        county.withdrawn(&second).await;
        let (pages, _) = county.province.list_all(&behind(&cursor)).await.unwrap();
        let news: Vec<_> = pages.iter().flat_map(told).collect();
        assert_eq!(short(&news), ["first"]);
        assert_eq!(article(&news[0]).revision, first.hash);
        county.close().await;
    }

    async fn a_stream_catches_up_and_goes_on_and_is_silent_about_what_is_hidden(database) {
        let mut county = County::new(database).await;
        let first = county.released(1, "first").await;
        let mut stream = county.province.harvested(&Bytes::new()).await.unwrap();
        let caught_up = page(&mut stream).await.unwrap();
        assert_eq!((short(&told(&caught_up)), caught_up.more), (vec!["first".to_owned()], false));
        for n in 10..20 {
            county.hub.write(vec![Draft::new(INTERNAL, records::article(n, "hidden"))]).await;
            county.rises(ORGANIZATION, records::article(n, "hidden")).await;
        }
        county.released(2, "second").await;
        let next = page(&mut stream).await.unwrap();
        assert_eq!(short(&told(&next)), ["second"], "no word of what was hidden in between");
        county.withdrawn(&first).await;
        let next = page(&mut stream).await.unwrap();
        assert_eq!(short(&told(&next)), ["×原稿已撤"]);
        // A second stream goes on from there, even with nothing to tell.
        let mut again = county.province.harvested(&next.cursor).await.unwrap();
        let nothing = page(&mut again).await.unwrap();
        assert_eq!((nothing.items.len(), nothing.more, nothing.restarted), (0, false, false));
        county.close().await;
    }
}

#[tokio::test]
async fn a_signed_entry_comes_if_asked_for_and_holds_what_was_told() {
    let mut county = County::new(TestDatabase::sqlite().await).await;
    let made = county.released(1, "signed").await;
    let request = v1::HarvestRequest { entries: true, ..v1::HarvestRequest::default() };
    let (pages, _) = county.province.list_all(&request).await.unwrap();
    let Some(v1::harvest_item::Kind::Article(it)) = &pages[0].items[0].kind else { unreachable!() };
    let entry = entry_from_proto(it.entry.clone().unwrap()).unwrap();
    let head = lianbo_node::wire::decode_head(&entry.head).unwrap();
    assert_eq!((head.log.site, head.log.audience), (county.hub.identity.site, PUBLIC));
    lianbo_node::entry::verify_head(head.key, &entry.head, &entry.signature).unwrap();
    match decode_record(&entry.body.unwrap()).unwrap() {
        Some(Record::Release(release)) => assert_eq!(release.original_hash(), made.hash),
        other => panic!("{other:?}"),
    }
    county.close().await;
}

#[tokio::test]
async fn page_and_files_are_named_where_the_hub_knows_its_address() {
    let mut county = County::new(TestDatabase::sqlite().await).await;
    county.hub.known_as("https://www.qingyuan.example").await;
    county.province =
        lianbo_tests::raw::RawClient::connect(&county.hub, &county.pki, Scope::Public).await;
    let own = county.hub.identity.site;
    let Record::Article(mut it) = records::article(1, "own") else { unreachable!() };
    let file = Attachment { hash: Hash([7; 32]), name: "银杏.jpg".to_owned() };
    let blob = BlobRef { hash: file.hash, size: 9, media_type: "image/jpeg".to_owned() };
    (it.text, it.attachments) = ("![银杏](银杏.jpg)".to_owned(), vec![file]);
    let draft = Draft { audience: PUBLIC, record: Record::Article(it), blobs: vec![blob] };
    county.hub.write(vec![draft]).await;
    let (pages, _) = county.province.list_all(&v1::HarvestRequest::default()).await.unwrap();
    let news = told(&pages[0]);
    let told = article(&news[0]);
    let page = format!("https://www.qingyuan.example/article/{own}/{}", records::id(1));
    assert_eq!(told.page, page);
    let address = format!("{page}/%E9%93%B6%E6%9D%8F.jpg");
    assert_eq!((told.files[0].name.as_str(), &told.files[0].address), ("银杏.jpg", &address));
    assert_eq!((told.files[0].size, told.files[0].media_type.as_str()), (9, "image/jpeg"));
    assert!(told.html.contains(&format!("<img src=\"{address}\" alt=\"银杏\"")), "{}", told.html);
    county.close().await;
}

/// A text of the hub's own, for everybody.
fn text(site: SiteId, n: u8, format: TextFormat, text: String) -> (String, Draft) {
    let Record::Article(mut it) = records::article(n, "text") else { unreachable!() };
    (it.format, it.text) = (format, text);
    (urn(site, it.id), Draft::new(PUBLIC, Record::Article(it)))
}

#[tokio::test]
async fn no_text_breaks_what_a_strangers_client_takes_at_a_time_and_nothing_alive_is_told() {
    let mut county = County::new(TestDatabase::sqlite().await).await;
    let own = county.hub.identity.site;
    let escaped = text(own, 1, TextFormat::Markdown, "&".repeat(900_000));
    let alive = "<script>alert(1)</script><p onclick='x()'>甲<img src='//evil.example/p.gif'></p>";
    let alive = text(own, 2, TextFormat::Html, alive.to_owned());
    let plain = (3..12).map(|n| text(own, n, TextFormat::Markdown, "正文".repeat(25_000)));
    let drafts: Vec<_> = [escaped, alive].into_iter().chain(plain).collect();
    let ids: Vec<_> = drafts.iter().map(|(id, _)| id.clone()).collect();
    for (_, draft) in drafts {
        county.hub.write(vec![draft]).await;
    }
    // The client keeps to gRPC's usual four MiB a message.
    let request = v1::HarvestRequest { entries: true, ..v1::HarvestRequest::default() };
    let (pages, _) = county.province.list_all(&request).await.unwrap();
    assert!(pages.len() >= 3, "{}", pages.len());
    let news: Vec<_> = pages.iter().flat_map(told).collect();
    assert_eq!(news.iter().map(Harvested::id).collect::<Vec<_>>(), ids);
    let escaped = article(&news[0]);
    assert_eq!((escaped.html.as_str(), escaped.text.len()), ("", 900_000));
    assert_eq!(
        (article(&news[1]).html.as_str(), article(&news[1]).text.as_str()),
        ("<p>甲</p>", "甲")
    );
    county.close().await;
}
