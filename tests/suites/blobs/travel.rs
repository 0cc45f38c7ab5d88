//! From a unit to the hub, and from there to whoever may read it.

use super::withdrawn::release_of;
use super::{
    Desk, NAME, ORGANIZATION, all_due, article_path, ask, blob, file_path, get, picture, village,
};
use lianbo_node::scope::Scope;
use lianbo_tests::net::{TestHub, eventually};
use lianbo_tests::{on_both, records};

on_both! {
    async fn a_picture_travels_from_a_village_over_the_hub_to_another_and_is_on_each_page(database) {
        let hub = TestHub::start(database).await;
        let (mut from, mut to) = (village(&hub, "from").await, village(&hub, "to").await);
        let bytes = picture(1, 200_000);
        let author = from.identity.site;
        to.serve().await;
        from.serve().await;
        let desk = Desk::from(&from);
        desk.publish(ORGANIZATION, 1, &bytes).await;
        let pages = [from.pages(), hub.pages(Scope::Organization), to.pages()];
        let file = file_path(author, records::id(1));
        for page in pages {
            eventually("the picture is there", async || get(page, &file).await.is(200)).await;
            let shown = get(page, &article_path(author, 1)).await.text();
            assert!(shown.contains(&format!("src=\"{file}\"")), "{shown}");
            assert!(shown.contains(NAME) && !shown.contains("传输中"), "{shown}");
            let got = get(page, &file).await;
            assert!(got.body == bytes, "{}", got.head);
            assert_eq!(got.header("content-type"), Some("image/png"));
            assert!(got.header("content-disposition").unwrap().starts_with("inline"));
            assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
            assert!(got.header("content-security-policy").unwrap().starts_with("sandbox"));
        }
        // Neither the department's listener nor the public's has more than its scope lets through.
        assert!(get(hub.pages(Scope::Public), &file).await.is(404));
        assert!(get(hub.pages(Scope::Internal), &file).await.is(200));
        from.close().await;
        to.close().await;
        hub.close().await;
    }

    async fn an_article_is_readable_while_its_picture_is_on_the_way(database) {
        let hub = TestHub::start(database).await;
        let from = village(&hub, "from").await;
        let bytes = picture(2, 10_000);
        let desk = Desk::from(&from);
        desk.write(ORGANIZATION, 1, blob(&bytes)).await;
        assert_eq!(from.sync().await.files, 0);
        let (page, author) = (hub.pages(Scope::Organization), from.identity.site);
        let shown = get(page, &article_path(author, 1)).await;
        assert!(shown.is(200) && shown.text().contains("村口的银杏黄了"));
        assert!(shown.text().contains("图片传输中") && !shown.text().contains("<img"));
        assert!(get(page, &file_path(author, records::id(1))).await.is(404));
        desk.attach(&bytes).await;
        assert_eq!(from.sync().await.files, 1);
        let shown = get(page, &article_path(author, 1)).await.text();
        assert!(shown.contains("<img") && !shown.contains("传输中"), "{shown}");
        assert_eq!(from.sync().await.files, 0, "nothing goes twice");
        from.close().await;
        hub.close().await;
    }

    async fn a_node_that_comes_first_waits_for_the_hub_to_have_it(database) {
        let hub = TestHub::start(database).await;
        let (from, to) = (village(&hub, "from").await, village(&hub, "to").await);
        let bytes = picture(3, 10_000);
        let desk = Desk::from(&from);
        desk.write(ORGANIZATION, 1, blob(&bytes)).await;
        from.sync().await;
        assert_eq!(to.sync().await.files, 0);
        desk.attach(&bytes).await;
        from.sync().await;
        all_due(&to.site().store).await;
        assert_eq!(to.sync().await.files, 1);
        let held = to.site().blobs.stat(blob(&bytes).hash).await.unwrap();
        assert_eq!(held, Some(10_000));
        from.close().await;
        to.close().await;
        hub.close().await;
    }

    async fn what_the_hub_itself_attaches_comes_down_and_goes_public_with_its_release(database) {
        let hub = TestHub::start(database).await;
        let mut to = village(&hub, "to").await;
        let bytes = picture(4, 30_000);
        let written = Desk::from(&hub).publish(ORGANIZATION, 1, &bytes).await;
        assert_eq!(to.sync().await.files, 1);
        to.serve().await;
        let file = file_path(hub.identity.site, records::id(1));
        assert!(get(to.pages(), &file).await.body == bytes);
        assert!(get(hub.pages(Scope::Public), &file).await.is(404));
        let release = release_of(&hub, &written).await;
        hub.write(vec![lianbo_node::ingest::Draft::new(lianbo_node::scope::Audience::all(Scope::Public), release)])
            .await;
        let public = get(hub.pages(Scope::Public), &file).await;
        assert!(public.body == bytes, "{}", public.head);
        to.close().await;
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_in_parts_and_asked_for_anew_only_if_it_changed() {
    let hub = TestHub::start(lianbo_node::store::testing::TestDatabase::sqlite().await).await;
    let bytes = picture(5, 100_000);
    Desk::from(&hub).publish(ORGANIZATION, 1, &bytes).await;
    let page = hub.pages(Scope::Organization);
    let file = file_path(hub.identity.site, records::id(1));
    let etag = get(page, &file).await.header("etag").unwrap().to_owned();
    let part = ask(page, "GET", &file, "Range: bytes=1000-1999\r\n").await;
    assert!(part.is(206) && part.body == bytes[1000..2000], "{}", part.head);
    assert_eq!(part.header("content-range"), Some("bytes 1000-1999/100000"));
    assert_eq!(part.header("content-length"), Some("1000"));
    let end = ask(page, "GET", &file, "Range: bytes=-10\r\n").await;
    assert!(end.is(206) && end.body == bytes[99_990..]);
    let beyond = ask(page, "GET", &file, "Range: bytes=100000-\r\n").await;
    assert!(beyond.is(416) && beyond.header("content-range") == Some("bytes */100000"));
    let same = format!("Range: bytes=0-9\r\nIf-Range: {etag}\r\n");
    assert!(ask(page, "GET", &file, &same).await.is(206));
    let other = ask(page, "GET", &file, "Range: bytes=0-9\r\nIf-Range: \"x\"\r\n").await;
    assert!(other.is(200) && other.body == bytes);
    let known = ask(page, "GET", &file, &format!("If-None-Match: {etag}\r\n")).await;
    assert!(known.is(304) && known.body.is_empty());
    let head = ask(page, "HEAD", &file, "").await;
    assert!(head.is(200) && head.body.is_empty());
    assert_eq!(head.header("content-length"), Some("100000"));
    let pages = ask(page, "POST", &file, "Content-Length: 0\r\n").await;
    assert!(pages.is(405), "a hub's pages ask nobody: {}", pages.head);
    hub.close().await;
}
