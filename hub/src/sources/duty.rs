//! The serving hub polls what is due.

use std::sync::Arc;
use std::time::Duration;

use lianbo_node::ingest::IngestError;
use tokio::sync::Semaphore;
use tracing::warn;

use super::poll::Poller;
use super::state::Registry;
use crate::hub::Hub;

/// How often it is looked whether another process changed what is due.
const LOOK: Duration = Duration::from_secs(2);
/// Sources taken at a time.
const ROUND: i64 = 64;
/// Rounds at a time: hosts that answer slowly do not hold up the others.
const ROUNDS: usize = 4;
/// After so long a source that was taken and not polled is due again.
const LEASE_MS: i64 = 15 * 60_000;

/// Polls sources whenever they are due, until the hub stops.
pub(crate) async fn run(hub: Arc<Hub>, poller: Poller) {
    let registry = Registry::new(hub.store.clone());
    let rounds = Arc::new(Semaphore::new(ROUNDS));
    let mut well = true;
    loop {
        let mut wait = LOOK;
        if hub.members().signs() {
            match round(&hub, &registry, &poller, &rounds).await {
                Ok(next) => {
                    wait = next;
                    well = true;
                }
                Err(error) if well => {
                    warn!(%error, "what is due to be polled could not be read; trying again");
                    well = false;
                }
                Err(_) => {}
            }
        }
        tokio::select! {
            () = hub.stop.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Begins a round if something is due; how long to wait until the next look.
async fn round(
    hub: &Arc<Hub>,
    registry: &Registry,
    poller: &Poller,
    rounds: &Arc<Semaphore>,
) -> Result<Duration, IngestError> {
    let now = hub.clock.now();
    let until = match registry.next_due().await? {
        Some(due) if due <= now => 0,
        Some(due) => u64::try_from(due - now).unwrap_or(0),
        None => return Ok(LOOK),
    };
    if until > 0 {
        return Ok(LOOK.min(Duration::from_millis(until)));
    }
    let Ok(permit) = rounds.clone().try_acquire_owned() else { return Ok(LOOK) };
    let due = registry.claim(now, now.saturating_add(LEASE_MS), ROUND).await?;
    let (poller, stop) = (poller.clone(), hub.stop.clone());
    hub.tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            polled = poller.poll(due) => match polled {
                Ok(_) | Err(IngestError::Stopping) => {}
                Err(error) => warn!(%error, "what sources brought could not be kept; they are polled again"),
            }
        }
        drop(permit);
    });
    Ok(Duration::ZERO)
}
