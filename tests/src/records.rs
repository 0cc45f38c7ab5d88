//! Believable records with a marker in every text field, so that a leak of any of them can be searched for.

use lianbo_node::content::Record;
use lianbo_node::content::article::{Article, TextFormat};
use lianbo_node::content::column::Column;
use lianbo_node::content::first_seen::{FirstSeen, Sighting};
use lianbo_node::content::harvester::Harvester;
use lianbo_node::content::notice::Notice;
use lianbo_node::content::receipt::{Receipt, Stage};
use lianbo_node::content::release::{Approval, Release};
use lianbo_node::content::retraction::Retraction;
use lianbo_node::content::site::{Enrolment, Revocation, Unit};
use lianbo_node::entry::{HarvesterId, RecordId, SiteId};
use lianbo_node::identity::Identity;
use lianbo_node::scope::Scope;

use crate::author::Made;

/// The moment test clocks start at: 2026-11-23 08:00 in Beijing.
pub const START_MS: i64 = 1_795_392_000_000;

/// A record's id.
pub const fn id(n: u8) -> RecordId {
    RecordId([n; 16])
}

/// A revision of article `n` in column `news`; `mark` stands in every text.
pub fn article(n: u8, mark: &str) -> Record {
    article_in(n, "news", mark)
}

/// A revision of article `n` in a column.
pub fn article_in(n: u8, column: &str, mark: &str) -> Record {
    Record::Article(Article {
        id: id(n),
        column: column.into(),
        title: format!("我县召开基层党建工作推进会 {mark}"),
        format: TextFormat::Markdown,
        text: format!("会议强调，要压实责任。\n\n{mark}\n"),
        source: format!("县委组织部{mark}"),
        author: format!("王芳{mark}"),
        editor: format!("李明{mark}"),
        keywords: vec!["党建".into(), format!("基层{mark}")],
        published_ms: START_MS - 86_400_000 * i64::from(n),
        link: format!("https://example.org/{mark}"),
        origin: None,
        attachments: Vec::new(),
    })
}

/// Notice `n`, or a copy of it.
pub fn notice(n: u8, mark: &str) -> Record {
    Record::Notice(Notice {
        id: id(n),
        title: format!("关于报送学习情况的通知 {mark}"),
        format: TextFormat::Html,
        text: format!("<p>请于月底前报送。{mark}</p>"),
        doc_number: format!("组通〔2026〕{n}号{mark}"),
        deadline_ms: n.is_multiple_of(2).then_some(START_MS + 86_400_000),
        issued_ms: START_MS - 3_600_000 * i64::from(n),
    })
}

/// A column.
pub fn column(slug: &str, mark: &str) -> Record {
    Record::Column(Column {
        slug: slug.into(),
        name: format!("武功英才{mark}"),
        description: format!("全县人才工作{mark}"),
        rank: 1,
        closed: false,
    })
}

/// Withdraws these entries and, if given, a whole record.
pub fn retraction<'a>(
    made: impl IntoIterator<Item = &'a Made>,
    record: Option<RecordId>,
    mark: &str,
) -> Record {
    let targets = made.into_iter().map(Made::target).collect();
    Record::Retraction(Retraction { targets, record, reason: format!("内容有误{mark}") })
}

/// Takes `original` further; two persons agree. `mark` stands in what the releaser adds.
///
/// # Panics
/// If the original is neither an article nor a notice.
pub fn release(original: &Made, first_seen_ms: Option<i64>, mark: &str) -> Record {
    let approval = |person: &str| Approval { person: format!("{person}{mark}"), at_ms: START_MS };
    Record::Release(Box::new(Release {
        original: original.entry.clone(),
        head: original.head.clone(),
        record: original.record.clone().expect("an article or a notice"),
        unit_code: "yantian".into(),
        unit_name: format!("严田镇党委{mark}"),
        approvals: vec![approval("陈志强"), approval("赵敏")],
        first_seen_ms,
    }))
}

/// A unit's word on a notice.
pub fn receipt(site: SiteId, notice: RecordId, stage: Stage, mark: &str) -> Record {
    let person = if stage == Stage::Signed { format!("刘建国{mark}") } else { String::new() };
    Record::Receipt(Receipt { site, notice, stage, person, at_ms: START_MS })
}

/// A hub's word on when it first held these entries.
pub fn first_seen<'a>(made: impl IntoIterator<Item = &'a Made>, at_ms: i64) -> Record {
    let sightings = made
        .into_iter()
        .map(|made| Sighting { site: made.site(), hash: made.hash, at_ms })
        .collect();
    Record::FirstSeen(FirstSeen { sightings })
}

/// Binds a site to its key.
pub fn enrolment(
    identity: &Identity,
    code: &str,
    ceiling: Scope,
    hub: bool,
    mark: &str,
) -> Enrolment {
    Enrolment {
        site: identity.site,
        key: identity.public(),
        unit: Unit {
            code: code.into(),
            name: format!("{code}党委{mark}"),
            parent: if hub { String::new() } else { "county".into() },
        },
        ceiling,
        invite: (!hub).then_some(RecordId(identity.site.0)),
        hub,
    }
}

/// Lets a harvester in.
pub fn harvester(id: HarvesterId, mark: &str) -> Record {
    let (code, name) = ("province".into(), format!("省委组织部{mark}"));
    Record::Harvester(Harvester { id, code, name, invite: RecordId(id.0) })
}

/// Ends a site's membership.
pub fn revocation(site: SiteId, mark: &str) -> Record {
    Record::Revocation(Revocation { site, reason: format!("机构撤并{mark}") })
}
