//! The meaning layer on every engine there is: what folds in must come out, for whom it may, and alike everywhere.

mod adoption;
mod duties;
mod reading;
mod replicas;
mod rules;
mod who;

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;

use crate::args;
use crate::content::article::{Article, TextFormat};
use crate::content::column::Column;
use crate::content::notice::Notice;
use crate::content::receipt::{Receipt, Stage};
use crate::content::release::{Approval, Release};
use crate::content::retraction::{self, Retraction, Target};
use crate::content::site::{Enrolment, Unit};
use crate::content::{Folding, Record, fold};
use crate::entry::{Entry, Hash, Head, Incarnation, LogId, RecordId, SiteId, sign_head};
use crate::identity::Identity;
use crate::scope::{Audience, Reader, Scope};
use crate::store::Tx;
use crate::wire::{encode_head, encode_record};

/// An entry with everything about it.
#[derive(Clone, Debug)]
struct Made {
    entry: Entry,
    head: Head,
    hash: Hash,
    record: Record,
}

impl Made {
    fn target(&self) -> Target {
        Target { log: self.head.log, seq: self.head.seq, hash: self.hash }
    }

    fn name(&self) -> (SiteId, Hash) {
        (self.head.log.site, self.hash)
    }
}

/// A site that writes valid entries.
#[derive(Debug)]
struct Author {
    identity: Identity,
    tips: BTreeMap<LogId, (u64, Hash)>,
    lamport: u64,
}

impl Author {
    fn new(seed: u8) -> Self {
        let identity = Identity::new(
            SiteId([seed; 16]),
            SigningKey::from_bytes(&[seed.wrapping_add(100); 32]),
        );
        Self { identity, tips: BTreeMap::new(), lamport: 0 }
    }

    fn site(&self) -> SiteId {
        self.identity.site
    }

    fn write(&mut self, audience: Audience, record: impl Into<Record>) -> Made {
        let record = record.into();
        let body = encode_record(&record);
        let log = LogId {
            site: self.site(),
            incarnation: Incarnation([7; 16]),
            audience,
            lane: record.lane(),
        };
        self.lamport += 1;
        let tip = self.tips.get(&log).copied();
        let head = Head {
            log,
            key: self.identity.public(),
            seq: tip.map_or(1, |(seq, _)| seq + 1),
            previous: tip.map(|(_, hash)| hash),
            lamport: self.lamport,
            body_hash: Hash::of(&body),
            body_size: body.len() as u64,
            blobs: Vec::new(),
        };
        let bytes = encode_head(&head);
        let signature = sign_head(self.identity.signing_key(), &bytes);
        let entry = Entry { head: bytes, signature, body: Some(body) };
        let hash = entry.hash();
        self.tips.insert(log, (head.seq, hash));
        Made { entry, head, hash, record }
    }

    fn reader(&self) -> Reader {
        Reader::site(self.site(), Scope::Internal, Scope::Internal)
    }

    fn enrols(&mut self, site: &Identity, code: &str, ceiling: Scope, hub: bool) -> Made {
        let it = Enrolment {
            site: site.site,
            key: site.public(),
            unit: unit(code),
            ceiling,
            invite: (!hub).then_some(RecordId(site.site.0)),
            hub,
        };
        self.write(it.audience(), Record::Enrolment(it))
    }

    fn retracts(&mut self, audience: Audience, made: &[&Made], record: Option<RecordId>) -> Made {
        let targets = made.iter().map(|made| made.target()).collect();
        let reason = "发布有误".to_owned();
        self.write(audience, Record::Retraction(Retraction { targets, record, reason }))
    }

    fn releases(&mut self, scope: Scope, original: &Made, first_seen_ms: Option<i64>) -> Made {
        let it = release(original, first_seen_ms);
        self.write(Audience::all(scope), Record::Release(Box::new(it)))
    }

    fn signs(&mut self, notice: &Made, stage: Stage, at_ms: i64) -> Made {
        let Record::Notice(it) = &notice.record else { panic!("not a notice") };
        let person = if stage == Stage::Signed { "刘建国" } else { "" };
        let site = notice.head.log.site;
        self.write(
            Audience::direct(notice.head.log.audience.scope, site),
            Record::Receipt(Receipt { site, notice: it.id, stage, person: person.into(), at_ms }),
        )
    }
}

/// A day in milliseconds since 1970-01-01 UTC, near our time.
fn day(n: i64) -> i64 {
    1_790_000_000_000 + n * 86_400_000
}

fn unit(code: &str) -> Unit {
    Unit { code: code.into(), name: format!("{code}党委"), parent: "county".into() }
}

fn id(n: u8) -> RecordId {
    RecordId([n; 16])
}

fn article(n: u8, title: &str, published_ms: i64) -> Record {
    Record::Article(Article {
        id: id(n),
        column: "dangyuan-fengcai".into(),
        title: title.into(),
        format: TextFormat::Markdown,
        text: format!("{title}：正文"),
        source: "县委组织部".into(),
        author: "王芳".into(),
        editor: "李明".into(),
        keywords: vec!["党建".into(), "基层".into()],
        published_ms,
        link: String::new(),
        origin: None,
        attachments: Vec::new(),
    })
}

fn notice(n: u8, title: &str, issued_ms: i64) -> Record {
    Record::Notice(Notice {
        id: id(n),
        title: title.into(),
        format: TextFormat::Markdown,
        text: format!("{title}：正文"),
        doc_number: "武组通〔2026〕1号".into(),
        deadline_ms: Some(issued_ms + 86_400_000),
        issued_ms,
    })
}

fn column(slug: &str, name: &str, rank: i32) -> Record {
    Record::Column(Column {
        slug: slug.into(),
        name: name.into(),
        description: String::new(),
        rank,
        closed: false,
    })
}

fn release(original: &Made, first_seen_ms: Option<i64>) -> Release {
    let approval = |person: &str| Approval { person: person.into(), at_ms: day(3) };
    Release {
        original: original.entry.clone(),
        head: original.head.clone(),
        record: original.record.clone(),
        unit_code: "yantian".into(),
        unit_name: "严田镇党委".into(),
        approvals: vec![approval("陈志强"), approval("赵敏")],
        first_seen_ms,
    }
}

/// Keeps entries in the journal at positions after those there, received at `day(position)`, and folds them.
/// These entries, as they are held.
async fn held(tx: &mut Tx, made: &[&Made]) -> Vec<retraction::Held> {
    let mut held = Vec::new();
    for made in made {
        let sql = "SELECT position FROM entries WHERE hash = $1";
        let row = tx.optional(sql, args![made.hash]).await.unwrap().unwrap();
        let (site, hash) = made.name();
        held.push((site, hash, row.get(0).unwrap()));
    }
    held
}

async fn keep(tx: &mut Tx, made: &[&Made]) {
    for made in made {
        let log = &made.head.log;
        let audience = log.audience;
        tx.execute(
            "INSERT INTO logs (site, incarnation, scope, addressee, lane) VALUES ($1,$2,$3,$4,$5) \
             ON CONFLICT (site, incarnation, scope, addressee, lane) DO NOTHING",
            args![log.site, log.incarnation, audience.scope, audience.addressee, log.lane],
        )
        .await
        .unwrap();
        let row = tx
            .optional(
                "SELECT log FROM logs WHERE site = $1 AND incarnation = $2 AND scope = $3 \
                 AND addressee = $4 AND lane = $5",
                args![log.site, log.incarnation, audience.scope, audience.addressee, log.lane],
            )
            .await
            .unwrap()
            .unwrap();
        let number: i64 = row.get(0).unwrap();
        let last = tx
            .optional("SELECT COALESCE(MAX(position), 0) FROM entries", Vec::new())
            .await
            .unwrap()
            .unwrap();
        let position: i64 = last.get::<i64>(0).unwrap() + 1;
        tx.execute(
            "INSERT INTO entries (position, log, seq, hash, previous, rolling, received_ms, head, \
             signature, body) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)",
            args![
                position,
                number,
                made.head.seq,
                made.hash,
                made.head.previous,
                Hash([0; 32]),
                day(position),
                &made.entry.head,
                &made.entry.signature,
                made.entry.body.as_ref(),
            ],
        )
        .await
        .unwrap();
        let folding = Folding {
            position,
            received_ms: day(position),
            hash: made.hash,
            head: &made.head,
            record: &made.record,
        };
        fold(tx, &[folding]).await.unwrap();
    }
}

fn titles(lines: &[crate::content::article::ArticleLine]) -> Vec<&str> {
    lines.iter().map(|line| line.title.as_str()).collect()
}

/// Nobody in particular, from outside.
const PUBLIC: Reader = Reader::anonymous(Scope::Public);

/// Opens a database on every engine and runs a body of statements with a transaction on it.
macro_rules! on_each {
    (|$tx:ident| $body:block) => {
        for database in $crate::store::testing::TestDatabase::each().await {
            let mut held = database.store.write().await.unwrap();
            let $tx = &mut held;
            $body
            held.commit().await.unwrap();
        }
    };
}
use on_each;

#[test]
fn ids_are_found_by_their_beginning() {
    use crate::content::journal::id_range;

    let (first, last) = id_range("0a1").unwrap();
    assert_eq!(&first.to_string()[..4], "0a10");
    assert_eq!(&last.to_string()[..4], "0a1f");
    for wrong in ["", "xyz", &"0".repeat(33), "盐"] {
        assert!(id_range(wrong).is_err(), "{wrong}");
    }
}
