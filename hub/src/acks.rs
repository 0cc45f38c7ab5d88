//! How far each site below has made each lane durable.
//!
//! Kept in memory and written behind: losing the last moments only makes a site look further behind
//! than it is, and its next acknowledgement mends that.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lianbo_node::args;
use lianbo_node::entry::{Lane, SiteId};
use lianbo_node::store::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often acknowledgements are written down.
const FLUSH: Duration = Duration::from_millis(500);

/// One site's progress in one lane.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    /// Everything up to this position of the journal is durable there.
    pub position: i64,
    /// When it said so, by this hub's clock, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

/// Everybody's progress.
#[derive(Debug, Default)]
pub struct Acks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<(SiteId, Lane), Ack>,
    changed: HashSet<(SiteId, Lane)>,
}

impl Acks {
    /// What was written down.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let mut tx = store.read().await?;
        let rows = tx.all("SELECT site, lane, position, at_ms FROM acks", args![]).await?;
        let mut state = State::default();
        for row in rows {
            let ack = Ack { position: row.get(2)?, at_ms: row.get(3)? };
            state.known.insert((row.get(0)?, row.get(1)?), ack);
        }
        Ok(Self(Mutex::new(state)))
    }

    /// A site said how far it is. A site that lost data may go back.
    pub fn note(&self, site: SiteId, lane: Lane, ack: Ack) {
        let mut state = self.state();
        state.known.insert((site, lane), ack);
        state.changed.insert((site, lane));
    }

    /// A site holds all it may read up to these positions, whether or not it was sent anything.
    pub(crate) fn note_caught_up(&self, site: SiteId, ends: [(Lane, i64); 2], at_ms: i64) {
        let mut state = self.state();
        for (lane, position) in ends {
            let known = state.known.get(&(site, lane)).map(|ack| ack.position);
            if known != Some(position) {
                state.known.insert((site, lane), Ack { position, at_ms });
                state.changed.insert((site, lane));
            }
        }
    }

    /// How far a site is in a lane; 0 for one never heard of.
    pub fn position(&self, site: SiteId, lane: Lane) -> i64 {
        self.state().known.get(&(site, lane)).map_or(0, |ack| ack.position)
    }

    /// When a site was last heard, milliseconds since 1970-01-01 UTC.
    pub fn last_heard(&self, site: SiteId) -> Option<i64> {
        let state = self.state();
        Lane::ALL
            .iter()
            .filter_map(|lane| state.known.get(&(site, *lane)))
            .map(|ack| ack.at_ms)
            .max()
    }

    /// Writes down what changed.
    pub async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let rows: Vec<_> = {
            let mut state = self.state();
            let changed = std::mem::take(&mut state.changed);
            changed
                .into_iter()
                .filter_map(|(site, lane)| {
                    let ack = state.known.get(&(site, lane))?;
                    Some(args![site, lane, ack.position, ack.at_ms])
                })
                .collect()
        };
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = store.write().await?;
        tx.insert_many(
            "INSERT INTO acks (site, lane, position, at_ms)",
            "ON CONFLICT (site, lane) DO UPDATE SET position = excluded.position, at_ms = excluded.at_ms",
            rows,
        )
        .await?;
        tx.commit().await
    }

    pub(crate) async fn run(&self, store: &Store, stop: CancellationToken) {
        let mut tick = tokio::time::interval(FLUSH);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                () = stop.cancelled() => true,
                _ = tick.tick() => false,
            };
            if let Err(error) = self.flush(store).await {
                warn!(%error, "acknowledgements could not be written down");
            }
            if last {
                break;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
