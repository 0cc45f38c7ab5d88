//! Offer: a hub that lost data is told what others hold, and says what it lacks.

use lianbo_node::entry::Hash;
use lianbo_node::heights::{Height, lacking};
use lianbo_node::journal;
use lianbo_node::scope::may_rise;
use lianbo_node::wire::{height_to_proto, heights_from_proto};
use lianbo_proto::v1;
use tonic::{Request, Status};

use super::Service;
use super::caller::store_failed;

impl Service {
    pub(super) async fn answer_offer(
        &self,
        request: Request<v1::OfferRequest>,
    ) -> Result<v1::OfferResponse, Status> {
        let caller = self.caller(&request)?;
        let mut offered = heights_from_proto(request.into_inner().held)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        // Others' entries are taken only while this hub fills up what it lost.
        let refilling = self.hub.members().refilling();
        offered.retain(|log, _| {
            may_rise(caller.ceiling(), log.audience) && (refilling || log.site == caller.site)
        });
        let held = async {
            let mut tx = self.hub.store.read().await?;
            journal::heights_of_all(&mut tx).await
        };
        let held = held.await.map_err(|error| store_failed(&error))?;
        let wanted = lacking(&held, &offered);
        let wanted = wanted
            .iter()
            .map(|(log, have)| {
                let hash = held.get(log).map_or(Hash([0; 32]), |height| height.hash);
                height_to_proto(log, &Height { seq: *have, hash })
            })
            .collect();
        Ok(v1::OfferResponse { wanted })
    }
}
