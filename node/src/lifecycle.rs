//! Opening a site's data folder, running what belongs to it, and closing it in order.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::blobs::{Blobs, Limits};
use crate::clock::{SharedClock, SystemClock};
use crate::content;
use crate::entry::{PublicKey, SiteId};
use crate::identity::{BadKeyFile, Identity};
use crate::ingest::Door;
use crate::journal::{Meta, Pins};
use crate::store::{Store, StoreError};

/// The site's signing key in the data folder.
pub const KEY_FILE: &str = "site.key";
/// A further key that has been made, until it is announced and takes the other's place.
pub const NEXT_KEY_FILE: &str = "site.key.next";
const LOCK_FILE: &str = "serve.lock";

/// Why a data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file of it is missing or unreadable.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key file is not one.
    #[error("{path}: {source}; put the file back from the machine it was copied from")]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: BadKeyFile,
    },
    /// Another process serves this folder.
    #[error("another process serves {0} already; stop that one first")]
    Locked(PathBuf),
    /// The database holds no site.
    #[error("the database holds no site yet: run `init` (hub) or `join` (node) first")]
    Empty,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An open site: its store, its key, and a running door.
#[derive(Debug)]
pub struct Site {
    /// The data folder.
    pub folder: PathBuf,
    /// Where entries are kept.
    pub store: Store,
    /// Where files are kept.
    pub blobs: Blobs,
    /// The site and its key.
    pub identity: Arc<Identity>,
    /// Tells the time.
    pub clock: SharedClock,
    /// The way in.
    pub door: Door,
    /// Everything spawned; [`Site::close`] waits for it.
    pub tasks: TaskTracker,
    /// Cancelled when the site stops.
    pub stop: CancellationToken,
}

/// Held while a process serves a data folder; the system lets go of it however the process ends.
#[derive(Debug)]
pub struct ServeLock(#[expect(dead_code, reason = "held for its lock")] File);

/// Makes sure that one process serves a data folder.
pub fn lock(folder: &Path) -> Result<ServeLock, OpenError> {
    let path = folder.join(LOCK_FILE);
    let file =
        File::create(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(ServeLock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::File { path, source }),
    }
}

impl Site {
    /// Opens the site in a data folder on the machine's clock. `database` is an address as in
    /// [`Store::open`]. May be done beside a serving process: both go through the database's locks.
    pub async fn open(folder: &Path, database: &str) -> Result<Self, OpenError> {
        let store = Store::open(database).await?;
        let clock = Arc::new(SystemClock);
        Self::open_with(folder, store, clock).await
    }

    /// As [`Site::open`], on a given store and clock.
    pub async fn open_with(
        folder: &Path,
        store: Store,
        clock: SharedClock,
    ) -> Result<Self, OpenError> {
        let meta = Meta::load(&mut store.read().await?).await?.ok_or(OpenError::Empty)?;
        settle_key(folder, &store, meta.site).await?;
        let identity = read_key(&folder.join(KEY_FILE), meta.site)?;
        Ok(Self::run(folder, store, identity, clock))
    }

    /// A site whose parts are at hand.
    pub fn run(folder: &Path, store: Store, identity: Identity, clock: SharedClock) -> Self {
        let identity = Arc::new(identity);
        let (door, task) = Door::new(store.clone(), identity.clone(), clock.clone());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(task.run(stop.clone()));
        let blobs = Blobs::in_folder(folder, Limits::default());
        Self { folder: folder.to_owned(), store, blobs, identity, clock, door, tasks, stop }
    }

    /// The same site with its files kept elsewhere, or within other limits.
    #[must_use]
    pub fn with_blobs(self, blobs: Blobs) -> Self {
        Self { blobs, ..self }
    }

    /// Stops everything in order and closes the store.
    pub async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.store.close().await;
    }
}

fn read_key(path: &Path, site: SiteId) -> Result<Identity, OpenError> {
    let pem = std::fs::read_to_string(path)
        .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    Identity::from_pem(site, &pem)
        .map_err(|source| OpenError::Key { path: path.to_owned(), source })
}

/// Finishes a change of keys: a further key that the journal binds to the site takes the other's place.
pub async fn settle_key(folder: &Path, store: &Store, site: SiteId) -> Result<(), OpenError> {
    let next = folder.join(NEXT_KEY_FILE);
    if !next.exists() {
        return Ok(());
    }
    let named = (site, read_key(&next, site)?.public());
    if content::site::bound(&mut store.read().await?, &[named]).await?.contains(&named) {
        std::fs::rename(&next, folder.join(KEY_FILE))
            .map_err(|source| OpenError::File { path: next, source })?;
    }
    Ok(())
}

/// Sets up the database of a new site: who it is, its own key, and its hub's, which for a hub is itself.
pub async fn set_up(
    store: &Store,
    meta: &Meta,
    own: PublicKey,
    hub: (SiteId, PublicKey),
) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    meta.save(&mut tx).await?;
    Pins::add(&mut tx, hub.0, hub.1, true).await?;
    Pins::add(&mut tx, meta.site, own, false).await?;
    tx.commit().await
}
