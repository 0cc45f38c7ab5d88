//! What a hub signs by itself: when it first held an article, and that its release of a withdrawn
//! original is withdrawn too. Derived from the views, so that a crash between loses nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use lianbo_node::content::first_seen::{self, FirstSeen, MAX_SIGHTINGS, Sighting, Unseen};
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

/// Sightings wait so long for further ones: each record goes to every site there is, and after the articles.
const GATHER: Duration = Duration::from_secs(5);

/// Does the duties whenever the journal has grown, until the hub stops.
pub(crate) async fn run(hub: &Hub) {
    let mut end = hub.door.end();
    let mut done = Done::default();
    // When the sightings that are due are written.
    let mut due: Option<Instant> = None;
    loop {
        end.borrow_and_update();
        while !hub.stop.is_cancelled() {
            let sight = match due {
                None => Sight::Ask,
                Some(due) if Instant::now() < due => Sight::Wait,
                Some(_) => Sight::Write,
            };
            match once(hub, &mut done, sight).await {
                Ok(Outcome::Did { all }) => due = due.filter(|_| !all),
                Ok(Outcome::Gathering) => {
                    due.get_or_insert_with(|| Instant::now() + GATHER);
                    break;
                }
                Ok(Outcome::Idle) | Err(IngestError::Fenced(_) | IngestError::Stopping) => {
                    due = None;
                    break;
                }
                Err(error) => {
                    warn!(%error, "duties wait for the next entry");
                    due = None;
                    break;
                }
            }
        }
        tokio::select! {
            () = hub.stop.cancelled() => break,
            changed = end.changed() => if changed.is_err() { break },
            () = until(due) => {}
        }
    }
}

/// For ever, where nothing is due.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What to do about sightings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// See whether any are due.
    Ask,
    /// Some are, and others may join them.
    Wait,
    /// Write them.
    Write,
}

/// What a round of duties came to.
enum Outcome {
    /// Nothing was due.
    Idle,
    /// Nothing but sightings, which are gathered.
    Gathering,
    /// Something was written; with it all sightings that were due, or not.
    Did { all: bool },
}

/// Up to which positions of the journal nothing is due.
#[derive(Clone, Copy, Default)]
struct Done {
    /// Every article has a sighting.
    seen: i64,
    /// No release is stale.
    fresh: i64,
}

/// Does what is due.
async fn once(hub: &Hub, done: &mut Done, sight: Sight) -> Result<Outcome, IngestError> {
    if hub.members().refilling() {
        // What comes back may fill places that were looked at.
        *done = Done::default();
        return Ok(Outcome::Idle);
    }
    // Looked at outside the door first: most of the time nothing is due, and the door is busy.
    let mut tx = hub.store.read().await?;
    let own = hub.identity.site;
    let (mut unseen, mut signed) = Default::default();
    match sight {
        Sight::Ask => unseen = first_seen::unseen(&mut tx, own, done.seen, 1).await?,
        Sight::Wait => {}
        Sight::Write => {
            signed = journal::heights_of_site(&mut tx, own).await?;
            unseen = first_seen::unseen(&mut tx, own, done.seen, MAX_UNSEEN).await?;
        }
    }
    let stale = content::release::stale(&mut tx, own, done.fresh, 1).await?;
    if stale.is_empty() {
        done.fresh = journal::end(&mut tx).await?.position;
    }
    drop(tx);
    let write = sight == Sight::Write && !unseen.is_empty();
    let gathering = sight == Sight::Wait || !unseen.is_empty();
    let nothing = if gathering { Outcome::Gathering } else { Outcome::Idle };
    if !write && stale.is_empty() {
        return Ok(nothing);
    }
    let (from, count) = (*done, unseen.len());
    let seen = unseen.last().map_or(from.seen, |seen| seen.position);
    let plan: Plan = Box::new(move |tx| {
        Box::pin(async move {
            let mut drafts = Vec::new();
            if write {
                // What was looked at outside still holds if nothing was signed since, by another process of this hub.
                let as_before = journal::heights_of_site(tx, own).await? == signed;
                if !as_before {
                    unseen = first_seen::unseen(tx, own, from.seen, MAX_UNSEEN).await?;
                }
                drafts = sightings(&unseen);
            }
            drafts.extend(withdrawals(tx, own, from.fresh).await?);
            Ok(drafts)
        })
    });
    let written = hub.door.write_planned(plan).await?;
    if !write {
        return Ok(if written.is_empty() { nothing } else { Outcome::Did { all: false } });
    }
    done.seen = seen;
    Ok(Outcome::Did { all: i64::try_from(count).is_ok_and(|count| count < MAX_UNSEEN) })
}

/// One record for each audience.
fn sightings(unseen: &[Unseen]) -> Vec<Draft> {
    let mut by_audience: BTreeMap<Audience, Vec<Sighting>> = BTreeMap::new();
    for seen in unseen {
        let sighting = Sighting { site: seen.site, hash: seen.hash, at_ms: seen.received_ms };
        by_audience.entry(seen.audience).or_default().push(sighting);
    }
    by_audience
        .into_iter()
        .map(|(audience, sightings)| {
            Draft::new(audience, Record::FirstSeen(FirstSeen { sightings }))
        })
        .collect()
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
