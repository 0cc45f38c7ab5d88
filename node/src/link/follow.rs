//! Follow and Pull: what the hub has for this site comes down, is kept, and is acknowledged.

use lianbo_proto::v1;
use lianbo_proto::v1::sync_client::SyncClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tracing::warn;

use super::greet::{Greeting, subscriptions_to_proto};
use super::owed::Owed;
use super::uplink::{Drained, Ended};
use super::{LinkError, Uplink};
use crate::entry::{Lane, LogId};
use crate::ingest::{Origin, Reason};
use crate::journal;
use crate::wire::{decode_frame, heights_to_proto};

/// Acknowledgements on their way; the hub's window is far smaller than this many batches.
const ACKS: usize = 64;

impl Uplink {
    /// Follows the hub until the stream breaks.
    pub(super) async fn follow(
        &self,
        mut client: SyncClient<Channel>,
        greeting: &Greeting,
        by_heights: bool,
    ) -> Result<Ended, LinkError> {
        let open = self.opening(greeting, by_heights).await?;
        let (requests, outbound) = mpsc::channel(ACKS);
        send(&requests, v1::follow_request::Message::Open(open)).await?;
        let mut stream = client.follow(ReceiverStream::new(outbound)).await?.into_inner();
        let mut owed = Owed::new(greeting.window);
        loop {
            let batch = tokio::select! {
                biased;
                ack = owed.due() => {
                    send(&requests, v1::follow_request::Message::Ack(ack)).await?;
                    continue;
                }
                batch = stream.message() => batch?.ok_or(LinkError::Ended)?,
            };
            let lane = Lane::from_number(batch.lane.into())
                .ok_or_else(|| LinkError::Protocol("an unknown lane".to_owned()))?;
            self.take(greeting, lane, &batch.frame, &batch.cursor).await?;
            owed.add(batch.lane, &batch.frame, batch.cursor);
        }
    }

    /// Pushes and pulls until nothing is left.
    pub(super) async fn drain(
        &self,
        client: SyncClient<Channel>,
        greeting: &Greeting,
        wanted: std::collections::BTreeMap<LogId, u64>,
        by_heights: bool,
    ) -> Result<Drained, LinkError> {
        let mut drained = Drained::default();
        drained.pushed += self.push(client.clone(), greeting, wanted, true).await?;
        drained.pulled += self.pull(client.clone(), greeting, by_heights).await?;
        // What came down may have called for an answer: a receipt, for one.
        crate::duties::once(&self.store, &self.door, &self.identity, &self.shared_clock(), &mut 0)
            .await?;
        let again = self.greet(&mut client.clone()).await?;
        drained.pushed +=
            self.push(client, &again, std::collections::BTreeMap::new(), true).await?;
        Ok(drained)
    }

    async fn pull(
        &self,
        mut client: SyncClient<Channel>,
        greeting: &Greeting,
        by_heights: bool,
    ) -> Result<usize, LinkError> {
        let open = self.opening(greeting, by_heights).await?;
        let mut pulled = 0;
        for lane in Lane::ALL {
            let number = lane as i32;
            let mut cursor = open
                .cursors
                .iter()
                .find(|named| named.lane == number)
                .map(|named| named.cursor.clone())
                .unwrap_or_default();
            loop {
                let request = v1::PullRequest {
                    lane: number,
                    cursor,
                    held: open.held.clone(),
                    subscriptions: open.subscriptions.clone(),
                    refill: false,
                    max_bytes: 0,
                };
                let batch = client.pull(request).await?.into_inner();
                pulled += self.take(greeting, lane, &batch.frame, &batch.cursor).await?;
                cursor = batch.cursor;
                if !batch.more {
                    break;
                }
            }
        }
        Ok(pulled)
    }

    /// Where a stream begins: at the cursors, or, for lanes without one, by heights.
    async fn opening(
        &self,
        greeting: &Greeting,
        by_heights: bool,
    ) -> Result<v1::FollowOpen, LinkError> {
        let mut tx = self.store.write().await?;
        if by_heights || journal::resync(&mut tx).await? {
            journal::clear_cursors(&mut tx).await?;
            journal::set_resync(&mut tx, false).await?;
        }
        let cursors = journal::cursors(&mut tx).await?;
        let held = if cursors.len() < Lane::ALL.len() {
            greeting.nameable(journal::heights_of_all(&mut tx).await?)
        } else {
            crate::heights::Heights::new()
        };
        tx.commit().await?;
        Ok(v1::FollowOpen {
            cursors: cursors
                .into_iter()
                .map(|(lane, cursor)| v1::LaneCursor { lane: lane as i32, cursor })
                .collect(),
            held: heights_to_proto(&held),
            subscriptions: subscriptions_to_proto(&greeting.subscriptions),
            refill: false,
        })
    }

    /// Keeps a batch and its cursor; says how much of it was new.
    async fn take(
        &self,
        greeting: &Greeting,
        lane: Lane,
        frame: &[u8],
        cursor: &bytes::Bytes,
    ) -> Result<usize, LinkError> {
        let entries = decode_frame(frame)?;
        let origin = Origin::Above { reader: greeting.reader(self) };
        let cursor = (!cursor.is_empty()).then(|| (lane, cursor.clone()));
        let taken = self.door.take_upto(entries, origin, cursor).await?;
        let left_out = taken
            .refusals()
            .any(|refusal| matches!(refusal.reason, Reason::UnknownKey | Reason::Upgrade));
        if left_out {
            warn!(
                "entries were left out that may be taken later; the next stream begins by heights"
            );
            let mut tx = self.store.write().await?;
            journal::set_resync(&mut tx, true).await?;
            tx.commit().await?;
        }
        Ok(taken.accepted())
    }
}

async fn send(
    requests: &mpsc::Sender<v1::FollowRequest>,
    message: v1::follow_request::Message,
) -> Result<(), LinkError> {
    let request = v1::FollowRequest { message: Some(message) };
    requests.send(request).await.map_err(|_| LinkError::Ended)
}
