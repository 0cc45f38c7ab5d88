//! What a hub signs by itself: when it first held an article, and that its release of a withdrawn
//! original is withdrawn too. Derived from the views, so that a crash between loses nothing.

use std::collections::BTreeMap;

use lianbo_node::content::first_seen::{FirstSeen, MAX_SIGHTINGS, Sighting};
use lianbo_node::content::retraction::{MAX_TARGETS, Retraction, Target};
use lianbo_node::content::{self, Record};
use lianbo_node::ingest::{Draft, IngestError, PlanError};
use lianbo_node::scope::Audience;
use tracing::warn;

use crate::hub::Hub;

/// Does the duties whenever the journal has grown, until the hub stops.
pub(crate) async fn run(hub: &Hub) {
    let mut end = hub.door.end();
    loop {
        end.borrow_and_update();
        while !hub.stop.is_cancelled() {
            match once(hub).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(IngestError::Fenced(_) | IngestError::Stopping) => break,
                Err(error) => {
                    warn!(%error, "duties wait for the next entry");
                    break;
                }
            }
        }
        tokio::select! {
            () = hub.stop.cancelled() => break,
            changed = end.changed() => if changed.is_err() { break },
        }
    }
}

/// Does what is due; says how many records that took.
async fn once(hub: &Hub) -> Result<usize, IngestError> {
    // Looked at outside the door first: most of the time nothing is due, and the door is busy.
    let mut tx = hub.store.read().await?;
    let own = hub.identity.site;
    let due = !content::first_seen::unseen(&mut tx, own, 1).await?.is_empty()
        || !content::release::stale(&mut tx, own, 1).await?.is_empty();
    drop(tx);
    if !due || hub.members().refilling() {
        return Ok(0);
    }
    let plan = Box::new(move |tx: &mut lianbo_node::store::Tx| {
        Box::pin(async move {
            let mut drafts = sightings(tx, own).await?;
            drafts.extend(withdrawals(tx, own).await?);
            Ok(drafts)
        }) as futures_util::future::BoxFuture<'_, Result<Vec<Draft>, PlanError>>
    });
    Ok(hub.door.write_planned(plan).await?.len())
}

type Tx = lianbo_node::store::Tx;

async fn sightings(tx: &mut Tx, own: lianbo_node::entry::SiteId) -> Result<Vec<Draft>, PlanError> {
    let limit = i64::try_from(MAX_SIGHTINGS).unwrap_or(i64::MAX);
    let mut by_audience: BTreeMap<Audience, Vec<Sighting>> = BTreeMap::new();
    for seen in content::first_seen::unseen(tx, own, limit).await? {
        let sighting = Sighting { site: seen.site, hash: seen.hash, at_ms: seen.received_ms };
        by_audience.entry(seen.audience).or_default().push(sighting);
    }
    Ok(by_audience
        .into_iter()
        .map(|(audience, sightings)| {
            Draft::new(audience, Record::FirstSeen(FirstSeen { sightings }))
        })
        .collect())
}

async fn withdrawals(
    tx: &mut Tx,
    own: lianbo_node::entry::SiteId,
) -> Result<Vec<Draft>, PlanError> {
    let limit = i64::try_from(MAX_TARGETS).unwrap_or(i64::MAX);
    let mut by_audience: BTreeMap<Audience, Vec<Target>> = BTreeMap::new();
    for target in content::release::stale(tx, own, limit).await? {
        by_audience.entry(target.log.audience).or_default().push(target);
    }
    Ok(by_audience
        .into_iter()
        .map(|(audience, targets)| {
            let reason = "原稿已撤".to_owned();
            Draft::new(audience, Record::Retraction(Retraction { targets, record: None, reason }))
        })
        .collect())
}
