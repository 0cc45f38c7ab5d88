//! Records: what bodies decode to.

use bytes::Bytes;
use lianbo_proto::v1;
use prost::Message;

use super::head::{
    height_from_proto, height_to_proto, log_from_proto, log_to_proto, scope_from_proto,
    scope_to_proto,
};
use crate::content::article::{Article, Attachment, Origin, TextFormat, check_time};
use crate::content::column::Column;
use crate::content::first_seen::{FirstSeen, MAX_SIGHTINGS, Sighting};
use crate::content::harvester::Harvester;
use crate::content::notice::Notice;
use crate::content::receipt::{Receipt, Stage};
use crate::content::release::{Approval, MAX_APPROVALS, Release};
use crate::content::retraction::{MAX_TARGETS, Retraction, Target};
use crate::content::site::{Enrolment, IncarnationStart, KeyChange, Revocation, Unit};
use crate::content::{BadText, Record, check_line};
use crate::entry::{
    Entry, EntryError, HarvesterId, Hash, MAX_BLOBS, MAX_BODY, MAX_COUNTER, PublicKey, RecordId,
    SiteId,
};
use crate::wire::head::decode_head;
use v1::record::Kind;

fn bad(what: &'static str) -> EntryError {
    EntryError::Malformed(what)
}

impl From<BadText> for EntryError {
    fn from(BadText(what): BadText) -> Self {
        Self::Malformed(what)
    }
}

/// Decodes a body. `None` for a kind of record this program does not know: kept and passed on, shown nowhere.
pub fn decode_record(body: &Bytes) -> Result<Option<Record>, EntryError> {
    if body.len() > MAX_BODY {
        return Err(bad("body larger than 1 MiB"));
    }
    let record =
        v1::Record::decode(body.clone()).map_err(|_| bad("body is not a protobuf message"))?;
    let Some(kind) = record.kind else { return Ok(None) };
    let record = match kind {
        Kind::Incarnation(it) => Record::Incarnation(IncarnationStart {
            continues: it.continues.into_iter().map(height_from_proto).collect::<Result<_, _>>()?,
        }),
        Kind::Enrolment(it) => Record::Enrolment(enrolment(it)?),
        Kind::KeyChange(it) => {
            suite(it.suite)?;
            Record::KeyChange(KeyChange { key: key(&it.key)?, proof: it.proof })
        }
        Kind::Revocation(it) => {
            check_line(&it.reason, 200, false, "a reason has at most 200 characters")?;
            Record::Revocation(Revocation { site: site(&it.site)?, reason: it.reason })
        }
        Kind::Retraction(it) => Record::Retraction(retraction(it)?),
        Kind::FirstSeen(it) => Record::FirstSeen(first_seen(it)?),
        Kind::Harvester(it) => {
            let harvester = Harvester {
                id: HarvesterId::from_slice(&it.harvester)
                    .ok_or(bad("harvester id is not 16 bytes"))?,
                code: it.code,
                name: it.name,
                invite: record_id(&it.invite)?,
            };
            harvester.check()?;
            Record::Harvester(harvester)
        }
        Kind::Column(it) => {
            let column = Column {
                slug: it.slug,
                name: it.name,
                description: it.description,
                rank: it.rank,
                closed: it.closed,
            };
            column.check()?;
            Record::Column(column)
        }
        Kind::Article(it) => Record::Article(article(it)?),
        Kind::Notice(it) => Record::Notice(notice(it)?),
        Kind::Receipt(it) => Record::Receipt(receipt(it)?),
        Kind::Release(it) => Record::Release(Box::new(release(it)?)),
    };
    Ok(Some(record))
}

/// Encodes a record as a body.
pub fn encode_record(record: &Record) -> Bytes {
    let kind = match record {
        Record::Incarnation(it) => Kind::Incarnation(v1::Incarnation {
            continues: it
                .continues
                .iter()
                .map(|(log, height)| height_to_proto(log, height))
                .collect(),
        }),
        Record::Enrolment(it) => Kind::Enrolment(v1::Enrolment {
            site: slice(&it.site),
            key: slice(&it.key),
            suite: v1::Suite::Ed25519Blake3.into(),
            unit_code: it.unit.code.clone(),
            unit_name: it.unit.name.clone(),
            parent_code: it.unit.parent.clone(),
            ceiling: scope_to_proto(it.ceiling).into(),
            invite: it.invite.as_ref().map(slice).unwrap_or_default(),
            hub: it.hub,
        }),
        Record::KeyChange(it) => Kind::KeyChange(v1::KeyChange {
            key: slice(&it.key),
            suite: v1::Suite::Ed25519Blake3.into(),
            proof: it.proof.clone(),
        }),
        Record::Revocation(it) => {
            Kind::Revocation(v1::Revocation { site: slice(&it.site), reason: it.reason.clone() })
        }
        Record::Retraction(it) => Kind::Retraction(v1::Retraction {
            targets: it
                .targets
                .iter()
                .map(|target| v1::Target {
                    log: Some(log_to_proto(&target.log)),
                    seq: target.seq,
                    hash: slice(&target.hash),
                })
                .collect(),
            record: it.record.as_ref().map(slice).unwrap_or_default(),
            reason: it.reason.clone(),
        }),
        Record::FirstSeen(it) => Kind::FirstSeen(v1::FirstSeen {
            sightings: it
                .sightings
                .iter()
                .map(|seen| v1::Sighting {
                    site: slice(&seen.site),
                    hash: slice(&seen.hash),
                    at_ms: seen.at_ms,
                })
                .collect(),
        }),
        Record::Harvester(it) => Kind::Harvester(v1::Harvester {
            harvester: slice(&it.id),
            code: it.code.clone(),
            name: it.name.clone(),
            invite: slice(&it.invite),
        }),
        Record::Column(it) => Kind::Column(v1::Column {
            slug: it.slug.clone(),
            name: it.name.clone(),
            description: it.description.clone(),
            rank: it.rank,
            closed: it.closed,
        }),
        Record::Article(it) => Kind::Article(v1::Article {
            id: slice(&it.id),
            column: it.column.clone(),
            title: it.title.clone(),
            format: format_to_proto(it.format),
            text: it.text.clone(),
            source: it.source.clone(),
            author: it.author.clone(),
            editor: it.editor.clone(),
            keywords: it.keywords.clone(),
            published_ms: it.published_ms,
            link: it.link.clone(),
            origin: it.origin.map(|origin| v1::Origin {
                site: slice(&origin.site),
                id: slice(&origin.id),
                hash: slice(&origin.hash),
            }),
            attachments: it
                .attachments
                .iter()
                .map(|it| v1::Attachment { hash: slice(&it.hash), name: it.name.clone() })
                .collect(),
        }),
        Record::Notice(it) => Kind::Notice(v1::Notice {
            id: slice(&it.id),
            title: it.title.clone(),
            format: format_to_proto(it.format),
            text: it.text.clone(),
            doc_number: it.doc_number.clone(),
            deadline_ms: it.deadline_ms.unwrap_or(0),
            issued_ms: it.issued_ms,
        }),
        Record::Receipt(it) => Kind::Receipt(v1::Receipt {
            site: slice(&it.site),
            notice: slice(&it.notice),
            stage: it.stage as i32,
            person: it.person.clone(),
            at_ms: it.at_ms,
        }),
        Record::Release(it) => Kind::Release(v1::Release {
            head: it.original.head.clone(),
            signature: it.original.signature.clone(),
            body: it.original.body.clone().unwrap_or_default(),
            unit_code: it.unit_code.clone(),
            unit_name: it.unit_name.clone(),
            approvals: it
                .approvals
                .iter()
                .map(|approval| v1::Approval {
                    person: approval.person.clone(),
                    at_ms: approval.at_ms,
                })
                .collect(),
            first_seen_ms: it.first_seen_ms.unwrap_or(0),
        }),
    };
    v1::Record { kind: Some(kind) }.encode_to_vec().into()
}

fn slice(bytes: &impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(bytes.as_ref())
}

fn site(bytes: &[u8]) -> Result<SiteId, EntryError> {
    SiteId::from_slice(bytes).ok_or(bad("site id is not 16 bytes"))
}

fn key(bytes: &[u8]) -> Result<PublicKey, EntryError> {
    PublicKey::from_slice(bytes).ok_or(bad("key is not 32 bytes"))
}

fn hash(bytes: &[u8]) -> Result<Hash, EntryError> {
    Hash::from_slice(bytes).ok_or(bad("hash is not 32 bytes"))
}

fn record_id(bytes: &[u8]) -> Result<RecordId, EntryError> {
    RecordId::from_slice(bytes).ok_or(bad("record id is not 16 bytes"))
}

fn suite(suite: i32) -> Result<(), EntryError> {
    if suite == i32::from(v1::Suite::Ed25519Blake3) {
        Ok(())
    } else {
        Err(EntryError::Upgrade(suite))
    }
}

fn format(format: i32) -> Result<TextFormat, EntryError> {
    match v1::TextFormat::try_from(format) {
        Ok(v1::TextFormat::Markdown) => Ok(TextFormat::Markdown),
        Ok(v1::TextFormat::Html) => Ok(TextFormat::Html),
        _ => Err(bad("unknown text format")),
    }
}

fn format_to_proto(format: TextFormat) -> i32 {
    match format {
        TextFormat::Markdown => v1::TextFormat::Markdown.into(),
        TextFormat::Html => v1::TextFormat::Html.into(),
    }
}

fn enrolment(it: v1::Enrolment) -> Result<Enrolment, EntryError> {
    suite(it.suite)?;
    let unit = Unit { code: it.unit_code, name: it.unit_name, parent: it.parent_code };
    unit.check()?;
    let invite = if it.invite.is_empty() { None } else { Some(record_id(&it.invite)?) };
    Ok(Enrolment {
        site: site(&it.site)?,
        key: key(&it.key)?,
        unit,
        ceiling: scope_from_proto(it.ceiling)?,
        invite,
        hub: it.hub,
    })
}

fn retraction(it: v1::Retraction) -> Result<Retraction, EntryError> {
    if it.targets.len() > MAX_TARGETS {
        return Err(bad("more than 256 targets"));
    }
    check_line(&it.reason, 200, false, "a reason has at most 200 characters")?;
    let targets = it
        .targets
        .into_iter()
        .map(|target| {
            if target.seq == 0 || target.seq > MAX_COUNTER {
                return Err(bad("sequence out of range"));
            }
            Ok(Target {
                log: log_from_proto(target.log)?,
                seq: target.seq,
                hash: hash(&target.hash)?,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let record = if it.record.is_empty() { None } else { Some(record_id(&it.record)?) };
    if targets.is_empty() && record.is_none() {
        return Err(bad("a retraction names nothing"));
    }
    Ok(Retraction { targets, record, reason: it.reason })
}

fn first_seen(it: v1::FirstSeen) -> Result<FirstSeen, EntryError> {
    if it.sightings.len() > MAX_SIGHTINGS {
        return Err(bad("more than 512 sightings"));
    }
    let sightings = it
        .sightings
        .into_iter()
        .map(|seen| {
            check_time(seen.at_ms)?;
            Ok(Sighting { site: site(&seen.site)?, hash: hash(&seen.hash)?, at_ms: seen.at_ms })
        })
        .collect::<Result<_, EntryError>>()?;
    Ok(FirstSeen { sightings })
}

fn article(it: v1::Article) -> Result<Article, EntryError> {
    if it.attachments.len() > MAX_BLOBS {
        return Err(bad("more than 64 attachments"));
    }
    let article = Article {
        id: record_id(&it.id)?,
        column: it.column,
        title: it.title,
        format: format(it.format)?,
        text: it.text,
        source: it.source,
        author: it.author,
        editor: it.editor,
        keywords: it.keywords,
        published_ms: it.published_ms,
        link: it.link,
        origin: it.origin.as_ref().map(origin).transpose()?,
        attachments: it.attachments.into_iter().map(attachment).collect::<Result<_, _>>()?,
    };
    article.check()?;
    Ok(article)
}

fn origin(it: &v1::Origin) -> Result<Origin, EntryError> {
    Ok(Origin { site: site(&it.site)?, id: record_id(&it.id)?, hash: hash(&it.hash)? })
}

fn attachment(it: v1::Attachment) -> Result<Attachment, EntryError> {
    Ok(Attachment { hash: hash(&it.hash)?, name: it.name })
}

fn notice(it: v1::Notice) -> Result<Notice, EntryError> {
    let notice = Notice {
        id: record_id(&it.id)?,
        title: it.title,
        format: format(it.format)?,
        text: it.text,
        doc_number: it.doc_number,
        deadline_ms: (it.deadline_ms != 0).then_some(it.deadline_ms),
        issued_ms: it.issued_ms,
    };
    notice.check()?;
    Ok(notice)
}

fn receipt(it: v1::Receipt) -> Result<Receipt, EntryError> {
    let receipt = Receipt {
        site: site(&it.site)?,
        notice: record_id(&it.notice)?,
        stage: Stage::from_number(it.stage.into()).ok_or(bad("unknown stage of a receipt"))?,
        person: it.person,
        at_ms: it.at_ms,
    };
    receipt.check()?;
    Ok(receipt)
}

fn release(it: v1::Release) -> Result<Release, EntryError> {
    if it.approvals.len() > MAX_APPROVALS {
        return Err(bad("more than 16 approvals"));
    }
    let head = decode_head(&it.head)?;
    let Some(record @ (Record::Article(_) | Record::Notice(_))) = decode_record_inside(&it.body)?
    else {
        return Err(bad("only an article or a notice can be released"));
    };
    let release = Release {
        original: Entry { head: it.head, signature: it.signature, body: Some(it.body) },
        head,
        record,
        unit_code: it.unit_code,
        unit_name: it.unit_name,
        approvals: it
            .approvals
            .into_iter()
            .map(|approval| Approval { person: approval.person, at_ms: approval.at_ms })
            .collect(),
        first_seen_ms: (it.first_seen_ms != 0).then_some(it.first_seen_ms),
    };
    release.check()?;
    // Both are shown to people, who cannot be shown every number.
    for approval in &release.approvals {
        check_time(approval.at_ms)?;
    }
    release.first_seen_ms.map_or(Ok(()), check_time)?;
    Ok(release)
}

/// The body of a released original; a release within a release would recurse without end.
fn decode_record_inside(body: &Bytes) -> Result<Option<Record>, EntryError> {
    let record =
        v1::Record::decode(body.clone()).map_err(|_| bad("body is not a protobuf message"))?;
    match record.kind {
        Some(Kind::Release(_)) => Err(bad("a release cannot be released")),
        _ => decode_record(body),
    }
}
