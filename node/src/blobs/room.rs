//! Whether there is room for one more file.

use super::{BlobError, Blobs, Part, kept};
use crate::store::Store;

/// What files leave free on the disk for the database and everything else.
const RESERVE: u64 = 512 << 20;

impl Blobs {
    /// Whether the rest of a file may come: its own length, the share of its site, the whole, the disk. Ask before
    /// any of it is taken.
    pub async fn room(&self, store: &Store, part: &Part) -> Result<(), BlobError> {
        let limits = self.0.limits;
        if part.size > limits.blob {
            return Err(BlobError::TooLarge { size: part.size, most: limits.blob });
        }
        let mut tx = store.read().await?;
        let (all, of_site) = (kept::used(&mut tx).await?, kept::used_by(&mut tx, part.site).await?);
        drop(tx);
        let (coming, coming_of_site) = self.on_the_way(part.site, part);
        if all.saturating_add(coming).saturating_add(part.size) > limits.all {
            return Err(BlobError::Full { most: limits.all });
        }
        if of_site.saturating_add(coming_of_site).saturating_add(part.size) > limits.site {
            return Err(BlobError::SiteFull { most: limits.site });
        }
        let missing = part.size.saturating_sub(self.begun(part).await);
        let free = self.free()?;
        if free < missing.saturating_add(RESERVE) {
            return Err(BlobError::DiskFull { free });
        }
        Ok(())
    }

    /// Bytes left on the disk to which files come first.
    fn free(&self) -> Result<u64, BlobError> {
        let folder = &self.0.partial;
        std::fs::create_dir_all(folder).map_err(BlobError::at(folder))?;
        let stat = rustix::fs::statvfs(folder)
            .map_err(|error| BlobError::File { path: folder.clone(), source: error.into() })?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}
