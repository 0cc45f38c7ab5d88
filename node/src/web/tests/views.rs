//! Counting readings.

use axum::Router;
use axum::body::Body;
use axum::http::header::{ETAG, IF_NONE_MATCH, USER_AGENT};
use axum::http::{HeaderName, Method, Request, StatusCode};

use super::world::{World, article, ask_with, context, get, id};
use crate::scope::Scope::{self, Organization, Public};
use crate::web::{Views, router};

async fn read(
    pages: &Router,
    method: Method,
    path: &str,
    headers: &[(HeaderName, &str)],
) -> StatusCode {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    ask_with(pages, request.body(Body::empty()).unwrap()).await.status
}

/// Pages of the hub that count into `views`; a router of its own has drawn nothing yet.
fn pages(world: &World, listener: Scope, views: &Views) -> Router {
    let views = views.clone();
    router(crate::web::WebContext {
        views, ..context(&world.hub, "武县党建网", listener, true)
    })
}

#[tokio::test]
async fn each_reading_of_an_article_counts_once_kept_or_drawn() {
    let world = World::new().await;
    world.hub_says(Public, article(1, "dongtai", "甲")).await;
    let (path, views) = (world.article_path(id(1)), Views::default());
    let outside = pages(&world, Public, &views);
    for _ in 0..3 {
        assert_eq!(read(&outside, Method::GET, &path, &[]).await, StatusCode::OK);
    }
    // None of these is somebody who reads it.
    let tag = get(&outside, &path).await.headers[ETAG].to_str().unwrap().to_owned();
    let held = read(&outside, Method::GET, &path, &[(IF_NONE_MATCH, &tag)]).await;
    assert_eq!(held, StatusCode::NOT_MODIFIED);
    read(&outside, Method::HEAD, &path, &[]).await;
    for name in ["Baiduspider/2.0", "Mozilla/5.0 (compatible; Googlebot/2.1)", "YandexBot"] {
        read(&outside, Method::GET, &path, &[(USER_AGENT, name)]).await;
    }
    read(&outside, Method::GET, &world.article_path(id(7)), &[]).await;
    read(&outside, Method::GET, "/", &[]).await;
    // Readers inside are counted too, and told to nobody outside.
    let inside = pages(&world, Organization, &views);
    for _ in 0..5 {
        read(&inside, Method::GET, &path, &[(USER_AGENT, "Mozilla/5.0")]).await;
    }
    views.keep(&world.hub.store, &mut None).await.unwrap();
    for (listener, told) in [(Public, "<dd>4 次</dd>"), (Organization, "<dd>9 次</dd>")] {
        let body = get(&pages(&world, listener, &Views::default()), &path).await.body;
        assert!(body.contains(told), "{listener}: {body}");
    }
    world.close().await;
}

#[tokio::test]
async fn the_count_of_a_withdrawn_article_is_gone_with_it_even_if_it_was_just_read() {
    let world = World::new().await;
    for seed in [1, 2] {
        world.hub_says(Public, article(seed, "dongtai", "甲")).await;
    }
    let (views, mut swept) = (Views::default(), None);
    let outside = pages(&world, Public, &views);
    let rows = async || {
        let mut tx = world.hub.store.read().await.unwrap();
        let rows = tx.all("SELECT views FROM article_views", crate::args![]).await.unwrap();
        rows.iter().map(|row| row.get(0).unwrap()).collect::<Vec<i64>>()
    };
    for seed in [1, 2] {
        read(&outside, Method::GET, &world.article_path(id(seed)), &[]).await;
    }
    views.keep(&world.hub.store, &mut swept).await.unwrap();
    assert_eq!(rows().await, [1, 1]);
    read(&outside, Method::GET, &world.article_path(id(1)), &[]).await;
    world.withdraw(id(1)).await;
    views.keep(&world.hub.store, &mut swept).await.unwrap();
    assert_eq!(rows().await, [1]);
    world.close().await;
}

#[tokio::test]
async fn what_could_not_be_kept_is_kept_the_next_time() {
    let world = World::new().await;
    let views = Views::default();
    let read = (world.hub.identity.site, id(1), Public);
    views.count(read);
    let closed = crate::store::Store::open_memory().await.unwrap();
    closed.close().await;
    assert!(views.keep(&closed, &mut None).await.is_err());
    views.count(read);
    world.hub_says(Public, article(1, "dongtai", "甲")).await;
    views.keep(&world.hub.store, &mut None).await.unwrap();
    let body = get(&world.pages(Public), &world.article_path(id(1))).await.body;
    assert!(body.contains("<dd>2 次</dd>"), "{body}");
    world.close().await;
}
