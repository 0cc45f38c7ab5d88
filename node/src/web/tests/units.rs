//! A unit's own words on the hub's public pages: after release, or at once if the hub lets it.

use axum::http::StatusCode;

use super::world::{World, article, column, get, id, marked, notice};
use crate::content::Record;
use crate::content::article::{Article, Origin};
use crate::content::site::{Revocation, set_at_once};
use crate::scope::Audience;
use crate::scope::Scope::{Internal, Organization, Public};

const CODE: &str = "dongxiang";

async fn publishes_at_once(world: &World, at_once: bool) {
    let mut tx = world.hub.store.write().await.unwrap();
    assert!(set_at_once(&mut tx, CODE, at_once).await.unwrap());
    tx.commit().await.unwrap();
}

/// Everything of the unit that has an address on the hub's public pages.
fn addresses(world: &World) -> [String; 5] {
    let unit = world.unit.identity.site;
    [
        format!("/article/{unit}/{}", id(1)),
        format!("/notice/{unit}/{}", id(2)),
        format!("/column/{unit}/jiceng"),
        format!("/unit/{CODE}/"),
        format!("/column/{unit}/kong"),
    ]
}

#[tokio::test]
async fn what_a_unit_says_to_the_public_waits_for_the_hubs_leave() {
    let world = World::new().await;
    world.unit_says(Public, column("jiceng", "CANARY基层栏", 1)).await;
    world.unit_says(Public, column("kong", "CANARY空栏", 1)).await;
    world.unit_says(Public, article(1, "jiceng", "CANARY未放行")).await;
    world.unit_says(Public, notice(2, "CANARY通知")).await;
    world.unit_says(Organization, article(3, "jiceng", "SECRET专网")).await;
    let (outside, inside) = (world.pages(Public), world.pages(Organization));
    let never = get(&outside, "/article/x/y").await;
    assert_eq!(never.status, StatusCode::NOT_FOUND);
    let lists = ["/", "/notices", "/unit/"];
    for path in addresses(&world) {
        assert_eq!(get(&outside, &path).await, never, "{path}");
        assert_eq!(get(&inside, &path).await.status, StatusCode::OK, "{path} inside");
    }
    for path in lists {
        let page = get(&outside, path).await;
        assert!(!page.bytes().contains("CANARY") && !page.bytes().contains("东乡镇"), "{path}");
    }

    publishes_at_once(&world, true).await;
    // A server notices within its lease; a router of its own has not looked yet.
    let outside = world.pages(Public);
    for path in addresses(&world) {
        let page = get(&outside, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.body.contains("CANARY"), "{path}\n{}", page.body);
        assert!(!page.body.contains("SECRET"), "{path}");
    }
    let unit = get(&outside, "/unit/dongxiang/").await.body;
    for part in ["东乡镇党委", "CANARY未放行标题", "CANARY基层栏"] {
        assert!(unit.contains(part), "{part}");
    }
    assert!(get(&outside, "/unit/").await.body.contains("东乡镇党委"));
    // The hub's own lists hold what the hub answers for itself.
    for path in ["/", "/notices"] {
        assert!(!get(&outside, path).await.body.contains("CANARY"), "{path}");
    }

    publishes_at_once(&world, false).await;
    let outside = world.pages(Public);
    for path in addresses(&world) {
        assert_eq!(get(&outside, &path).await, never, "{path} after all");
    }
    world.close().await;
}

#[tokio::test]
async fn a_unit_that_left_publishes_no_more_at_once() {
    let world = World::new().await;
    world.unit_says(Public, article(1, "jiceng", "甲")).await;
    publishes_at_once(&world, true).await;
    let path = format!("/article/{}/{}", world.unit.identity.site, id(1));
    let outside = world.pages(Public);
    assert_eq!(get(&outside, &path).await.status, StatusCode::OK);
    let site = world.unit.identity.site;
    let revocation = Revocation { site, reason: "设备遗失".into() };
    world.hub_says_to(Audience::all(Organization), Record::Revocation(revocation)).await;
    for path in [path.as_str(), "/unit/dongxiang/"] {
        assert_eq!(get(&outside, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    world.close().await;
}

#[tokio::test]
async fn a_units_page_shows_what_was_released_under_the_names_the_hub_answers_for() {
    let world = World::new().await;
    world.hub_says(Public, column("jiceng", "基层动态", 1)).await;
    world.unit_says(Public, column("jiceng", "CANARY自称", 1)).await;
    world.unit_says(Internal, article(1, "jiceng", "获准")).await;
    world.unit_says(Internal, article(2, "jiceng", "CANARY内部")).await;
    world.release(id(1), Public).await;
    let outside = world.pages(Public);
    let path = format!("/article/{}/{}", world.unit.identity.site, id(1));
    for path in ["/unit/dongxiang/", "/unit/", &path, "/"] {
        let page = get(&outside, path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.body.contains("东乡镇党委"), "{path}\n{}", page.body);
        assert!(!page.body.contains("CANARY"), "{path}\n{}", page.body);
    }
    let unit = get(&outside, "/unit/dongxiang/").await.body;
    assert!(unit.contains("获准标题") && unit.contains("基层动态"), "{unit}");
    let article = get(&outside, &path).await.body;
    assert!(article.contains(r#"href="/unit/dongxiang/""#), "{article}");
    // Inside, a unit's page shows what may be read there.
    let inside = get(&world.pages(Internal), "/unit/dongxiang/").await.body;
    assert!(inside.contains("CANARY内部标题") && inside.contains("CANARY自称"));
    world.close().await;
}

#[tokio::test]
async fn only_units_have_pages_and_each_has_one_address() {
    let world = World::new().await;
    let pages = world.pages(Organization);
    let moved = get(&pages, "/unit/dongxiang").await;
    assert_eq!(moved.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(moved.headers["location"], "/unit/dongxiang/");
    assert_eq!(get(&pages, "/unit").await.headers["location"], "/unit/");
    assert_eq!(get(&pages, "/unit/dongxiang/").await.status, StatusCode::OK);
    for path in ["/unit/xianwei/", "/unit/DONGXIANG/", "/unit/%2e%2e/", "/unit/nobody/"] {
        assert_eq!(get(&pages, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/unit/", "/unit/dongxiang/"] {
        let node = get(&world.node_pages(Organization), path).await;
        assert_eq!(node.status, StatusCode::NOT_FOUND, "a node has none: {path}");
    }
    let mut tx = world.hub.store.write().await.unwrap();
    for code in ["nobody", "", "x'; DROP TABLE at_once; --"] {
        assert!(!set_at_once(&mut tx, code, true).await.unwrap(), "{code}");
        assert!(!set_at_once(&mut tx, code, false).await.unwrap(), "{code}");
    }
    drop(tx);
    world.close().await;
}

#[tokio::test]
async fn a_unit_sees_on_its_own_page_that_its_piece_was_adopted_as_far_as_its_readers_may() {
    let world = World::new().await;
    let hash = world.unit_says(Public, article(1, "dongtai", "甲")).await;
    let unit = world.unit.identity.site;
    let made = |seed, title: &str| {
        let origin = Some(Origin { site: unit, id: id(1), hash });
        Record::Article(Article { origin, ..marked(seed, "dongtai", title) })
    };
    world.hub_says(Public, made(2, "公开采用")).await;
    world.hub_says(Internal, made(3, "部内采用")).await;
    world.unit_hears().await;
    let path = format!("/article/{unit}/{}", id(1));
    let (inside, outside) = (world.node_pages(Internal), world.node_pages(Public));
    let shown = get(&inside, &path).await.body;
    assert!(shown.contains("上级采用") && shown.contains("公开采用标题"));
    assert!(shown.contains("部内采用标题"));
    let shown = get(&outside, &path).await.body;
    assert!(shown.contains("公开采用标题") && !shown.contains("部内采用"));
    let made_of_it = world.article_path(id(2));
    assert!(shown.contains(&format!("<a href=\"{made_of_it}\">")));
    assert_eq!(get(&outside, &made_of_it).await.status, StatusCode::OK);
    world.close().await;
}
