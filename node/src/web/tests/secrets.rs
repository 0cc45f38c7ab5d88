//! What the pages must never say (rule 2), and to whom.

use axum::http::{Method, StatusCode};

use super::world::{Answer, World, article, ask, column, get, id, marked, notice};
use crate::content::Record;
use crate::content::article::TextFormat;
use crate::scope::Audience;
use crate::scope::Scope::{self, Internal, Organization, Public};

/// Every page and many wrong addresses; nothing that is not an article or a notice depends on who asks.
fn addresses(world: &World) -> Vec<String> {
    let mut paths: Vec<String> =
        ["/", "/notices", "/notices?page=2", "/units", "/units?page=2"].map(str::to_owned).into();
    paths.extend(["/unit/", "/unit/dongxiang/", "/unit/xianwei/"].map(str::to_owned));
    for site in [world.hub.identity.site, world.unit.identity.site] {
        for slug in ["neibu", "dongtai", "jiceng", "weizhi", "CANARY", "..%2f..%2fetc"] {
            paths.push(format!("/column/{site}/{slug}"));
            paths.push(format!("/column/{site}/{slug}?page=1"));
        }
        for seed in 0..10 {
            paths.push(format!("/article/{site}/{}", id(seed)));
            paths.push(format!("/notice/{site}/{}", id(seed)));
            paths.push(format!("/article/{}/{}", site.to_string().to_uppercase(), id(seed)));
        }
    }
    paths.extend(
        [
            "/article/x/y",
            "/article/%ff/%00",
            "/article//",
            "/notice/%27%20OR%201=1--/x",
            "/column/%E5%86%85/%E9%83%A8",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/assets/..%2f..%2fCargo.toml",
            "/?page=%3Cscript%3E",
            "/<script>".replace('<', "%3C").replace('>', "%3E").as_str(),
            "/live",
            "/ready",
            "/metrics",
            "/favicon.ico",
        ]
        .map(str::to_owned),
    );
    paths.push(format!("/{}", "a/".repeat(2_000)));
    paths.push(format!("/notices?{}", "x".repeat(4_000)));
    paths
}

async fn everything(world: &World, pages: &axum::Router) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for path in addresses(world) {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let answer = ask(pages, method.clone(), &path).await;
            assert!(answer.status != StatusCode::INTERNAL_SERVER_ERROR, "{method} {path}");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "same-origin"),
                ("x-frame-options", "DENY"),
            ] {
                assert_eq!(answer.headers[name], value, "{method} {path}");
            }
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
            answers.push((format!("{method} {path}"), answer));
        }
    }
    answers
}

/// Says everything there is to say in `scope`, by hub and unit, each text with `mark` in it.
async fn fill(world: &World, scope: Scope, seed: u8, slug: &str, mark: &str) {
    world.hub_says(scope, column(slug, &format!("{mark}栏"), 1)).await;
    world.hub_says(scope, article(seed, slug, mark)).await;
    world.hub_says(scope, notice(seed + 1, mark)).await;
    world.unit_says(scope, column(slug, &format!("{mark}基层栏"), 1)).await;
    world.unit_says(scope, article(seed + 2, slug, mark)).await;
}

#[tokio::test]
async fn nothing_of_a_narrower_scope_is_in_any_byte_of_a_listeners_answers() {
    let world = World::new().await;
    fill(&world, Internal, 0, "neibu", "CANARY内").await;
    fill(&world, Organization, 3, "dongtai", "CANARY专").await;
    fill(&world, Public, 6, "dongtai", "公开话").await;
    // A wider revision of something narrower, and the other way round.
    world.hub_says(Internal, article(6, "dongtai", "CANARY内改")).await;
    // To one unit alone: for no anonymous reader anywhere.
    let direct = Audience::direct(Public, world.hub.identity.site);
    world.unit_says_to(direct, notice(9, "CANARY专送")).await;
    for (listener, forbidden) in [
        (Public, &["CANARY", "东乡镇党委"][..]),
        (Organization, &["CANARY内", "CANARY专送"][..]),
        (Internal, &["CANARY专送"][..]),
    ] {
        for (asked, answer) in everything(&world, &world.pages(listener)).await {
            for canary in forbidden {
                assert!(!answer.bytes().contains(canary), "{canary} in {asked} on {listener}");
            }
        }
    }
    // A node's own name is on its pages; nothing else of what it keeps inside is.
    for (asked, answer) in everything(&world, &world.node_pages(Public)).await {
        assert!(!answer.bytes().contains("CANARY"), "a canary in {asked}");
    }
    // The canaries do sing where they may.
    let home = get(&world.pages(Internal), "/").await.body;
    assert!(home.contains("CANARY内标题") && home.contains("CANARY专标题"));
    world.close().await;
}

#[tokio::test]
async fn withdrawn_hidden_and_never_existing_answer_alike_byte_for_byte() {
    let world = World::new().await;
    world.hub_says(Public, column("dongtai", "工作动态", 1)).await;
    world.hub_says(Public, article(1, "dongtai", "撤回")).await;
    world.hub_says(Internal, article(2, "dongtai", "内部")).await;
    world.hub_says(Public, notice(3, "撤回")).await;
    world.hub_says(Organization, notice(4, "专网")).await;
    let pages = world.pages(Public);
    let hub = world.hub.identity.site;
    assert_eq!(get(&pages, &world.article_path(id(1))).await.status, StatusCode::OK);
    world.withdraw(id(1)).await;
    world.withdraw(id(3)).await;
    let never = get(&pages, &world.article_path(id(77))).await;
    assert_eq!(never.status, StatusCode::NOT_FOUND);
    assert!(never.body.contains("没有找到这个页面") && never.body.contains("返回首页"));
    for path in [
        world.article_path(id(1)),
        world.article_path(id(2)),
        format!("/notice/{hub}/{}", id(3)),
        format!("/notice/{hub}/{}", id(4)),
        format!("/notice/{hub}/{}", id(5)),
        format!("/column/{hub}/neibu"),
        format!("/article/{}/{}", hub.to_string().to_uppercase(), id(2)),
        "/article/zz/%ff".to_owned(),
        "/units".to_owned(),
        "/nowhere".to_owned(),
        "/assets/nothing".to_owned(),
        format!("/{}", "a".repeat(9_000)),
    ] {
        assert_eq!(get(&pages, &path).await, never, "{path}");
    }
    world.close().await;
}

#[tokio::test]
async fn hostile_texts_reach_no_page_alive() {
    let world = World::new().await;
    let attack = r#""><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"#;
    let mut it = marked(1, "dongtai", attack);
    it.text = format!("{attack}\n\n[点我](javascript:alert(1)) <a href='/x' onclick='y()'>z</a>");
    it.keywords = vec!["<script>alert(1)</script>".into(), "\"><img src=x>".into()];
    let mut html = marked(2, "dongtai", attack);
    html.keywords.clear();
    html.format = TextFormat::Html;
    html.text = format!("<h1>{attack}</h1><iframe src=//evil.example></iframe><form><input>");
    world.hub_says(Public, Record::Article(it)).await;
    world.hub_says(Public, Record::Article(html)).await;
    world.hub_says(Public, notice(3, attack)).await;
    let pages = world.pages(Public);
    for path in [
        "/".to_owned(),
        "/notices".to_owned(),
        world.article_path(id(1)),
        world.article_path(id(2)),
        format!("/notice/{}/{}", world.hub.identity.site, id(3)),
    ] {
        let page = get(&pages, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let body = page.body.to_lowercase();
        for alive in
            ["<script", "<img", "<iframe", "<form", "<input", "onclick", "href=\"javascript"]
        {
            assert!(!body.contains(alive), "{alive} in {path}\n{body}");
        }
    }
    world.close().await;
}
