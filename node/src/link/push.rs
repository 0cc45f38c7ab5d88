//! Push: own entries go up, and what the hub takes is remembered.

use std::collections::BTreeMap;

use lianbo_proto::v1;
use lianbo_proto::v1::RefusalReason;
use lianbo_proto::v1::sync_client::SyncClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tracing::warn;

use super::greet::Greeting;
use super::{LinkError, Uplink};
use crate::clock::Clock;
use crate::entry::LogId;
use crate::heights::Heights;
use crate::journal::{self, Refused};
use crate::sync::outbox::Outbox;
use crate::wire::{encode_frame_of, heights_from_proto, log_from_proto};

/// Frames without an answer at a time.
const IN_FLIGHT: usize = 4;
/// Bytes of one frame, before compression.
const FRAME: usize = 512 * 1024;

impl Uplink {
    /// Pushes own entries, and `wanted` logs of any author, until the stream breaks; or, if `once`, until
    /// nothing is left. Says how many entries went.
    pub(super) async fn push(
        &self,
        mut client: SyncClient<Channel>,
        greeting: &Greeting,
        wanted: BTreeMap<LogId, u64>,
        once: bool,
    ) -> Result<usize, LinkError> {
        let (frames, outbound) = mpsc::channel(IN_FLIGHT);
        let mut answers = client.push(ReceiverStream::new(outbound)).await?.into_inner();
        let yours = greeting.answer.yours.iter().map(|(log, height)| (*log, height.seq));
        let mut outbox = Outbox::begin(self.hub, yours.chain(wanted.iter().map(|(l, s)| (*l, *s))));
        for log in &greeting.forked {
            outbox.resend(*log);
        }
        let mut end = self.door.end();
        let mut pushed = 0;
        self.note_taken(&greeting.answer.yours, &[]).await?;
        loop {
            end.borrow_and_update();
            let held = self.to_send(greeting, &wanted).await?;
            while outbox.in_flight() < IN_FLIGHT {
                let Some((log, above)) = outbox.next(&held) else { break };
                let (frame, upto, count) = self.frame(&log, above).await?;
                outbox.sent(BTreeMap::from([(log, upto)]));
                pushed += count;
                if frames.send(v1::PushRequest { frame }).await.is_err() {
                    // The hub ended the call; it may have said why.
                    while answers.message().await?.is_some() {}
                    return Err(LinkError::Ended);
                }
            }
            if once && outbox.in_flight() == 0 {
                return Ok(pushed);
            }
            tokio::select! {
                answer = answers.message() => {
                    let answer = answer?.ok_or(LinkError::Ended)?;
                    self.answered(&mut outbox, answer).await?;
                }
                changed = end.changed() => if changed.is_err() {
                    return Err(crate::ingest::IngestError::Stopping.into());
                },
            }
        }
    }

    async fn to_send(
        &self,
        greeting: &Greeting,
        wanted: &BTreeMap<LogId, u64>,
    ) -> Result<Heights, LinkError> {
        let mut tx = self.store.read().await?;
        let mut held = if wanted.is_empty() {
            journal::heights_of_site(&mut tx, self.identity.site).await?
        } else {
            journal::heights_of_all(&mut tx).await?
        };
        held.retain(|log, _| log.site == self.identity.site || wanted.contains_key(log));
        Ok(greeting.nameable(held))
    }

    async fn frame(
        &self,
        log: &LogId,
        above: u64,
    ) -> Result<(bytes::Bytes, u64, usize), LinkError> {
        let mut tx = self.store.read().await?;
        let items = journal::log_entries(&mut tx, log, above, FRAME).await?;
        let upto = items.last().map_or(above + 1, |item| item.seq);
        let frame = encode_frame_of(items.iter().map(|item| &item.entry));
        Ok((frame, upto, items.len()))
    }

    async fn answered(
        &self,
        outbox: &mut Outbox,
        answer: v1::PushResponse,
    ) -> Result<(), LinkError> {
        let acked = heights_from_proto(answer.acked)?;
        outbox.answered(&acked).map_err(|error| LinkError::Protocol(error.to_string()))?;
        let mut refused = Vec::new();
        for refusal in answer.refused {
            let reason = refusal.reason();
            let Ok(log) = log_from_proto(refusal.log) else { continue };
            let cannot_yet =
                [RefusalReason::UnknownKey, RefusalReason::Upgrade, RefusalReason::Revoked];
            if cannot_yet.contains(&reason) {
                outbox.wait(log);
            }
            warn!(seq = refusal.seq, reason = reason.as_str_name(), "the hub refused an entry");
            let reason = reason.as_str_name().trim_start_matches("REFUSAL_REASON_").to_lowercase();
            // The hub's words are shown to people later: bounded like any input.
            let message = refusal.message.chars().filter(|c| !c.is_control()).take(300).collect();
            refused.push(Refused { log, seq: refusal.seq, reason, message });
        }
        self.note_taken(&acked, &refused).await
    }

    async fn note_taken(&self, acked: &Heights, refused: &[Refused]) -> Result<(), LinkError> {
        let mut own = acked.clone();
        own.retain(|log, _| log.site == self.identity.site);
        if own.is_empty() && refused.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        journal::note_risen(&mut tx, &own, self.clock.now()).await?;
        journal::note_refusals(&mut tx, refused).await?;
        journal::forget_refusals(&mut tx).await?;
        tx.commit().await?;
        self.taken.notify_waiters();
        Ok(())
    }
}
