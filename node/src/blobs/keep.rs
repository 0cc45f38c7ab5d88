//! Keeping a whole file, and letting it go.

use std::path::Path;

use super::partial::{Partial, hash_file};
use super::{BlobError, Blobs, Held, Part, drop_unneeded, held, kept};
use crate::entry::{BlobRef, Hash, SiteId};
use crate::store::Store;

/// How long a file that no entry names yet is kept: the entry is being written.
const GRACE_MS: i64 = 24 * 60 * 60 * 1000;
/// Bytes copied at a time.
const COPY: usize = 256 * 1024;

impl Blobs {
    /// Keeps a file that has come whole, for the entries of its site. When this returns it is on the disk, and held.
    /// `now` is the time, milliseconds since 1970-01-01 UTC. `named`: an entry that names it is held already.
    pub async fn keep(
        &self,
        store: &Store,
        partial: Partial,
        now: i64,
        named: bool,
    ) -> Result<Held, BlobError> {
        let checked = partial.check().await?;
        let Part { hash, size, site } = checked.part;
        let held = Held { size, media_type: checked.media_type.to_owned() };
        let mut tx = store.write().await?;
        kept::announce(&mut tx, hash, site, &held, now + GRACE_MS).await?;
        tx.commit().await?;
        self.0.place.publish(hash, &checked.path).await?;
        let mut tx = store.write().await?;
        kept::settle(&mut tx, hash, site, now, if named { 0 } else { now + GRACE_MS }).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// A file that is held for another site's entries belongs to this site's too.
    pub async fn share(&self, store: &Store, part: Part, now: i64) -> Result<bool, BlobError> {
        let mut tx = store.write().await?;
        let sql = "INSERT INTO blobs (hash, site, size, media_type, held_ms, kept_ms) \
                   SELECT b.hash, $2, b.size, b.media_type, CAST($3 AS BIGINT), 0 FROM blobs b \
                   WHERE b.hash = $1 AND b.size = $4 AND b.held_ms IS NOT NULL LIMIT 1 \
                   ON CONFLICT (hash, site) DO UPDATE SET held_ms = excluded.held_ms";
        let values = crate::args![part.hash, part.site, now, part.size];
        let shared = tx.execute(sql, values).await? > 0;
        tx.commit().await?;
        Ok(shared)
    }

    /// Takes in a file of this machine for an entry of `site` that is about to be written.
    pub async fn attach(
        &self,
        store: &Store,
        file: &Path,
        site: SiteId,
        now: i64,
    ) -> Result<BlobRef, BlobError> {
        let path = file.to_owned();
        let looked = tokio::task::spawn_blocking(move || hash_file(&path)).await;
        let (hash, size, first) = looked.unwrap_or(Err(BlobError::Missing))?;
        let part = Part { hash, size, site };
        let blob = BlobRef { hash, size, media_type: super::sniff(&first).to_owned() };
        let known = held(&mut store.read().await?, hash, site).await?;
        if let Some(known) = known {
            let mut tx = store.write().await?;
            kept::announce(&mut tx, hash, site, &known, now + GRACE_MS).await?;
            tx.commit().await?;
            return Ok(blob);
        }
        self.room(store, &part).await?;
        let mut partial = self.resume(part).await?;
        copy_rest(file, &mut partial).await?;
        self.keep(store, partial, now, false).await?;
        Ok(blob)
    }

    /// Lets files go that these sites' entries no longer name: forgotten first, then gone, in one transaction, so
    /// that nobody who keeps one of them meanwhile loses it. How many files are gone.
    pub async fn collect(
        &self,
        store: &Store,
        unneeded: impl AsyncFnOnce(
            &mut crate::store::Tx,
        ) -> Result<Vec<(Hash, SiteId)>, crate::store::StoreError>,
    ) -> Result<usize, BlobError> {
        let mut tx = store.write().await?;
        let names = unneeded(&mut tx).await?;
        let gone = drop_unneeded(&mut tx, &names).await?;
        for hash in &gone {
            self.remove(*hash).await?;
        }
        tx.commit().await?;
        Ok(gone.len())
    }
}

async fn copy_rest(file: &Path, partial: &mut Partial) -> Result<(), BlobError> {
    use tokio::io::{AsyncReadExt, AsyncSeekExt};

    let mut source = tokio::fs::File::open(file).await.map_err(BlobError::at(file))?;
    let from = std::io::SeekFrom::Start(partial.len());
    source.seek(from).await.map_err(BlobError::at(file))?;
    let mut buffer = vec![0; COPY];
    loop {
        let read = source.read(&mut buffer).await.map_err(BlobError::at(file))?;
        if read == 0 {
            return Ok(());
        }
        partial.append(&buffer[..read]).await?;
    }
}
