//! Offer: a hub that lost data is told what others hold, and says what it lacks.

use lianbo_node::entry::Hash;
use lianbo_node::heights::{Height, Heights, lacking};
use lianbo_node::journal;
use lianbo_node::scope::{Reader, may_read, may_rise};
use lianbo_node::store::StoreError;
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
        // Other sites' entries are taken only while this hub fills up what it lost; its own, always.
        let refilling = self.hub.members().refilling();
        // The answer tells heights: of logs that the caller may hold, and of no others (rule 2).
        let may_hold = Reader::site(caller.site, caller.ceiling(), caller.ceiling());
        offered.retain(|log, _| {
            may_rise(caller.ceiling(), log.audience)
                && may_read(may_hold, log.site, log.audience)
                && (refilling || log.site == caller.site || log.site == self.hub.identity.site)
        });
        let compared = async {
            let mut tx = self.hub.store.read().await?;
            let held = journal::heights_of_all(&mut tx).await?;
            // Where the two sides differ at a place both hold, all of the log comes: a branch of it is lost.
            let doubtful: Heights = offered
                .iter()
                .filter(|(log, at)| {
                    held.get(log).is_some_and(|own| own.seq >= at.seq && own.hash != at.hash)
                })
                .map(|(log, at)| (*log, *at))
                .collect();
            let branches = journal::not_held(&mut tx, &doubtful).await?;
            Ok((held, branches))
        };
        let (held, branches) = compared.await.map_err(|error: StoreError| store_failed(&error))?;
        let mut wanted = lacking(&held, &offered);
        wanted.extend(branches.into_iter().map(|log| (log, 0)));
        let wanted = wanted
            .iter()
            .map(|(log, have)| {
                let at = held.get(log).filter(|height| height.seq == *have);
                let hash = at.map_or(Hash([0; 32]), |height| height.hash);
                height_to_proto(log, &Height { seq: *have, hash })
            })
            .collect();
        Ok(v1::OfferResponse { wanted })
    }
}
