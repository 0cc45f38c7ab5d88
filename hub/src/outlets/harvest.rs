//! 省级采集: what was published, revised and withdrawn, in the order of the journal, as strangers are told it.
//!
//! Public, and by this hub's own word: what it wrote or released for everybody. Every change is told as its article
//! is now, so that whoever takes the last word on each holds what the public pages show.

use std::collections::{BTreeMap, HashMap};

use lianbo_node::content::article::{
    self, ArticleLine, Carried, Change, Harvested, Published, PublishedFile, Span, Withdrawn, urn,
};
use lianbo_node::entry::{RecordId, SiteId};
use lianbo_node::scope::{Reader, Scope};
use lianbo_node::store::{StoreError, Tx};
use lianbo_node::web::{file_address, plain_text, render, render_abroad};
use lianbo_node::wire::MAX_HTML;

/// Most changes of one page.
pub(crate) const MAX_ITEMS: usize = 200;
/// Texts of one page, in bytes; a single longer one makes a page of its own.
const MAX_BYTES: usize = 512 * 1024;

/// What part of the journal is told, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Behind this position.
    pub(crate) after: i64,
    /// Up to this one.
    pub(crate) upto: i64,
    /// Most changes.
    pub(crate) limit: usize,
    /// With the signed entries.
    pub(crate) entries: bool,
}

/// One page, before its texts are drawn.
#[derive(Debug)]
pub(crate) struct Page {
    items: Vec<Raw>,
    /// Everything up to here is told.
    pub(crate) end: i64,
}

#[derive(Debug)]
enum Raw {
    Article(Box<(ArticleLine, Carried)>),
    Withdrawn(Withdrawn),
}

type Key = (SiteId, RecordId);

/// Reads one page of what the hub `own` published.
pub(crate) async fn read(tx: &mut Tx, own: SiteId, ask: Ask) -> Result<Page, StoreError> {
    let reader = Reader::anonymous(Scope::Public);
    let limit = ask.limit.clamp(1, MAX_ITEMS);
    let mut reasons: HashMap<Key, String> = HashMap::new();
    let mut changes: Vec<Change> = Vec::new();
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let span = Span { after: ask.after, upto: ask.upto, limit: one_more, latest: false };
    let upto = article::withdrawn_upto(tx, reader, span).await?;
    let span = Span { upto, ..span };
    changes.extend(article::published_in(tx, own, span).await?);
    for it in article::withdrawn_in(tx, reader, span).await? {
        if it.carrier == own {
            reasons.insert((it.change.site, it.change.id), it.reason);
            changes.push(it.change);
        }
    }
    let (changes, mut end) = cut(changes, limit, upto);
    // Each article once, where it was changed last.
    let last: BTreeMap<Key, i64> =
        changes.iter().map(|it| ((it.site, it.id), it.position)).collect();
    let keys: Vec<Key> = last.keys().copied().collect();
    let lines = article::current(tx, reader, Some(own), &keys).await?;
    let mut lines: HashMap<Key, ArticleLine> =
        lines.into_iter().map(|line| ((line.site, line.id), line)).collect();
    // What is current further on is told there.
    let later = |line: &ArticleLine| line.position > end;
    let late: Vec<Key> = lines.values().filter(|it| later(it)).map(|it| (it.site, it.id)).collect();
    let positions: Vec<i64> =
        lines.values().filter(|it| !later(it)).map(|line| line.position).collect();
    let sizes = article::sizes(tx, &positions).await?;

    let mut order: Vec<(i64, Key)> = last.into_iter().map(|(key, at)| (at, key)).collect();
    order.sort_unstable();
    let (mut bytes, mut taken) = (0, Vec::new());
    for (index, (position, key)) in order.iter().enumerate() {
        let size = lines.get(key).and_then(|line| sizes.get(&line.position)).copied().unwrap_or(0);
        bytes += size + 128;
        let before = index.checked_sub(1).map(|index| order[index].0);
        if bytes > MAX_BYTES && before.is_some_and(|before| before < *position) {
            end = before.unwrap_or(end);
            break;
        }
        taken.push(*key);
    }
    let positions: Vec<i64> =
        taken.iter().filter_map(|key| Some(lines.get(key)?.position)).collect();
    let mut carried = article::carried(tx, &positions).await?;
    let mut items = Vec::with_capacity(taken.len());
    for key in taken {
        if late.contains(&key) {
            continue;
        }
        let line = lines.remove(&key);
        match line.and_then(|line| Some((carried.remove(&line.position)?, line))) {
            Some((mut carried, line)) => {
                if !ask.entries {
                    carried.entry.body = None;
                }
                items.push(Raw::Article(Box::new((line, carried))));
            }
            None => items.push(Raw::Withdrawn(Withdrawn {
                id: urn(key.0, key.1),
                reason: reasons.remove(&key).unwrap_or_default(),
            })),
        }
    }
    Ok(Page { items, end })
}

/// The first changes, about `limit` of them, and where they end; what one entry changed stays together.
fn cut(mut changes: Vec<Change>, limit: usize, upto: i64) -> (Vec<Change>, i64) {
    changes.sort_by_key(|change| change.position);
    match changes.get(limit).map(|it| it.position) {
        None => (changes, upto),
        Some(beyond) => {
            // An entry that changed more than a page's worth makes a page of its own.
            let first = changes[0].position;
            let end = if first == beyond { beyond } else { beyond - 1 };
            changes.retain(|change| change.position <= end);
            (changes, end)
        }
    }
}

impl Page {
    /// Whether nothing happened.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Draws the texts. Takes time that grows with them: call it where blocking is allowed. `pages` is the address
    /// of the public pages.
    pub(crate) fn draw(self, pages: Option<&str>) -> Vec<Harvested> {
        let draw = |raw| match raw {
            Raw::Article(it) => Harvested::Article(Box::new(published(it.0, it.1, pages))),
            Raw::Withdrawn(it) => Harvested::Withdrawn(it),
        };
        self.items.into_iter().map(draw).collect()
    }
}

fn published(line: ArticleLine, carried: Carried, pages: Option<&str>) -> Published {
    let Carried { entry, head, article } = carried;
    // Without an address of the pages there is none for pictures either.
    let html = match pages {
        Some(pages) => render_abroad(pages, line.site, &article, &head.blobs),
        None => render(article.format, &article.text),
    };
    let files: Vec<_> = article
        .attachments
        .into_iter()
        .filter_map(|file| {
            let blob = head.blobs.iter().find(|blob| blob.hash == file.hash)?;
            let name = file.name;
            Some(PublishedFile {
                hash: file.hash,
                size: blob.size,
                media_type: blob.media_type.clone(),
                address: pages.map_or_else(String::new, |pages| {
                    file_address(pages, line.site, line.id, &name)
                }),
                name,
            })
        })
        .collect();
    Published {
        id: urn(line.site, line.id),
        revision: line.hash,
        updated_ms: line.published_ms.max(line.received_ms),
        page: pages
            .map_or_else(String::new, |pages| format!("{pages}/article/{}/{}", line.site, line.id)),
        unit_code: line.unit_code,
        unit_name: line.unit_name,
        column: line.column,
        column_name: line.column_name,
        title: line.title,
        text: plain_text(&html),
        html: if html.len() > MAX_HTML { String::new() } else { html },
        source: line.source,
        author: line.author,
        editor: line.editor,
        keywords: line.keywords,
        link: line.link,
        published_ms: line.published_ms,
        files,
        entry: entry.body.is_some().then_some(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(positions: &[i64]) -> Vec<Change> {
        let change = |position: &i64| Change {
            position: *position,
            site: SiteId([1; 16]),
            id: RecordId([2; 16]),
        };
        positions.iter().map(change).collect()
    }

    #[test]
    fn a_page_never_ends_inside_of_what_one_entry_changed() {
        let cut = |positions: &[i64], limit| {
            let (changes, end) = cut(at(positions), limit, 99);
            (changes.len(), end)
        };
        assert_eq!(cut(&[], 2), (0, 99));
        assert_eq!(cut(&[7, 3], 2), (2, 99));
        assert_eq!(cut(&[3, 5, 8], 2), (2, 7));
        assert_eq!(cut(&[3, 5, 5, 5, 8], 2), (1, 4));
        assert_eq!(cut(&[5, 5, 5, 8], 2), (3, 5));
    }
}
