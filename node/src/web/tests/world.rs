//! A hub and a unit beneath it, filled through the real door.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::args;
use crate::clock::ManualClock;
use crate::content::Record;
use crate::content::article::{Article, TextFormat, live_targets};
use crate::content::column::Column;
use crate::content::notice::Notice;
use crate::content::release::{Approval, Release};
use crate::content::retraction::Retraction;
use crate::content::site::{Enrolment, Unit};
use crate::entry::{Entry, Hash, RecordId};
use crate::identity::Identity;
use crate::ingest::{Draft, Origin};
use crate::journal::{Meta, Pins};
use crate::lifecycle::{self, Site};
use crate::scope::{Audience, Reader, Scope};
use crate::store::Store;
use crate::web::{Views, WebContext, router};

/// 2026-11-23 09:00 in Beijing.
pub(super) const NOW: i64 = 1_795_395_600_000;

pub(super) struct World {
    pub(super) hub: Site,
    pub(super) unit: Site,
    _folder: TempDir,
}

/// What came back, every byte of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    /// Headers and body as one text, to search for what must not be there.
    pub(super) fn bytes(&self) -> String {
        format!("{:?}\n{}", self.headers, self.body)
    }
}

impl World {
    /// A hub that enrolled itself and a unit with ceiling `internal`, nothing published yet.
    pub(super) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let hub = site(&folder, "hub", 1).await;
        let unit = site(&folder, "unit", 2).await;
        let world = Self { hub, unit, _folder: folder };
        world.enrol(&world.hub, "xianwei", "武县县委组织部", Scope::Internal, true).await;
        world.enrol(&world.unit, "dongxiang", "东乡镇党委", Scope::Internal, false).await;
        world
    }

    async fn enrol(&self, site: &Site, code: &str, name: &str, ceiling: Scope, hub: bool) {
        let parent = if hub { "" } else { "xianwei" };
        let enrolment = Enrolment {
            site: site.identity.site,
            key: site.identity.public(),
            unit: Unit { code: code.into(), name: name.into(), parent: parent.into() },
            ceiling,
            invite: None,
            hub,
        };
        self.hub_says_to(enrolment.audience(), Record::Enrolment(enrolment)).await;
    }

    pub(super) async fn hub_says_to(&self, audience: Audience, record: Record) -> Hash {
        self.hub.door.write(vec![Draft::new(audience, record)]).await.unwrap().pop().unwrap().hash
    }

    pub(super) async fn hub_says(&self, scope: Scope, record: Record) -> Hash {
        self.hub_says_to(Audience::all(scope), record).await
    }

    /// The unit writes, and what it wrote goes up to the hub.
    pub(super) async fn unit_says_to(&self, audience: Audience, record: Record) -> Hash {
        let written = self.unit.door.write(vec![Draft::new(audience, record)]).await.unwrap();
        let entries = entries(&self.unit.store, written[0].position).await;
        let site = self.unit.identity.site;
        let origin = Origin::Below { site, ceiling: Scope::Internal, refill: false };
        let taken = self.hub.door.take(entries, origin).await.unwrap();
        assert_eq!(taken.refusals().collect::<Vec<_>>(), Vec::<&crate::ingest::Refusal>::new());
        written.last().unwrap().hash
    }

    pub(super) async fn unit_says(&self, scope: Scope, record: Record) -> Hash {
        self.unit_says_to(Audience::all(scope), record).await
    }

    /// All the hub said comes down to the unit.
    pub(super) async fn unit_hears(&self) {
        let (site, hub) = (self.unit.identity.site, &self.hub.identity);
        let mut tx = self.unit.store.write().await.unwrap();
        Pins::add(&mut tx, hub.site, hub.public(), true).await.unwrap();
        tx.commit().await.unwrap();
        let reader = Reader::site(site, Scope::Internal, Scope::Internal);
        let said = entries(&self.hub.store, 0).await;
        let taken = self.unit.door.take(said, Origin::Above { reader }).await.unwrap();
        assert_eq!(taken.refusals().collect::<Vec<_>>(), Vec::<&crate::ingest::Refusal>::new());
    }

    /// The hub takes a unit's article to a wider scope.
    pub(super) async fn release(&self, id: RecordId, scope: Scope) {
        let mut tx = self.hub.store.read().await.unwrap();
        let site = self.unit.identity.site;
        let (original, head, _) =
            crate::content::current_entry(&mut tx, site, id).await.unwrap().unwrap();
        drop(tx);
        let body = original.body.clone().unwrap();
        let release = Release {
            record: crate::wire::decode_record(&body).unwrap().unwrap(),
            original,
            head,
            unit_code: "dongxiang".into(),
            unit_name: "东乡镇党委".into(),
            approvals: vec![Approval { person: "王审".into(), at_ms: NOW }],
            first_seen_ms: Some(NOW),
        };
        self.hub_says(scope, Record::Release(Box::new(release))).await;
    }

    /// The hub withdraws its own article or notice.
    pub(super) async fn withdraw(&self, id: RecordId) {
        let mut tx = self.hub.store.read().await.unwrap();
        let targets = live_targets(&mut tx, self.hub.identity.site, id).await.unwrap();
        drop(tx);
        assert!(!targets.is_empty());
        for target in targets {
            let it = Retraction {
                targets: vec![target],
                record: Some(id),
                reason: "内容有误CANARY理由".into(),
            };
            self.hub_says_to(target.log.audience, Record::Retraction(it)).await;
        }
    }

    /// The hub's pages.
    pub(super) fn pages(&self, listener: Scope) -> Router {
        pages(&self.hub, "武县党建网", listener, true)
    }

    /// The unit's pages.
    pub(super) fn node_pages(&self, listener: Scope) -> Router {
        pages(&self.unit, "东乡镇党委", listener, false)
    }

    pub(super) fn article_path(&self, id: RecordId) -> String {
        format!("/article/{}/{id}", self.hub.identity.site)
    }

    pub(super) async fn close(self) {
        self.hub.close().await;
        self.unit.close().await;
    }
}

pub(super) fn pages(site: &Site, title: &str, listener: Scope, units: bool) -> Router {
    router(context(site, title, listener, units))
}

pub(super) fn context(site: &Site, title: &str, listener: Scope, units: bool) -> WebContext {
    WebContext {
        store: site.store.clone(),
        end: site.door.end(),
        blobs: site.blobs.clone(),
        site: site.identity.site,
        title: title.into(),
        domain: "example.gov.cn".into(),
        imprint: Arc::default(),
        views: Views::default(),
        listener,
        units,
        url: None,
    }
}

async fn site(folder: &TempDir, name: &str, seed: u64) -> Site {
    let folder = folder.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    let store = Store::open_sqlite(&folder.join("lianbo.db")).await.unwrap();
    site_on(&folder, store, seed).await
}

/// A new site on this store.
pub(super) async fn site_on(folder: &Path, store: Store, seed: u64) -> Site {
    let mut rng = StdRng::seed_from_u64(seed);
    let identity = Identity::generate(&mut rng);
    let meta = Meta::generate(identity.site, &mut rng);
    lifecycle::set_up(&store, &meta, identity.public(), (identity.site, identity.public()))
        .await
        .unwrap();
    Site::run(folder, store, identity, Arc::new(ManualClock::new(NOW)))
}

/// The journal from `position` on.
async fn entries(store: &Store, position: i64) -> Vec<Entry> {
    let sql = "SELECT head, signature, body FROM entries WHERE position >= $1 ORDER BY position";
    let rows = store.read().await.unwrap().all(sql, args![position]).await.unwrap();
    rows.iter()
        .map(|row| Entry {
            head: row.get(0).unwrap(),
            signature: row.get(1).unwrap(),
            body: row.get(2).unwrap(),
        })
        .collect()
}

pub(super) fn id(seed: u8) -> RecordId {
    RecordId([seed; 16])
}

pub(super) fn column(slug: &str, name: &str, rank: i32) -> Record {
    Record::Column(Column {
        slug: slug.into(),
        name: name.into(),
        description: format!("{name}的说明"),
        rank,
        closed: false,
    })
}

/// An article whose every text holds `mark`.
pub(super) fn marked(seed: u8, slug: &str, mark: &str) -> Article {
    Article {
        id: id(seed),
        column: slug.into(),
        title: format!("{mark}标题"),
        format: TextFormat::Markdown,
        text: format!("# 一、{mark}小标题\n\n{mark}正文第一段。\n\n{mark}正文第二段。"),
        source: format!("{mark}来源"),
        author: format!("{mark}作者"),
        editor: format!("{mark}编辑"),
        keywords: vec![format!("{mark}词一"), format!("{mark}词二")],
        published_ms: NOW - 3_600_000,
        link: String::new(),
        origin: None,
        attachments: Vec::new(),
    }
}

pub(super) fn article(seed: u8, slug: &str, mark: &str) -> Record {
    Record::Article(marked(seed, slug, mark))
}

pub(super) fn notice(seed: u8, mark: &str) -> Record {
    Record::Notice(Notice {
        id: id(seed),
        title: format!("关于{mark}的通知"),
        format: TextFormat::Markdown,
        text: format!("各党支部：\n\n请{mark}。"),
        doc_number: format!("武组通〔2026〕{seed}号"),
        deadline_ms: Some(NOW + 86_400_000),
        issued_ms: NOW,
    })
}

pub(super) async fn ask(router: &Router, method: Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    ask_with(router, request).await
}

pub(super) async fn ask_with(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer { status: head.status, headers: head.headers, body }
}

pub(super) async fn get(router: &Router, path: &str) -> Answer {
    ask(router, Method::GET, path).await
}
