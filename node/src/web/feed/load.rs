//! What stands in a feed.

use std::collections::{BTreeMap, BTreeSet};

use super::Head;
use crate::content::article::{
    self, ArticleFilter, ArticleLine, Carried, Span, Withdrawal, current,
};
use crate::entry::{RecordId, SiteId};
use crate::store::Tx;
use crate::web::WebContext;
use crate::web::error::PageError;
use crate::web::page::{PAGE, Turn};

/// Retractions looked at for tombstones, the latest ones.
const LOOK: i64 = 200;
/// Tombstones in a feed.
const TOMBSTONES: usize = 50;
/// Longest text that a feed holds whole, in bytes; of a longer one it tells the beginning.
const LONG: usize = 128 * 1024;
/// All texts of a feed together.
const ROOM: usize = 512 * 1024;

/// A page of articles, and what was withdrawn of late.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) entries: Vec<(ArticleLine, Option<Carried>)>,
    pub(super) withdrawn: Vec<Withdrawal>,
    pub(super) turn: Turn,
}

impl Loaded {
    /// The first article of the page.
    pub(super) fn first(&self) -> Option<&ArticleLine> {
        self.entries.first().map(|(line, _)| line)
    }
}

pub(super) async fn load(
    context: &WebContext,
    tx: &mut Tx,
    head: &Head,
    filter: ArticleFilter,
    number: i64,
) -> Result<Loaded, PageError> {
    let carrier = filter.carrier;
    let filter = ArticleFilter { limit: PAGE + 1, offset: (number - 1) * PAGE, ..filter };
    let mut lines = article::list(tx, context.reader(), &filter).await?;
    let turn = Turn::cut(number, &mut lines)?;
    // Asked for its length first: an article may have a megabyte of text.
    let positions: Vec<i64> = lines.iter().map(|line| line.position).collect();
    let sizes = article::sizes(tx, &positions).await?;
    let mut room = ROOM;
    let mut whole = Vec::new();
    for position in positions {
        let size = sizes.get(&position).copied().unwrap_or(usize::MAX);
        if size <= LONG && size <= room {
            room -= size;
            whole.push(position);
        }
    }
    let mut carried = article::carried(tx, &whole).await?;
    let entries = lines
        .into_iter()
        .map(|line| {
            let carried = carried.remove(&line.position);
            (line, carried)
        })
        .collect();
    let withdrawn =
        if number == 1 { tombstones(context, tx, head, carrier).await? } else { Vec::new() };
    Ok(Loaded { entries, withdrawn, turn })
}

/// What stood in this feed and was withdrawn of late, the latest first, each article once.
async fn tombstones(
    context: &WebContext,
    tx: &mut Tx,
    head: &Head,
    carrier: Option<SiteId>,
) -> Result<Vec<Withdrawal>, PageError> {
    let reader = context.reader();
    let span = Span { after: 0, upto: i64::MAX, limit: LOOK, latest: true };
    let mut last: BTreeMap<(SiteId, RecordId), Withdrawal> = BTreeMap::new();
    for it in article::withdrawn_in(tx, reader, span).await? {
        let here = head
            .column
            .as_ref()
            .is_none_or(|(site, slug)| *site == it.change.site && *slug == it.column);
        if here && carrier.is_none_or(|carrier| carrier == it.carrier) {
            last.insert((it.change.site, it.change.id), it);
        }
    }
    // An earlier revision, or another site's release, may still be shown.
    let keys: Vec<_> = last.keys().copied().collect();
    let shown: BTreeSet<_> = current(tx, reader, carrier, &keys)
        .await?
        .into_iter()
        .map(|line| (line.site, line.id))
        .collect();
    let mut withdrawn: Vec<_> =
        last.into_iter().filter(|(key, _)| !shown.contains(key)).map(|(_, it)| it).collect();
    withdrawn.sort_by_key(|it| std::cmp::Reverse((it.change.position, it.change.id)));
    withdrawn.truncate(TOMBSTONES);
    Ok(withdrawn)
}
