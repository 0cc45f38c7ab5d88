//! How far a harvester has read, sealed like every cursor.

use std::sync::LazyLock;

use bytes::Bytes;
use lianbo_node::entry::Hash;
use lianbo_node::journal::{self, End, Meta};
use rand::RngExt;
use tonic::Status;

use super::refilling;
use crate::hub::Hub;
use crate::rpc::caller::store_failed;
use crate::rpc::cursor::{Cursor, Verdict};

/// Longest cursor worth looking at.
const MAX_CURSOR: usize = 1024;

/// Stands where a site's cursor names its filter: every harvester sees the same.
static FILTER: LazyLock<Hash> = LazyLock::new(|| Hash::of(b"lianbo.v1.harvest\0"));

/// Where to go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Behind this position.
    pub(super) after: i64,
    /// The cursor could not be continued.
    pub(super) restarted: bool,
}

/// Seals a cursor at a position of the journal.
pub(super) async fn seal(hub: &Hub, meta: &Meta, position: i64) -> Result<Bytes, Status> {
    let rolling = async { journal::rolling_at(&mut hub.store.read().await?, position).await };
    let rolling = rolling.await.map_err(|error| store_failed(&error))?;
    let rolling = rolling.ok_or_else(|| Status::internal("a gap in the journal"))?;
    let end = End { position, rolling };
    Ok(Cursor::new(meta, *FILTER, end).seal(&meta.cursor_key, rand::rng().random()))
}

/// Where a cursor goes on. One that is not of this journal, whatever it is, begins anew: a hub that lost its disk
/// lost the key its cursors were sealed with, too.
pub(super) async fn open(hub: &Hub, meta: &Meta, sealed: &[u8]) -> Result<Start, Status> {
    if sealed.len() > MAX_CURSOR {
        return Err(Status::invalid_argument("a cursor of this hub is shorter"));
    }
    if sealed.is_empty() {
        return Ok(Start { after: 0, restarted: false });
    }
    let anew = Start { after: 0, restarted: true };
    let Some(cursor) = Cursor::open(&meta.cursor_key, sealed) else { return Ok(anew) };
    let position = cursor.end.position;
    let here = async { journal::rolling_at(&mut hub.store.read().await?, position).await };
    let here = here.await.map_err(|error| store_failed(&error))?;
    match cursor.judge(meta, *FILTER, here) {
        Verdict::Good(after) => Ok(Start { after, restarted: false }),
        Verdict::OtherJournal { proven: true } => {
            // Sealed here, for a journal that held more: these data are older (rule 8).
            hub.mark_restored().await.map_err(|error| store_failed(&error))?;
            Err(refilling())
        }
        _ => Ok(anew),
    }
}
