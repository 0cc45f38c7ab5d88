//! People at a desk: they write, revise, withdraw and release at random moments, and note what was acknowledged.

use std::sync::Arc;
use std::time::Duration;

use lianbo_node::content::article::{Article, TextFormat};
use lianbo_node::content::column::Column;
use lianbo_node::content::notice::Notice;
use lianbo_node::content::release::{Approval, Release};
use lianbo_node::content::retraction::Retraction;
use lianbo_node::content::{self, Record};
use lianbo_node::entry::{RecordId, SiteId};
use lianbo_node::ingest::{Door, Draft};
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Store;
use lianbo_node::wire::{decode_head, decode_record};
use rand::RngExt;
use rand::rngs::StdRng;

use super::world::{Acked, HUB, NEWS, World};
use crate::records::START_MS;

/// Longest pause between two writes.
const PAUSE_MS: u64 = 6_000;

/// What somebody wants to do next.
#[derive(Clone, Copy)]
enum Wish {
    Article,
    Revision,
    Column,
    Notice,
    Retraction,
    Release,
}

/// Writes at the site of member `index` until the world is hushed.
pub(super) async fn run(world: Arc<World>, index: usize, door: Door, store: Store) {
    let world = &*world;
    while !world.hushed() {
        let pause = dice(world, index, |rng| rng.random_range(10..PAUSE_MS));
        #[expect(clippy::disallowed_methods, reason = "simulated time")]
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if world.hushed() {
            break;
        }
        let wish = dice(world, index, |rng| match rng.random_range(0..100) {
            0..35 => Wish::Article,
            35..60 => Wish::Revision,
            60..65 => Wish::Column,
            65..75 => Wish::Notice,
            75..88 => Wish::Retraction,
            _ if index == HUB => Wish::Release,
            _ => Wish::Article,
        });
        let (drafts, article) = match wish {
            Wish::Article => article(world, index),
            Wish::Revision => revision(world, index, store.clone()).await,
            Wish::Column => (vec![column(world, index)], None),
            Wish::Notice => (notice(world, index), None),
            Wish::Retraction => retraction(world, index, store.clone()).await,
            Wish::Release => (release(world, index, store.clone()).await, None),
        };
        if drafts.is_empty() {
            continue;
        }
        // A fenced site says no, and is asked again later; nothing was acknowledged.
        let Ok(written) = door.write(drafts).await else { continue };
        let mut told = world.told();
        told.written += 1;
        told.acked.extend(written.into_iter().map(|it| {
            let withdraws = matches!(wish, Wish::Retraction).then_some(article).flatten();
            let article = if withdraws.is_none() { article } else { None };
            Acked { log: it.log, seq: it.seq, hash: it.hash, article, withdraws }
        }));
    }
}

fn dice<T>(world: &World, index: usize, draw: impl FnOnce(&mut StdRng) -> T) -> T {
    let rng = &world.members[index].rng;
    draw(&mut rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn scope(rng: &mut StdRng) -> Scope {
    Scope::ALL[rng.random_range(0..3)]
}

fn article_of(id: RecordId, rng: &mut StdRng) -> Record {
    let column = if rng.random_bool(0.7) { NEWS } else { "other" };
    let (n, length) = (rng.random::<u32>(), rng.random_range(1..2000));
    Record::Article(Article {
        id,
        column: column.to_owned(),
        title: format!("我县召开基层党建工作推进会 {n:08x}"),
        format: TextFormat::Markdown,
        text: "压实责任。".repeat(length),
        source: String::new(),
        author: "王芳".to_owned(),
        editor: "李明".to_owned(),
        keywords: Vec::new(),
        published_ms: START_MS,
        link: String::new(),
        origin: None,
        attachments: Vec::new(),
    })
}

fn article(world: &World, index: usize) -> (Vec<Draft>, Option<RecordId>) {
    dice(world, index, |rng| {
        let id = RecordId(rng.random());
        (vec![Draft::new(Audience::all(scope(rng)), article_of(id, rng))], Some(id))
    })
}

/// An article that somebody was told is kept.
fn some_article(world: &World, index: usize, whose: Option<SiteId>) -> Option<(SiteId, RecordId)> {
    let known: Vec<_> = world
        .told()
        .acked
        .iter()
        .filter(|acked| whose.is_none_or(|site| acked.log.site == site))
        .filter_map(|acked| Some((acked.log.site, acked.article?)))
        .collect();
    if known.is_empty() {
        return None;
    }
    Some(known[dice(world, index, |rng| rng.random_range(0..known.len()))])
}

async fn revision(world: &World, index: usize, store: Store) -> (Vec<Draft>, Option<RecordId>) {
    let Some((own, id)) = some_article(world, index, Some(world.members[index].site())) else {
        return (Vec::new(), None);
    };
    let before = world.told().acked.iter().rev().find(|it| it.article == Some(id)).copied();
    let Some(before) = before.filter(|before| before.log.site == own) else {
        return (Vec::new(), None);
    };
    // Nobody goes on with what is withdrawn, and may be known to be so to fewer than would read on.
    let mut tx = store.read().await.expect("the store reads");
    if content::live_targets(&mut tx, own, id).await.expect("targets").is_empty() {
        return (Vec::new(), None);
    }
    drop(tx);
    dice(world, index, |rng| {
        // Sometimes to others than before: a piece may be told in more than one network.
        let audience =
            if rng.random_bool(0.8) { before.log.audience } else { Audience::all(scope(rng)) };
        (vec![Draft::new(audience, article_of(id, rng))], Some(id))
    })
}

fn column(world: &World, index: usize) -> Draft {
    dice(world, index, |rng| {
        let record = Record::Column(Column {
            slug: NEWS.to_owned(),
            name: format!("要闻{}", rng.random_range(0..100)),
            description: String::new(),
            rank: 1,
            closed: false,
        });
        Draft::new(Audience::all(scope(rng)), record)
    })
}

/// A notice to a scope or, from the hub, one copy each to some nodes.
fn notice(world: &World, index: usize) -> Vec<Draft> {
    let nodes: Vec<_> = world.nodes().map(|node| (node.site(), node.link_ceiling())).collect();
    dice(world, index, |rng| {
        let record = Record::Notice(Notice {
            id: RecordId(rng.random()),
            title: "关于报送学习情况的通知".to_owned(),
            format: TextFormat::Markdown,
            text: "请于月底前报送。".to_owned(),
            doc_number: String::new(),
            deadline_ms: None,
            issued_ms: START_MS,
        });
        if index != HUB || rng.random_bool(0.5) {
            return vec![Draft::new(Audience::all(scope(rng)), record)];
        }
        let chosen = nodes.iter().filter(|_| rng.random_bool(0.6));
        chosen
            .map(|(site, ceiling)| Draft::new(Audience::direct(*ceiling, *site), record.clone()))
            .collect()
    })
}

async fn retraction(world: &World, index: usize, store: Store) -> (Vec<Draft>, Option<RecordId>) {
    let Some((own, id)) = some_article(world, index, Some(world.members[index].site())) else {
        return (Vec::new(), None);
    };
    let mut tx = store.read().await.expect("the store reads");
    let targets = content::live_targets(&mut tx, own, id).await.expect("targets");
    drop(tx);
    let audiences: std::collections::BTreeSet<_> =
        targets.iter().map(|target| target.log.audience).collect();
    let drafts = audiences.into_iter().map(|audience| {
        let targets = targets.iter().filter(|it| it.log.audience == audience).copied().collect();
        let reason = "内容有误".to_owned();
        Draft::new(audience, Record::Retraction(Retraction { targets, record: Some(id), reason }))
    });
    (drafts.collect(), Some(id))
}

/// The hub takes something further that it holds.
async fn release(world: &World, index: usize, store: Store) -> Vec<Draft> {
    let own = world.members[index].site();
    let Some((author, id)) = some_article(world, index, None) else { return Vec::new() };
    let mut tx = store.read().await.expect("the store reads");
    let current = content::current_entry(&mut tx, author, id).await.expect("the current entry");
    drop(tx);
    let Some((original, ..)) = current else { return Vec::new() };
    let head = decode_head(&original.head).expect("a kept head decodes");
    let body = original.body.clone().expect("what is live has a body");
    let record = decode_record(&body).expect("a kept body decodes").expect("a known kind");
    if head.log.audience.scope == Scope::Public {
        return Vec::new();
    }
    let approval = |person: &str| Approval { person: person.to_owned(), at_ms: START_MS };
    let audience = Audience::all(Scope::Public);
    vec![Draft::new(
        audience,
        Record::Release(Box::new(Release {
            original,
            head,
            record,
            unit_code: "unit".to_owned(),
            unit_name: "单位".to_owned(),
            approvals: vec![approval("陈志强"), approval("赵敏")],
            first_seen_ms: (author != own).then_some(START_MS),
        })),
    )]
}
