//! An open site as its own desk sees it: everything it holds.

use std::path::Path;

use anyhow::Context as _;
use futures_util::future::BoxFuture;

use super::Output;
use crate::blobs::Blobs;
use crate::entry::SiteId;
use crate::ingest::{Draft, PlanError, Written};
use crate::journal::Edition;
use crate::lifecycle::Site;
use crate::scope::Reader;
use crate::store::Tx;
use crate::web::SETTLED;

/// What a command works on. May be opened beside a serving process.
#[derive(Debug)]
pub struct Desk {
    /// The open site.
    pub site: Site,
    /// Where answers go.
    pub out: Output,
    /// The hub above; `None` for a hub's own desk.
    pub above: Option<SiteId>,
}

impl Desk {
    /// Opens the desk of the site in a data folder. `database` is an address as in
    /// [`Store::open`](crate::store::Store::open).
    pub async fn open(
        folder: &Path,
        database: &str,
        above: Option<SiteId>,
        out: Output,
    ) -> anyhow::Result<Self> {
        let site = Site::open(folder, database)
            .await
            .with_context(|| format!("the site in {} cannot be opened", folder.display()))?;
        Ok(Self { site, out, above })
    }

    /// The same desk with its files kept as the configuration says.
    #[must_use]
    pub fn with_blobs(self, blobs: Blobs) -> Self {
        Self { site: self.site.with_blobs(blobs), ..self }
    }

    /// Runs a command on the desk, then closes it. If what is shown changed meanwhile, a process that serves the same
    /// site is given the time to notice: its next page is not the old one.
    pub async fn run<T>(
        self,
        command: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let before = self.edition().await?;
        let result = command(&self).await;
        self.settle(before).await;
        self.site.close().await;
        result
    }

    async fn settle(&self, before: Edition) {
        if self.edition().await.ok() != Some(before) {
            tokio::time::sleep(SETTLED).await;
        }
    }

    async fn edition(&self) -> anyhow::Result<Edition> {
        Ok(Edition::load(&mut self.read().await?).await?)
    }

    /// This site.
    pub fn own(&self) -> SiteId {
        self.site.identity.site
    }

    /// Whether this is a hub's desk.
    pub fn is_hub(&self) -> bool {
        self.above.is_none()
    }

    /// The desk as a reader: whatever this site holds, it may hold.
    pub fn reader(&self) -> Reader {
        Reader::desk(self.own())
    }

    /// The time, milliseconds since 1970-01-01 UTC.
    pub fn now(&self) -> i64 {
        self.site.clock.now()
    }

    /// Begins to read.
    pub async fn read(&self) -> anyhow::Result<Tx> {
        Ok(self.site.store.read().await?)
    }

    /// Writes what `plan` decides after looking, in one transaction.
    pub async fn write<F>(&self, plan: F) -> anyhow::Result<Vec<Written>>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<Vec<Draft>, PlanError>>
            + Send
            + 'static,
    {
        Ok(self.site.door.write_planned(Box::new(plan)).await?)
    }
}

/// A plan's reason not to write.
pub fn refused(reason: impl std::error::Error + Send + Sync + 'static) -> PlanError {
    PlanError::Refused(Box::new(reason))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::clock::ManualClock;
    use crate::identity::Identity;
    use crate::journal::Meta;
    use crate::lifecycle::set_up;
    use crate::store::Store;
    use crate::store::testing::TestDatabase;

    #[tokio::test]
    async fn whoever_changed_what_is_shown_waits_until_every_server_has_noticed() {
        let database = TestDatabase::sqlite().await;
        let mut rng = rand::rng();
        let identity = Identity::generate(&mut rng);
        let meta = Meta::generate(identity.site, &mut rng);
        let own = identity.public();
        set_up(&database.store, &meta, own, (meta.site, own)).await.unwrap();
        let store = Store::open(&database.address).await.unwrap();
        let clock = Arc::new(ManualClock::new(0));
        let site = Site::run(std::path::Path::new("."), store, identity, clock);
        let desk = Desk { site, out: Output { json: false }, above: None };
        let before = desk.edition().await.unwrap();
        let mut tx = desk.site.store.write().await.unwrap();
        Edition::touch(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        let committed = Instant::now();
        desk.settle(before).await;
        assert!(committed.elapsed() >= SETTLED);
        desk.site.close().await;
    }
}
