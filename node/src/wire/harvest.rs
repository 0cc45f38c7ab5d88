//! What outlets tell strangers, to and from protobuf.

use lianbo_proto::v1;
use v1::harvest_item::Kind;

use super::{entry_from_proto, entry_to_proto};
use crate::content::article::{Harvested, Published, PublishedFile, Withdrawn};
use crate::entry::{EntryError, Hash, MAX_BLOBS};

/// Longest HTML that is told of one article, in bytes: with its text and its signed entry a message stays below the
/// four MiB that gRPC clients take unless told otherwise.
pub const MAX_HTML: usize = 3 * 512 * 1024;

/// What was told, as a harvester gets it.
pub fn told_to_proto(told: Harvested) -> v1::HarvestItem {
    let kind = match told {
        Harvested::Article(it) => Kind::Article(published(*it)),
        Harvested::Withdrawn(it) => {
            Kind::Withdrawn(v1::HarvestWithdrawn { id: it.id, reason: it.reason })
        }
    };
    v1::HarvestItem { kind: Some(kind) }
}

fn published(it: Published) -> v1::HarvestArticle {
    let files = it.files.into_iter().map(|file| v1::HarvestFile {
        name: file.name,
        hash: bytes::Bytes::copy_from_slice(&file.hash.0),
        size: file.size,
        media_type: file.media_type,
        address: file.address,
    });
    v1::HarvestArticle {
        id: it.id,
        revision: it.revision.to_string(),
        unit_code: it.unit_code,
        unit_name: it.unit_name,
        column: it.column,
        column_name: it.column_name,
        title: it.title,
        html: it.html,
        text: it.text,
        source: it.source,
        author: it.author,
        editor: it.editor,
        keywords: it.keywords,
        link: it.link,
        published_ms: it.published_ms,
        updated_ms: it.updated_ms,
        page: it.page,
        files: files.collect(),
        entry: it.entry.as_ref().map(entry_to_proto),
    }
}

/// What a hub tells, checked as far as a harvester relies on it: an id can stand in a file's name, addresses lead to
/// the web, and nothing is larger than a hub may send. `None` for a kind this program does not know.
pub fn told_from_proto(item: v1::HarvestItem) -> Result<Option<Harvested>, EntryError> {
    Ok(match item.kind {
        None => None,
        Some(Kind::Withdrawn(it)) => {
            Some(Harvested::Withdrawn(Withdrawn { id: id(it.id)?, reason: it.reason }))
        }
        Some(Kind::Article(it)) => Some(Harvested::Article(Box::new(article(it)?))),
    })
}

fn article(it: v1::HarvestArticle) -> Result<Published, EntryError> {
    let bad = EntryError::Malformed;
    if it.html.len() > MAX_HTML || it.files.len() > MAX_BLOBS {
        return Err(bad("an article is larger than a hub may send"));
    }
    let files = it.files.into_iter().map(|file| {
        Ok(PublishedFile {
            name: file.name,
            hash: Hash::from_slice(&file.hash).ok_or(bad("hash is not 32 bytes"))?,
            size: file.size,
            media_type: file.media_type,
            address: address(file.address)?,
        })
    });
    Ok(Published {
        id: id(it.id)?,
        revision: Hash::from_hex(&it.revision).ok_or(bad("revision is not a hash"))?,
        unit_code: it.unit_code,
        unit_name: it.unit_name,
        column: it.column,
        column_name: it.column_name,
        title: it.title,
        html: it.html,
        text: it.text,
        source: it.source,
        author: it.author,
        editor: it.editor,
        keywords: it.keywords,
        link: address(it.link)?,
        published_ms: it.published_ms,
        updated_ms: it.updated_ms,
        page: address(it.page)?,
        files: files.collect::<Result<_, EntryError>>()?,
        entry: it.entry.map(entry_from_proto).transpose()?,
    })
}

/// `urn:uuid:` and a UUID as we write them.
fn id(id: String) -> Result<String, EntryError> {
    let uuid = id.strip_prefix("urn:uuid:").unwrap_or_default();
    let fits = uuid.len() == 36
        && uuid.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    if fits { Ok(id) } else { Err(EntryError::Malformed("an article's id is no UUID")) }
}

fn address(address: String) -> Result<String, EntryError> {
    if address.is_empty() || address.starts_with("https://") || address.starts_with("http://") {
        Ok(address)
    } else {
        Err(EntryError::Malformed("an address does not lead to the web"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::article::urn;
    use crate::entry::{Entry, RecordId, SiteId};

    fn told() -> Harvested {
        let file = PublishedFile {
            name: "银杏.jpg".into(),
            hash: Hash([3; 32]),
            size: 7,
            media_type: "image/jpeg".into(),
            address: "https://county.example/银杏.jpg".into(),
        };
        let entry =
            Entry { head: vec![1].into(), signature: vec![2].into(), body: Some(vec![3].into()) };
        Harvested::Article(Box::new(Published {
            id: urn(SiteId([1; 16]), RecordId([2; 16])),
            revision: Hash([4; 32]),
            unit_code: "yantian".into(),
            unit_name: "严田镇党委".into(),
            column: "news".into(),
            column_name: "新闻时事".into(),
            title: "村口的银杏黄了".into(),
            html: "<p>黄了</p>".into(),
            text: "黄了".into(),
            source: "严田镇".into(),
            author: "王芳".into(),
            editor: "李明".into(),
            keywords: vec!["乡村".into()],
            link: "http://example.cn/1".into(),
            published_ms: 1,
            updated_ms: 2,
            page: "https://county.example/article".into(),
            files: vec![file],
            entry: Some(entry),
        }))
    }

    #[test]
    fn what_is_told_comes_back() {
        let withdrawn = Withdrawn { id: told().id().to_owned(), reason: "原稿已撤".into() };
        for it in [told(), Harvested::Withdrawn(withdrawn)] {
            assert_eq!(told_from_proto(told_to_proto(it.clone())), Ok(Some(it)));
        }
        assert_eq!(told_from_proto(v1::HarvestItem::default()), Ok(None));
    }

    #[test]
    fn what_a_harvester_could_be_harmed_by_is_refused() {
        let with = |change: &dyn Fn(&mut v1::HarvestArticle)| {
            let mut item = told_to_proto(told());
            let Some(Kind::Article(article)) = &mut item.kind else { unreachable!() };
            change(article);
            told_from_proto(item)
        };
        assert!(with(&|_| {}).is_ok());
        for id in ["", "urn:uuid:../../../../etc/passwd-aaaa-aaaa-aaaa", "urn:uuid:é"] {
            assert!(with(&|it| it.id = id.to_owned()).is_err(), "{id}");
        }
        assert!(with(&|it| it.id.make_ascii_uppercase()).is_err());
        assert!(with(&|it| it.revision.truncate(63)).is_err());
        assert!(with(&|it| it.page = "javascript:alert(1)".into()).is_err());
        assert!(with(&|it| it.link = "file:///etc/passwd".into()).is_err());
        assert!(with(&|it| it.files[0].address = "data:,x".into()).is_err());
        assert!(with(&|it| it.html = "x".repeat(MAX_HTML + 1)).is_err());
        assert!(with(&|it| it.files = vec![it.files[0].clone(); MAX_BLOBS + 1]).is_err());
    }
}
