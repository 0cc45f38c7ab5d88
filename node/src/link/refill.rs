//! This site lost data, or was copied: it takes back what the hub holds, then writes under a new incarnation.

use lianbo_proto::v1;
use lianbo_proto::v1::sync_client::SyncClient;
use tonic::transport::Channel;
use tracing::warn;

use super::greet::{Greeting, subscriptions_to_proto};
use super::{LinkError, Uplink};
use crate::entry::Lane;
use crate::ingest::Origin;
use crate::journal::{self, Meta, Standing};
use crate::store::StoreError;
use crate::wire::{decode_frame, heights_to_proto};

impl Uplink {
    /// Fences this site, refills it, and begins a new life of its data.
    pub(super) async fn refill(
        &self,
        client: &mut SyncClient<Channel>,
        greeting: &Greeting,
        message: &str,
    ) -> Result<(), LinkError> {
        warn!(
            message,
            "this site's data were rolled back or copied; taking back what the hub holds"
        );
        self.change_meta(|meta| meta.standing = Standing::Restored).await?;
        let held = journal::heights_of_all(&mut self.store.read().await?).await?;
        // Own logs are taken whole: the hub may hold another branch of any of them.
        let mut held = greeting.nameable(held);
        held.retain(|log, _| log.site != self.identity.site);
        let held = heights_to_proto(&held);
        for lane in Lane::ALL {
            let mut cursor = bytes::Bytes::new();
            loop {
                let request = v1::PullRequest {
                    lane: lane as i32,
                    cursor,
                    held: held.clone(),
                    subscriptions: subscriptions_to_proto(&greeting.subscriptions),
                    refill: true,
                    max_bytes: 0,
                };
                let batch = client.pull(request).await?.into_inner();
                let entries = decode_frame(&batch.frame)?;
                let origin = Origin::Above { reader: greeting.reader(self) };
                self.door.take(entries, origin).await?;
                cursor = batch.cursor;
                if !batch.more {
                    break;
                }
            }
        }
        self.change_meta(|meta| meta.renew(&mut rand::rng())).await?;
        warn!("refilled; this site writes under a new incarnation from now on");
        Ok(())
    }

    async fn change_meta(&self, change: impl FnOnce(&mut Meta) + Send) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        let mut meta =
            Meta::load(&mut tx).await?.ok_or(StoreError::Corrupt("table meta is empty"))?;
        change(&mut meta);
        meta.save(&mut tx).await?;
        tx.commit().await
    }
}
