//! What a hub signs by itself: when it first held an article, and that its release of a withdrawn
//! original is withdrawn too. Derived from the views, so that a crash between loses nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use lianbo_node::content::first_seen::{FirstSeen, MAX_SIGHTINGS, Sighting};
use lianbo_node::content::retraction::{MAX_TARGETS, Retraction, Target};
use lianbo_node::content::{self, Record};
use lianbo_node::entry::SiteId;
use lianbo_node::ingest::{Draft, IngestError, Plan, PlanError};
use lianbo_node::journal;
use lianbo_node::scope::Audience;
use lianbo_node::store::Tx;
use tokio::time::Instant;
use tracing::warn;

use crate::hub::Hub;

/// Sightings written at a time: as many as one record holds.
#[expect(clippy::cast_possible_wrap, reason = "512")]
const MAX_UNSEEN: i64 = MAX_SIGHTINGS as i64;

/// After sightings further ones are gathered for so long: each record goes to every site there is.
const GATHER: Duration = Duration::from_secs(1);

/// Does the duties whenever the journal has grown, until the hub stops.
pub(crate) async fn run(hub: &Hub) {
    let mut end = hub.door.end();
    let mut done = Done::default();
    let mut gathered = Instant::now();
    loop {
        end.borrow_and_update();
        let mut gathering = false;
        while !hub.stop.is_cancelled() {
            match once(hub, &mut done, Instant::now() >= gathered).await {
                Ok(Outcome::Idle) | Err(IngestError::Fenced(_) | IngestError::Stopping) => break,
                Ok(Outcome::Gathering) => {
                    gathering = true;
                    break;
                }
                Ok(Outcome::Sighted { all }) => {
                    if all {
                        gathered = Instant::now() + GATHER;
                    }
                }
                Ok(Outcome::Withdrew) => {}
                Err(error) => {
                    warn!(%error, "duties wait for the next entry");
                    break;
                }
            }
        }
        tokio::select! {
            () = hub.stop.cancelled() => break,
            changed = end.changed() => if changed.is_err() { break },
            () = tokio::time::sleep_until(gathered), if gathering => {}
        }
    }
}

/// What a round of duties came to.
enum Outcome {
    /// Nothing was due.
    Idle,
    /// Sightings are due, and further ones may join them.
    Gathering,
    /// Sightings were written, perhaps all that were due.
    Sighted { all: bool },
    /// Releases were withdrawn, and nothing else.
    Withdrew,
}

/// Up to which positions of the journal nothing is due.
#[derive(Clone, Copy, Default)]
struct Done {
    /// Every article has a sighting.
    seen: i64,
    /// No release is stale.
    fresh: i64,
}

/// Does what is due; sightings only if `sight`.
async fn once(hub: &Hub, done: &mut Done, sight: bool) -> Result<Outcome, IngestError> {
    if hub.members().refilling() {
        // What comes back may fill places that were looked at.
        *done = Done::default();
        return Ok(Outcome::Idle);
    }
    // Looked at outside the door first: most of the time nothing is due, and the door is busy.
    let mut tx = hub.store.read().await?;
    let own = hub.identity.site;
    let unseen = content::first_seen::unseen(&mut tx, own, done.seen, MAX_UNSEEN).await?;
    let stale = content::release::stale(&mut tx, own, done.fresh, 1).await?;
    if stale.is_empty() {
        done.fresh = journal::end(&mut tx).await?.position;
    }
    drop(tx);
    let sight = sight && !unseen.is_empty();
    if !sight && stale.is_empty() {
        return Ok(if unseen.is_empty() { Outcome::Idle } else { Outcome::Gathering });
    }
    let from = *done;
    let plan: Plan = Box::new(move |tx| {
        Box::pin(async move {
            let mut drafts = Vec::new();
            if sight {
                drafts = sightings(tx, own, from.seen).await?;
            }
            drafts.extend(withdrawals(tx, own, from.fresh).await?);
            Ok(drafts)
        })
    });
    let written = hub.door.write_planned(plan).await?;
    if !sight {
        return Ok(if written.is_empty() { Outcome::Idle } else { Outcome::Withdrew });
    }
    done.seen = unseen.last().map_or(from.seen, |seen| seen.position);
    Ok(Outcome::Sighted { all: i64::try_from(unseen.len()).is_ok_and(|count| count < MAX_UNSEEN) })
}

async fn sightings(tx: &mut Tx, own: SiteId, after: i64) -> Result<Vec<Draft>, PlanError> {
    let mut by_audience: BTreeMap<Audience, Vec<Sighting>> = BTreeMap::new();
    for seen in content::first_seen::unseen(tx, own, after, MAX_UNSEEN).await? {
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

async fn withdrawals(tx: &mut Tx, own: SiteId, after: i64) -> Result<Vec<Draft>, PlanError> {
    let limit = i64::try_from(MAX_TARGETS).unwrap_or(i64::MAX);
    let mut by_audience: BTreeMap<Audience, Vec<Target>> = BTreeMap::new();
    for target in content::release::stale(tx, own, after, limit).await? {
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
