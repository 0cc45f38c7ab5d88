//! List: one page of what happened since a cursor.

use lianbo_node::entry::HarvesterId;
use lianbo_node::journal::{self, Meta};
use lianbo_node::wire::told_to_proto;
use lianbo_proto::v1;
use tonic::Status;

use super::Caller;
use super::cursor::{open, seal};
use crate::hub::Hub;
use crate::outlets::harvest::{self, Ask, MAX_ITEMS};
use crate::rpc::caller::store_failed;
use crate::rpc::seats::Seat;

pub(super) async fn list(
    hub: &Hub,
    caller: Caller,
    request: &v1::HarvestRequest,
) -> Result<v1::HarvestPage, Status> {
    let members = hub.members();
    caller.check(hub, &members)?;
    let seat = caller.seat(hub)?;
    let start = open(hub, &members.meta, &request.cursor).await?;
    let end = async { journal::end(&mut hub.store.read().await?).await };
    let upto = end.await.map_err(|error| store_failed(&error))?.position;
    let (page, _seat) = page(hub, &members.meta, ask(request, start.after, upto), seat).await?;
    Ok(v1::HarvestPage { restarted: start.restarted, ..page.message })
}

/// What a request asks of a part of the journal.
pub(super) fn ask(request: &v1::HarvestRequest, after: i64, upto: i64) -> Ask {
    let limit = match request.limit {
        0 => MAX_ITEMS,
        limit => usize::try_from(limit).unwrap_or(MAX_ITEMS),
    };
    Ask { after, upto, limit, entries: request.entries }
}

/// A page ready to go.
pub(super) struct Ready {
    pub(super) message: v1::HarvestPage,
    /// Where it ends.
    pub(super) end: i64,
}

/// The first page with anything in it. The seat goes along: whoever hangs up while texts are drawn still takes it.
pub(super) async fn page(
    hub: &Hub,
    meta: &Meta,
    mut ask: Ask,
    seat: Seat<HarvesterId>,
) -> Result<(Ready, Seat<HarvesterId>), Status> {
    let own = hub.identity.site;
    let page = loop {
        let read = async { harvest::read(&mut hub.store.read().await?, own, ask).await };
        let page = read.await.map_err(|error| store_failed(&error))?;
        if !page.is_empty() || page.end >= ask.upto {
            break page;
        }
        ask.after = page.end;
    };
    let (end, pages) = (page.end, hub.pages_url.clone());
    let drawn = tokio::task::spawn_blocking(move || {
        let items = page.draw(pages.as_deref());
        (items.into_iter().map(told_to_proto).collect(), seat)
    });
    let (items, seat) =
        drawn.await.map_err(|_| Status::internal("a text could not be laid out"))?;
    let cursor = seal(hub, meta, end).await?;
    let message = v1::HarvestPage { items, cursor, more: end < ask.upto, restarted: false };
    Ok((Ready { message, end }, seat))
}
