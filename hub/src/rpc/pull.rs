//! Pull: one batch down, for clients that ask rather than follow.

use bytes::Bytes;
use lianbo_node::entry::Hash;
use lianbo_node::heights::Heights;
use lianbo_node::journal::{self, End, Item, Meta};
use lianbo_node::store::StoreError;
use lianbo_node::sync::filter::Filter;
use lianbo_node::wire::heights_from_proto;
use lianbo_proto::v1;
use rand::RngExt;
use tonic::{Request, Status};

use super::Service;
use super::caller::{store_failed, subscriptions};
use super::cursor::{Cursor, Verdict};
use super::follow::lane_of;
use crate::alike::{Class, anybody};
use crate::hub::Hub;
use crate::tail::{encode, strip_withdrawn};

/// Bytes of one batch, before compression.
pub(super) const BATCH: usize = 1024 * 1024;

impl Service {
    pub(super) async fn answer_pull(
        &self,
        request: Request<v1::PullRequest>,
    ) -> Result<v1::PullResponse, Status> {
        let caller = self.caller(&request)?;
        let pull = request.into_inner();
        let lane = lane_of(pull.lane)?;
        let subscriptions = subscriptions(pull.subscriptions)?;
        let terms = Terms::new(self.filter(&caller, lane, &subscriptions, pull.refill));
        let held = heights_from_proto(pull.held)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let hub = &self.hub;
        let meta = hub.members().meta.clone();
        let after = if pull.cursor.is_empty() {
            End::START
        } else {
            resume(hub, &meta, &terms, &pull.cursor).await?
        };
        let max_bytes = match pull.max_bytes {
            0 => BATCH,
            bytes => BATCH.min(bytes as usize),
        };
        // The journal itself and not the tail: whoever was told that an entry is kept finds it here.
        let end = async { journal::end(&mut hub.store.read().await?).await };
        let upto = end.await.map_err(|error| store_failed(&error))?.position;
        let (frame, end) = Box::pin(read(hub, &terms, &held, after.position, upto, max_bytes))
            .await
            .map_err(|error| store_failed(&error))?;
        Ok(v1::PullResponse {
            frame: frame.unwrap_or_default(),
            cursor: terms.seal(&meta, end),
            more: end.position < upto,
        })
    }
}

/// What is read in one lane, and by whom.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) filter: Filter,
    /// Names the filter.
    digest: Hash,
    /// Who else gets the same bytes.
    pub(super) class: Class,
}

impl Terms {
    /// Names the filter, once for all batches.
    pub(super) fn new(filter: Filter) -> Self {
        Self { digest: filter.digest(), class: Class::of(&filter), filter }
    }

    /// Seals a cursor at `end`.
    pub(super) fn seal(&self, meta: &Meta, end: End) -> Bytes {
        Cursor::new(meta, self.digest, end).seal(&meta.cursor_key, rand::rng().random())
    }
}

/// Where a cursor goes on, if it is good for this journal and this filter.
pub(super) async fn resume(
    hub: &Hub,
    meta: &Meta,
    terms: &Terms,
    sealed: &[u8],
) -> Result<End, Status> {
    let again = || Status::failed_precondition("this cursor cannot be continued; call Hello");
    let cursor = Cursor::open(&meta.cursor_key, sealed).ok_or_else(again)?;
    let here =
        async { journal::rolling_at(&mut hub.store.read().await?, cursor.end.position).await };
    let here = here.await.map_err(|error| store_failed(&error))?;
    match cursor.judge(meta, terms.digest, here) {
        Verdict::Good(_) => Ok(cursor.end),
        _ => Err(again()),
    }
}

/// Reads on after a position, leaving out what the reader holds. What many read alike is read once.
pub(super) async fn read(
    hub: &Hub,
    terms: &Terms,
    held: &Heights,
    after: i64,
    upto: i64,
    max_bytes: usize,
) -> Result<(Option<Bytes>, End), StoreError> {
    let Terms { filter, class, .. } = terms;
    if held.is_empty() && !filter.refill && max_bytes == BATCH {
        let anybody = anybody(filter);
        let reading = read_for(hub, &anybody, held, after, upto, max_bytes);
        let (frame, end) = Box::pin(hub.tail.alike.get(class, after, upto, reading)).await?;
        let mut tx = hub.store.read().await?;
        if !journal::concerns_reader(&mut tx, filter, after, end.position).await? {
            return Ok((frame, end));
        }
    }
    read_for(hub, filter, held, after, upto, max_bytes).await
}

async fn read_for(
    hub: &Hub,
    filter: &Filter,
    held: &Heights,
    after: i64,
    upto: i64,
    max_bytes: usize,
) -> Result<(Option<Bytes>, End), StoreError> {
    let mut tx = hub.store.read().await?;
    let mut page = journal::page(&mut tx, filter, after, upto, max_bytes).await?;
    page.items.retain(|item| !holds(held, item));
    strip_withdrawn(&mut tx, &mut page.items).await?;
    Ok((encode(page.items.iter(), filter), page.end))
}

fn holds(held: &Heights, item: &Item) -> bool {
    held.get(&item.log).is_some_and(|height| height.seq >= item.seq)
}
