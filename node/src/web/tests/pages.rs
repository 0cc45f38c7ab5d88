//! What each page says.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, Request, StatusCode};

use super::world::{NOW, World, article, ask, ask_with, column, context, get, id, marked, notice};
use crate::content::Record;
use crate::content::first_seen::{FirstSeen, Sighting};
use crate::journal::{Meta, Standing};
use crate::scope::Scope::{Internal, Organization, Public};
use crate::web::page::PAGE;
use crate::web::{WebContext, router};

fn holds(body: &str, parts: &[&str]) {
    for part in parts {
        assert!(body.contains(part), "{part:?} is missing in\n{body}");
    }
}

#[tokio::test]
async fn home_shows_columns_with_their_newest_articles_and_notices() {
    let world = World::new().await;
    world.hub_says(Public, column("dongtai", "工作动态", 1)).await;
    world.hub_says(Public, column("kong", "政策法规", 2)).await;
    world.hub_says(Public, article(1, "dongtai", "甲")).await;
    world.hub_says(Public, notice(9, "报送材料")).await;
    let page = get(&world.pages(Public), "/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers[CONTENT_TYPE], "text/html; charset=utf-8");
    holds(
        &page.body,
        &[
            r#"<html lang="zh-CN">"#,
            r#"<meta name="SiteName" content="武县党建网">"#,
            r#"<meta name="ColumnType" content="首页">"#,
            "工作动态",
            "政策法规",
            "本栏目还没有稿件",
            "甲标题",
            "关于报送材料的通知",
            "2026-11-23",
            r##"<a class="skip" href="#main">"##,
            "互联网",
        ],
    );
    assert_eq!(page.body.matches("<h1").count(), 1);
    world.close().await;
}

#[tokio::test]
async fn an_article_shows_its_facts_its_text_and_its_revisions() {
    let world = World::new().await;
    world.hub_says(Public, column("dongtai", "工作动态", 1)).await;
    world.hub_says(Public, article(1, "dongtai", "旧")).await;
    world.hub_says(Public, article(1, "dongtai", "新<b>")).await;
    let page = get(&world.pages(Public), &world.article_path(id(1))).await;
    assert_eq!(page.status, StatusCode::OK);
    holds(
        &page.body,
        &[
            "新&#60;b&#62;标题</h1>",
            r#"<meta name="ArticleTitle" content="新&#60;b&#62;标题">"#,
            r#"<meta name="PubDate" content="2026-11-23 08:00">"#,
            r#"<meta name="ContentSource" content="新&#60;b&#62;来源">"#,
            r#"<meta name="Keywords" content="新&#60;b&#62;词一,新&#60;b&#62;词二">"#,
            r#"<meta name="Author" content="新&#60;b&#62;作者">"#,
            r#"<meta name="ColumnName" content="工作动态">"#,
            r#"<meta name="ColumnDescription" content="武县县委组织部的工作动态">"#,
            r#"<meta name="ColumnKeywords" content="工作动态,武县县委组织部">"#,
            r#"<meta name="ColumnType" content="工作动态">"#,
            r#"<meta name="SiteDomain" content="example.gov.cn">"#,
            r#"<meta name="Description" content="一、新小标题"#,
            "2026年11月23日 08:00",
            "责任编辑",
            "新&#60;b&#62;编辑",
            "修订记录",
            "旧标题",
            "武县县委组织部",
            "<h2>一、",
        ],
    );
    assert_eq!(page.body.matches("<h1").count(), 1);
    assert!(!page.body.contains("旧正文"), "only the current revision's text is shown");
    world.close().await;
}

#[tokio::test]
async fn a_date_before_the_hubs_first_sight_is_told_with_it_and_one_after_is_capped() {
    let world = World::new().await;
    let mut early = marked(1, "dongtai", "早");
    early.published_ms = NOW - 30 * 86_400_000;
    let mut late = marked(2, "dongtai", "晚");
    late.published_ms = NOW + 30 * 86_400_000;
    for it in [early, late] {
        let hash = world.unit_says(Organization, Record::Article(it)).await;
        let seen = Sighting { site: world.unit.identity.site, hash, at_ms: NOW };
        let told = FirstSeen { sightings: vec![seen] };
        world.hub_says(Organization, Record::FirstSeen(told)).await;
    }
    let pages = world.pages(Organization);
    let path = |seed| format!("/article/{}/{}", world.unit.identity.site, id(seed));
    let early = get(&pages, &path(1)).await.body;
    holds(&early, &["2026年10月24日 09:00", "中心首次收到", "2026年11月23日 09:00", "东乡镇党委"]);
    let late = get(&pages, &path(2)).await.body;
    holds(&late, &[r#"content="2026-11-23 09:00""#]);
    assert!(!late.contains("中心首次收到"));
    world.close().await;
}

#[tokio::test]
async fn a_column_turns_its_pages() {
    let world = World::new().await;
    world.hub_says(Public, column("dongtai", "工作动态", 1)).await;
    let count = u8::try_from(PAGE).unwrap() + 3;
    for seed in 0..count {
        world.hub_says(Public, article(seed, "dongtai", &format!("第{seed:03}篇"))).await;
    }
    let pages = world.pages(Public);
    let path = format!("/column/{}/dongtai", world.hub.identity.site);
    let first = get(&pages, &path).await.body;
    let second = get(&pages, &format!("{path}?page=2")).await.body;
    holds(&first, &["工作动态的说明", "?page=2", "下一页", r#"aria-current="page">工作动态"#]);
    holds(&second, &["?page=1", "上一页"]);
    assert!(!second.contains("下一页"));
    for seed in 0..count {
        let title = format!("第{seed:03}篇标题");
        assert!(first.contains(&title) != second.contains(&title), "{title} stands on one page");
    }
    for page in ["0", "-1", "3", "501", "99999999999999999999", "x", ""] {
        let answer = get(&pages, &format!("{path}?page={page}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "page {page:?}");
    }
    assert_eq!(get(&pages, &format!("{path}?from=weixin&%ff=%00")).await.body, first);
    world.close().await;
}

#[tokio::test]
async fn notices_are_listed_and_shown_with_number_and_deadline() {
    let world = World::new().await;
    world.hub_says(Organization, notice(9, "开展评议")).await;
    let pages = world.pages(Organization);
    let list = get(&pages, "/notices").await;
    holds(&list.body, &["关于开展评议的通知", "武组通〔2026〕9号", "前签收", "专网"]);
    let path = format!("/notice/{}/{}", world.hub.identity.site, id(9));
    assert!(list.body.contains(&path));
    let page = get(&pages, &path).await;
    assert_eq!(page.status, StatusCode::OK);
    holds(
        &page.body,
        &["各党支部：", "请于", "2026年11月24日 09:00", "武组通〔2026〕9号", "武县县委组织部"],
    );
    assert_eq!(page.body.matches("<h1").count(), 1);
    world.close().await;
}

#[tokio::test]
async fn what_units_sent_up_has_its_own_list_inside_and_none_outside() {
    let world = World::new().await;
    world.unit_says(Public, article(1, "jiceng", "基层公开")).await;
    world.unit_says(Organization, article(2, "jiceng", "基层专网")).await;
    world.unit_says(Organization, article(3, "jiceng", "基层获准")).await;
    world.release(id(3), Public).await;
    world.hub_says(Public, article(4, "dongtai", "中心自写")).await;
    let inside = world.pages(Organization);
    let list = get(&inside, "/units").await;
    assert_eq!(list.status, StatusCode::OK);
    holds(
        &list.body,
        &["各单位来稿", "基层公开标题", "基层专网标题", "基层获准标题", "东乡镇党委"],
    );
    assert!(!list.body.contains("中心自写"), "the hub is no unit of its own");
    let home = get(&inside, "/").await.body;
    holds(&home, &["各单位来稿", "基层专网标题", "中心自写标题"]);
    let outside = world.pages(Public);
    assert_eq!(get(&outside, "/units").await.status, StatusCode::NOT_FOUND);
    let home = get(&outside, "/").await.body;
    holds(&home, &["基层获准标题", "东乡镇党委"]);
    let column = get(&outside, &format!("/column/{}/jiceng", world.unit.identity.site)).await.body;
    holds(&column, &["基层获准标题"]);
    for page in [home, column] {
        for absent in ["各单位来稿", "基层公开", "基层专网"] {
            assert!(!page.contains(absent), "{absent} outside");
        }
    }
    // A node shows whatever may be read there.
    let node = get(&world.node_pages(Organization), "/").await.body;
    holds(&node, &["基层公开标题", "基层专网标题"]);
    assert!(!node.contains("各单位来稿"));
    world.close().await;
}

#[tokio::test]
async fn assets_bear_their_hash_and_may_be_kept_for_a_year() {
    let world = World::new().await;
    let pages = world.pages(Public);
    let home = get(&pages, "/").await;
    assert_eq!(home.headers[CACHE_CONTROL], "private, no-cache");
    for (before, media_type) in [
        ("stylesheet\" href=\"", "text/css; charset=utf-8"),
        ("svg+xml\" href=\"", "image/svg+xml"),
    ] {
        let (_, rest) = home.body.split_once(before).unwrap();
        let (path, _) = rest.split_once('"').unwrap();
        let asset = get(&pages, path).await;
        assert_eq!(asset.status, StatusCode::OK);
        assert_eq!(asset.headers[CONTENT_TYPE], media_type);
        assert_eq!(asset.headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
    }
    assert_eq!(get(&pages, "/assets/style-0.css").await.status, StatusCode::NOT_FOUND);
    world.close().await;
}

#[tokio::test]
async fn only_get_and_head_are_served_and_head_says_what_get_would() {
    let world = World::new().await;
    world.hub_says(Public, article(1, "dongtai", "甲")).await;
    let pages = world.pages(Public);
    for path in ["/", "/notices", &world.article_path(id(1)), "/nowhere", "/assets/x"] {
        let full = get(&pages, path).await;
        let head = ask(&pages, Method::HEAD, path).await;
        assert_eq!(head.body, "", "HEAD {path}");
        assert_eq!((head.status, full.body.is_empty()), (full.status, false));
        assert_eq!(head.headers[CONTENT_LENGTH], full.body.len().to_string().as_str());
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            let answer = ask(&pages, method.clone(), path).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.headers["allow"], "GET, HEAD");
            holds(&answer.body, &["这里只能阅读", r#"href="/">返回首页"#]);
        }
    }
    let large = Request::get("/").body(Body::from(vec![b'x'; 4096])).unwrap();
    let answer = ask_with(&pages, large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    holds(&answer.body, &["提交的内容太大"]);
    world.close().await;
}

#[tokio::test]
async fn a_store_that_fails_gives_the_page_that_says_so_and_tells_nothing_else() {
    let world = World::new().await;
    let pages = world.pages(Public);
    world.hub.store.close().await;
    let answer = get(&pages, "/").await;
    assert!(answer.status.is_server_error());
    holds(&answer.body, &["返回首页", "武县党建网"]);
    for absent in ["sql", "database", "pool", "panic"] {
        assert!(!answer.bytes().to_lowercase().contains(absent), "{absent} is told");
    }
    world.close().await;
}

#[tokio::test]
async fn a_restored_site_shows_no_page_until_it_may_sign_again() {
    let world = World::new().await;
    let stand = async |standing| {
        let mut tx = world.hub.store.write().await.unwrap();
        let mut meta = Meta::load(&mut tx).await.unwrap().unwrap();
        meta.standing = standing;
        meta.save(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    };
    stand(Standing::Restored).await;
    for path in ["/", "/notices", "/units", "/notice/x/y"] {
        let answer = get(&world.pages(Internal), path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        holds(&answer.body, &["返回首页"]);
    }
    stand(Standing::Ready).await;
    assert_eq!(get(&world.pages(Internal), "/").await.status, StatusCode::OK);
    world.close().await;
}

#[tokio::test]
async fn who_answers_for_the_pages_stands_on_each_and_what_leads_out_on_public_ones_alone() {
    let world = World::new().await;
    let imprint: crate::web::Imprint = toml::from_str(
        "sponsor = '中共武县县委组织部'\norganizer = '武县党员教育中心'\nsite_id_code = '3307230001'\n\
         icp = '浙ICP备2026000001号-1'\npolice = '浙公网安备 33072302000001号'\n\
         conac_script = 'https://dcs.conac.cn/js/x.js'\n\
         report_script = 'https://zfwzgl.www.gov.cn/exposure/jiucuo.js'",
    )
    .unwrap();
    let imprint = std::sync::Arc::new(imprint);
    for listener in [Public, Organization, Internal] {
        let imprint = imprint.clone();
        let pages = router(WebContext {
            imprint,
            ..context(&world.hub, "武县党建网", listener, true)
        });
        for path in ["/", "/notices", "/nowhere"] {
            let page = get(&pages, path).await;
            holds(&page.body, &["主办：中共武县县委组织部", "承办：武县党员教育中心"]);
            holds(&page.body, &[r#"<meta name="SiteIDCode" content="3307230001">"#]);
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            for out in
                ["conac.cn", "zfwzgl.www.gov.cn", "<script", "beian.miit.gov.cn", "33072302000001"]
            {
                assert_eq!(page.body.contains(out), listener == Public, "{out} on {listener}");
            }
            for host in ["https://dcs.conac.cn", "https://zfwzgl.www.gov.cn"] {
                assert_eq!(policy.contains(host), listener == Public, "{policy} on {listener}");
            }
            assert!(policy.starts_with("default-src 'none'"));
        }
    }
    // What is not configured is neither invented nor left blank.
    let plain = get(&world.pages(Public), "/").await.body;
    for absent in ["SiteIDCode", "主办", "网站标识码", "beian", "<script"] {
        assert!(!plain.contains(absent), "{absent}");
    }
    world.close().await;
}
