//! Answers kept: the same bytes, and never older than what is true.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    RETRY_AFTER, VARY,
};
use axum::http::{HeaderName, Method, Request, StatusCode};
use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tower::ServiceExt as _;

use super::world::{World, article, ask, column, context, get, id, pages, site_on};
use crate::args;
use crate::cli::{Desk, Output};
use crate::content::Record;
use crate::content::article::live_targets;
use crate::content::retraction::Retraction;
use crate::ingest::Draft;
use crate::lifecycle::Site;
use crate::scope::Audience;
use crate::scope::Scope::{Internal, Organization, Public};
use crate::store::Store;
use crate::store::testing::TestDatabase;
use crate::web::fresh::Fresh;
use crate::web::page::Frame;
use crate::web::{Views, cache, guard};

async fn get_with(
    pages: &Router,
    path: &str,
    headers: &[(HeaderName, &str)],
) -> (axum::http::response::Parts, Bytes) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let response = pages.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    (head, to_bytes(body, 1 << 20).await.unwrap())
}

#[tokio::test]
async fn a_page_is_kept_until_something_it_may_show_has_changed() {
    let world = World::new().await;
    world.hub_says(Public, article(1, "dongtai", "甲")).await;
    let pages = world.pages(Public);
    let path = world.article_path(id(1));
    let first = get(&pages, &path).await;
    assert!(first.body.contains("甲标题"));
    // Behind everybody's back: nothing says that the page has to be drawn again, so it is not.
    let mut tx = world.hub.store.write().await.unwrap();
    tx.execute("UPDATE article_revisions SET title = $1", args!["偷改"]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(get(&pages, &path).await, first);
    // An entry that has nothing to do with it.
    world.hub_says(Public, column("kong", "政策法规", 2)).await;
    assert!(get(&pages, &path).await.body.contains("偷改"));
    world.close().await;
}

#[tokio::test]
async fn what_this_process_wrote_or_withdrew_shows_on_the_next_page() {
    let world = World::new().await;
    let pages = world.pages(Public);
    let paths = ["/".to_owned(), "/notices".to_owned()];
    for seed in 0..20 {
        world.hub_says(Public, article(seed, "dongtai", &format!("第{seed}篇"))).await;
        let title = format!("第{seed}篇标题");
        let path = world.article_path(id(seed));
        assert!(get(&pages, "/").await.body.contains(&title));
        assert_eq!(get(&pages, &path).await.status, StatusCode::OK);
        world.withdraw(id(seed)).await;
        assert_eq!(get(&pages, &path).await.status, StatusCode::NOT_FOUND);
        for path in &paths {
            assert!(!get(&pages, path).await.body.contains(&title), "{title} on {path}");
        }
    }
    world.close().await;
}

#[tokio::test]
async fn a_reader_who_has_it_is_told_so_and_one_who_takes_gzip_gets_the_same_text() {
    let world = World::new().await;
    world.hub_says(Public, article(1, "dongtai", "甲")).await;
    let pages = world.pages(Public);
    let path = world.article_path(id(1));
    let (plain, text) = get_with(&pages, &path, &[]).await;
    let (packed, bytes) = get_with(&pages, &path, &[(ACCEPT_ENCODING, "br, gzip")]).await;
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, text);
    assert!(bytes.len() < text.len());
    assert_eq!(packed.headers[CONTENT_ENCODING], "gzip");
    assert!(!plain.headers.contains_key(CONTENT_ENCODING));
    assert_ne!(plain.headers[ETAG], packed.headers[ETAG], "each form has a tag of its own");
    for (head, length) in [(&plain, text.len()), (&packed, bytes.len())] {
        assert_eq!(head.headers[VARY], "accept-encoding");
        assert_eq!(head.headers[CONTENT_LENGTH], length.to_string().as_str());
        let tag = head.headers[ETAG].to_str().unwrap();
        let coding = if head.headers.contains_key(CONTENT_ENCODING) { "gzip" } else { "identity" };
        let asked = [(IF_NONE_MATCH, tag), (ACCEPT_ENCODING, coding)];
        let (head, body) = get_with(&pages, &path, &asked).await;
        assert_eq!((head.status, body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(head.headers[ETAG].to_str().unwrap(), tag);
        assert!(!head.headers.contains_key(CONTENT_TYPE));
    }
    let tag = plain.headers[ETAG].to_str().unwrap();
    world.hub_says(Public, article(1, "dongtai", "乙")).await;
    let (head, text) = get_with(&pages, &path, &[(IF_NONE_MATCH, tag)]).await;
    assert_eq!(head.status, StatusCode::OK, "another text has another tag");
    assert!(String::from_utf8(text.to_vec()).unwrap().contains("乙标题"));
    world.close().await;
}

#[tokio::test]
async fn head_says_what_get_would_whichever_comes_first() {
    let world = World::new().await;
    world.hub_says(Public, article(1, "dongtai", "甲")).await;
    let path = world.article_path(id(1));
    for order in [[Method::HEAD, Method::GET], [Method::GET, Method::HEAD]] {
        let pages = world.pages(Public);
        let mut answers = Vec::new();
        for method in order {
            answers.push((method.clone(), ask(&pages, method, &path).await));
        }
        assert_eq!(answers[0].1.headers, answers[1].1.headers);
        for (method, answer) in answers {
            assert_eq!(
                (answer.status, answer.body.is_empty()),
                (StatusCode::OK, method == Method::HEAD)
            );
        }
    }
    world.close().await;
}

#[tokio::test]
async fn nothing_but_good_answers_is_kept() {
    let world = World::new().await;
    let pages = world.pages(Public);
    let path = world.article_path(id(1));
    let missing = get(&pages, &path).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(!missing.headers.contains_key(ETAG));
    world.hub_says(Public, article(1, "dongtai", "甲")).await;
    let found = get(&pages, &path).await;
    assert_eq!(found.status, StatusCode::OK);
    // What was drawn for one network is never shown on another.
    world.hub_says(Internal, article(2, "dongtai", "内")).await;
    let (inner, outer) = (world.pages(Internal), world.pages(Organization));
    let path = world.article_path(id(2));
    assert_eq!(get(&inner, &path).await.status, StatusCode::OK);
    assert_eq!(get(&outer, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&inner, &path).await.status, StatusCode::OK);
    world.close().await;
}

/// The same site, opened by another process.
fn beside(site: &Site, store: Store) -> Desk {
    let clock = site.clock.clone();
    let identity = crate::identity::Identity::from_pem(site.identity.site, &site.identity.to_pem());
    let site = Site::run(&site.folder, store, identity.unwrap(), clock);
    Desk { site, out: Output { json: false }, above: None }
}

#[tokio::test]
async fn once_a_command_of_another_process_has_ended_no_page_shows_what_it_withdrew() {
    for database in TestDatabase::each().await {
        let folder = tempfile::tempdir().unwrap();
        let site = site_on(folder.path(), database.store.clone(), 1).await;
        let router = pages(&site, "武县党建网", Public, true);
        let own = site.identity.site;
        for seed in 0..4 {
            let drafts = vec![Draft::new(Audience::all(Public), article(seed, "dongtai", "甲"))];
            site.door.write(drafts).await.unwrap();
            let path = format!("/article/{own}/{}", id(seed));
            assert_eq!(get(&router, &path).await.status, StatusCode::OK);
            // Readers without pause, so that the server has always just looked.
            let (done, read) = (AtomicBool::new(false), AtomicU32::new(0));
            let readers = async {
                while !done.load(Ordering::Relaxed) {
                    get(&router, &path).await;
                    read.fetch_add(1, Ordering::Relaxed);
                }
            };
            let command = async {
                let desk = beside(&site, Store::open(&database.address).await.unwrap());
                let retracted = desk.run(async |desk| {
                    let targets = live_targets(&mut desk.read().await?, own, id(seed)).await?;
                    let it = Retraction { targets, record: Some(id(seed)), reason: "误".into() };
                    let draft = Draft::new(Audience::all(Public), Record::Retraction(it));
                    desk.write(move |_| Box::pin(async move { Ok(vec![draft]) })).await?;
                    Ok(())
                });
                retracted.await.unwrap();
                done.store(true, Ordering::Relaxed);
                assert_eq!(get(&router, &path).await.status, StatusCode::NOT_FOUND);
            };
            tokio::join!(readers, command);
            assert!(read.load(Ordering::Relaxed) > 3, "somebody read meanwhile");
        }
        site.close().await;
    }
}

#[tokio::test]
async fn many_who_ask_at_once_get_one_page() {
    let world = World::new().await;
    world.hub_says(Public, article(1, "dongtai", "甲")).await;
    let pages = world.pages(Public);
    let path = world.article_path(id(1));
    let asking = (0..50).map(|_| get(&pages, &path));
    let answers = futures_util::future::join_all(asking).await;
    for answer in &answers {
        assert_eq!(*answer, answers[0]);
    }
    assert!(answers[0].body.contains("甲标题"));
    world.close().await;
}

/// Pages of one route that is drawn by `draw`, with the cache before it.
fn drawn_by<F>(
    world: &World,
    draw: impl Fn(watch::Sender<i64>) -> F + Clone + Send + Sync + 'static,
) -> Router
where
    F: Future<Output = String> + Send + 'static,
{
    let (end, ended) = watch::channel(0);
    let routes = Router::new().route("/", axum::routing::get(move || draw(end.clone())));
    let frame = Frame::plain(&context(&world.hub, "武县党建网", Public, true));
    let fresh = Fresh::new(world.hub.store.clone(), ended);
    cache::around(guard::guard(routes, frame, false), fresh, Views::default(), Public)
}

#[tokio::test]
async fn a_crowd_is_answered_with_two_drawings_however_fast_the_data_change() {
    let world = World::new().await;
    let drawings = Arc::new(AtomicU32::new(0));
    let count = drawings.clone();
    let pages = drawn_by(&world, move |end| {
        let drawn = count.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            // No page is ever of the latest edition.
            end.send_modify(|end| *end += 1_000);
            tokio::task::yield_now().await;
            format!("drawn {drawn}")
        }
    });
    let crowd = futures_util::future::join_all((0..50).map(|_| get(&pages, "/"))).await;
    assert_eq!(crowd[0].body, "drawn 1");
    for late in &crowd[1..] {
        assert_eq!(late.body, "drawn 2");
    }
    assert_eq!(get(&pages, "/").await.body, "drawn 3", "who comes later sees what came later");
    world.close().await;
}

#[tokio::test]
async fn who_waits_too_long_for_a_page_is_told_to_come_back() {
    let world = World::new().await;
    let begun = Arc::new(Notify::new());
    let beginning = begun.clone();
    let pages = drawn_by(&world, move |_| {
        beginning.notify_one();
        std::future::pending()
    });
    let second = async {
        begun.notified().await;
        tokio::time::pause();
        get(&pages, "/").await
    };
    let second = tokio::select! {
        second = second => second,
        first = get(&pages, "/") => panic!("nobody drew it: {first:?}"),
    };
    assert_eq!(second.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(second.headers[RETRY_AFTER], "5");
    assert!(second.body.contains("现在有些忙"));
    tokio::time::resume();
    world.close().await;
}
