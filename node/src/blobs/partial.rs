//! A file on its way: what has come lies in `partial` until all of it is there and its hash holds.

use std::io::Read;
use std::path::PathBuf;
use std::sync::PoisonError;

use tokio::io::AsyncWriteExt;

use super::sniff::{LOOK, sniff};
use super::{BlobError, Blobs};
use crate::entry::{Hash, SiteId};

/// Names a file on its way. Of several that claim one hash, each site has its own: bytes that turn out wrong spoil
/// nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part {
    /// Hash of the whole file.
    pub hash: Hash,
    /// Its length in bytes.
    pub size: u64,
    /// The site whose entry names it.
    pub site: SiteId,
}

/// The beginning of a file; nobody else in this process adds to it meanwhile.
#[derive(Debug)]
pub struct Partial {
    blobs: Blobs,
    part: Part,
    path: PathBuf,
    file: tokio::fs::File,
    len: u64,
}

/// A whole file whose hash holds, on the disk, not published yet.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) part: Part,
    pub(super) path: PathBuf,
    pub(super) media_type: &'static str,
    _held: Partial,
}

impl Blobs {
    fn partial_path(&self, part: &Part) -> PathBuf {
        self.0.partial.join(format!("{}-{}-{}", part.hash, part.size, part.site))
    }

    /// How much of a file is here of what came before.
    pub async fn begun(&self, part: &Part) -> u64 {
        tokio::fs::metadata(self.partial_path(part)).await.map_or(0, |it| it.len())
    }

    /// Goes on with a file from where it stands.
    pub async fn resume(&self, part: Part) -> Result<Partial, BlobError> {
        if !self.0.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(part) {
            return Err(BlobError::Busy);
        }
        let path = self.partial_path(&part);
        let opened = async {
            let folder = &self.0.partial;
            tokio::fs::create_dir_all(folder).await.map_err(BlobError::at(folder))?;
            let file = tokio::fs::OpenOptions::new().create(true).append(true).open(&path).await;
            let file = file.map_err(BlobError::at(&path))?;
            let len = file.metadata().await.map_err(BlobError::at(&path))?.len();
            Ok((file, len))
        };
        match opened.await {
            Ok((file, len)) => Ok(Partial { blobs: self.clone(), part, path, file, len }),
            Err(error) => {
                self.let_go(&part);
                Err(error)
            }
        }
    }

    fn let_go(&self, part: &Part) {
        self.0.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// Bytes of everything on its way, and of what is for one site's entries.
    pub(super) fn on_the_way(&self, site: SiteId, but: &Part) -> (u64, u64) {
        let ending = format!("-{site}");
        let own = self.partial_path(but);
        let (mut all, mut of_site) = (0, 0);
        for entry in std::fs::read_dir(&self.0.partial).into_iter().flatten().flatten() {
            if entry.path() == own {
                continue;
            }
            let len = entry.metadata().map_or(0, |it| it.len());
            all += len;
            if entry.file_name().to_string_lossy().ends_with(&ending) {
                of_site += len;
            }
        }
        (all, of_site)
    }

    /// Throws away beginnings to which nothing was added since `before_ms`, milliseconds since 1970-01-01 UTC.
    pub async fn sweep(&self, before_ms: i64) -> Result<usize, BlobError> {
        let folder = self.0.partial.clone();
        if !folder.is_dir() {
            return Ok(0);
        }
        let swept = tokio::task::spawn_blocking(move || {
            let mut swept = 0;
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let modified = entry.metadata().and_then(|it| it.modified()).ok();
                let age = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
                let at = age.and_then(|it| i64::try_from(it.as_millis()).ok()).unwrap_or(i64::MAX);
                if at < before_ms {
                    let path = entry.path();
                    std::fs::remove_file(&path).map_err(BlobError::at(path))?;
                    swept += 1;
                }
            }
            Ok(swept)
        });
        swept.await.unwrap_or(Ok(0))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.blobs.let_go(&self.part);
    }
}

impl Partial {
    /// Where to go on: bytes that are here.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is here yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether everything is here; its hash is not checked yet.
    pub fn is_whole(&self) -> bool {
        self.len >= self.part.size
    }

    /// Adds what comes next. More than the whole is wrong, and throws everything away.
    pub async fn append(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        if bytes.len() as u64 > self.part.size.saturating_sub(self.len) {
            self.throw_away().await?;
            return Err(BlobError::Wrong);
        }
        let written = self.file.write_all(bytes).await;
        if let Err(source) = written {
            // How much of it was written is for the file to say.
            self.len = tokio::fs::metadata(&self.path).await.map_or(0, |it| it.len());
            return Err(BlobError::File { path: self.path.clone(), source });
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Hands what was added to the system, so that it outlives this process.
    pub async fn pause(mut self) -> Result<u64, BlobError> {
        self.file.flush().await.map_err(BlobError::at(&self.path))?;
        Ok(self.len)
    }

    async fn throw_away(&mut self) -> Result<(), BlobError> {
        self.file.flush().await.map_err(BlobError::at(&self.path))?;
        self.len = 0;
        tokio::fs::remove_file(&self.path).await.map_err(BlobError::at(&self.path))
    }

    /// Brings a whole file to the disk and checks its hash; what is wrong is thrown away.
    pub(super) async fn check(mut self) -> Result<Checked, BlobError> {
        self.file.flush().await.map_err(BlobError::at(&self.path))?;
        self.file.sync_all().await.map_err(BlobError::at(&self.path))?;
        let path = self.path.clone();
        let looked = tokio::task::spawn_blocking(move || hash_file(&path)).await;
        let (hash, size, first) = looked.unwrap_or(Err(BlobError::Missing))?;
        if (hash, size) != (self.part.hash, self.part.size) {
            self.throw_away().await?;
            return Err(BlobError::Wrong);
        }
        let media_type = sniff(&first);
        Ok(Checked { part: self.part, path: self.path.clone(), media_type, _held: self })
    }
}

/// Hash, length and beginning of a file.
pub(super) fn hash_file(path: &std::path::Path) -> Result<(Hash, u64, Vec<u8>), BlobError> {
    let mut file = std::fs::File::open(path).map_err(BlobError::at(path))?;
    let (mut hasher, mut first) = (blake3::Hasher::new(), Vec::new());
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(BlobError::at(path))?;
        if read == 0 {
            break;
        }
        let missing = LOOK - first.len();
        first.extend_from_slice(&buffer[..read.min(missing)]);
        hasher.update(&buffer[..read]);
    }
    Ok((Hash(*hasher.finalize().as_bytes()), hasher.count(), first))
}
