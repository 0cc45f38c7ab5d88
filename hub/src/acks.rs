//! How far each site below has made each lane durable.
//!
//! Kept in memory and written behind: losing the last moments only makes a site look further behind
//! than it is, and its next acknowledgement mends that.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lianbo_node::args;
use lianbo_node::entry::{Lane, SiteId};
use lianbo_node::store::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often acknowledgements are written down.
const FLUSH: Duration = Duration::from_millis(500);
/// How many at a time: whoever publishes waits meanwhile.
const SLICE: usize = 256;

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
    /// Not written down yet.
    changed: BTreeSet<(SiteId, Lane)>,
    /// The last that was written down: the next slice begins behind it, so that everybody has their turn.
    written: Option<(SiteId, Lane)>,
}

impl State {
    /// Takes the next slice of what changed.
    fn slice(&mut self) -> Vec<(SiteId, Lane)> {
        let from = self.written.map_or(Unbounded, Excluded);
        let mut slice: Vec<_> =
            self.changed.range((from, Unbounded)).take(SLICE).copied().collect();
        let rest = SLICE - slice.len();
        slice.extend(
            self.changed
                .iter()
                .take_while(|it| self.written.is_some_and(|last| **it <= last))
                .take(rest),
        );
        for key in &slice {
            self.changed.remove(key);
        }
        self.written = slice.last().copied().or(self.written);
        slice
    }
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

    /// Writes down all that changed.
    pub async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        while self.flush_slice(store).await? {}
        Ok(())
    }

    /// Writes down some of what changed; whether that was anything.
    async fn flush_slice(&self, store: &Store) -> Result<bool, StoreError> {
        let slice = self.state().slice();
        if slice.is_empty() {
            return Ok(false);
        }
        let written = self.write(store, &slice).await;
        if written.is_err() {
            self.state().changed.extend(slice);
        }
        written.map(|()| true)
    }

    async fn write(&self, store: &Store, keys: &[(SiteId, Lane)]) -> Result<(), StoreError> {
        let mut tx = store.write().await?;
        let rows: Vec<_> = {
            let state = self.state();
            let known = keys.iter().filter_map(|key| Some((*key, *state.known.get(key)?)));
            known.map(|((site, lane), ack)| args![site, lane, ack.position, ack.at_ms]).collect()
        };
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
            let flushed = if last {
                self.flush(store).await
            } else {
                self.flush_slice(store).await.map(|_| ())
            };
            if let Err(error) = flushed {
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

#[cfg(test)]
mod tests {
    use lianbo_node::store::testing::TestDatabase;

    use super::*;

    fn site(number: u16) -> SiteId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        SiteId(id)
    }

    async fn written(store: &Store) -> HashMap<(SiteId, Lane), Ack> {
        Acks::load(store).await.unwrap().0.into_inner().unwrap().known
    }

    #[tokio::test]
    async fn what_is_never_at_rest_is_written_down_in_turn_and_keeps_nobody_from_theirs() {
        for database in TestDatabase::each().await {
            let (store, acks) = (&database.store, Acks::default());
            let all = || (0..1_000).flat_map(|number| Lane::ALL.map(|lane| (site(number), lane)));
            // Everybody moves between two slices; the eighth is the last of 2,000.
            for position in 1..=8 {
                for (site, lane) in all() {
                    acks.note(site, lane, Ack { position, at_ms: 0 });
                }
                assert!(acks.flush_slice(store).await.unwrap());
            }
            assert_eq!(written(store).await.len(), 2_000);
            acks.flush(store).await.unwrap();
            assert!(written(store).await.values().all(|ack| ack.position == 8));
            assert!(!acks.flush_slice(store).await.unwrap());
        }
    }

    #[tokio::test]
    async fn what_could_not_be_written_down_is_written_the_next_time() {
        for database in TestDatabase::each().await {
            let (store, acks) = (&database.store, Acks::default());
            acks.note(site(1), Lane::Content, Ack { position: 3, at_ms: 0 });
            let rename = async |from: &str, to: &str| {
                let mut tx = store.write().await.unwrap();
                tx.execute(&format!("ALTER TABLE {from} RENAME TO {to}"), args![]).await.unwrap();
                tx.commit().await.unwrap();
            };
            rename("acks", "away").await;
            assert!(acks.flush(store).await.is_err());
            rename("away", "acks").await;
            acks.flush(store).await.unwrap();
            assert_eq!(written(store).await[&(site(1), Lane::Content)].position, 3);
        }
    }
}
