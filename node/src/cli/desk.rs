//! An open site as its own desk sees it: everything it holds.

use std::path::Path;

use anyhow::Context as _;
use futures_util::future::BoxFuture;

use super::Output;
use crate::blobs::Blobs;
use crate::entry::SiteId;
use crate::ingest::{Draft, PlanError, Written};
use crate::lifecycle::Site;
use crate::scope::{Reader, Scope};
use crate::store::Tx;

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

    /// Runs a command on the desk, then closes it.
    pub async fn run<T>(
        self,
        command: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let result = command(&self).await;
        self.site.close().await;
        result
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
        Reader { site: Some(self.own()), ceiling: Scope::Internal }
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
