//! Where whole files lie: `xx/yyyy…` by their hash, in a folder or a bucket.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::{BlobError, Blobs};
use crate::entry::Hash;

/// Bytes of a file as they are read.
pub type Chunks = BoxStream<'static, Result<Bytes, BlobError>>;

/// Bytes of one part of an upload to a bucket.
#[cfg(feature = "s3")]
const PART: usize = 8 * 1024 * 1024;

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A bucket of an S3-compatible store.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// `s3://BUCKET[/PREFIX]`.
    pub url: String,
    /// `http(s)://HOST[:PORT]`, for anything but Amazon's own.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Key id.
    pub access_key: Option<String>,
    /// The key.
    pub secret_key: Option<Secret>,
}

#[derive(Debug)]
pub(super) struct Place {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The folder, if it is one of this machine.
    folder: Option<PathBuf>,
}

impl Place {
    pub(super) fn folder(folder: PathBuf) -> Self {
        let store = Arc::new(LocalFileSystem::new());
        Self { store, prefix: Path::default(), folder: Some(folder) }
    }

    #[cfg(feature = "s3")]
    pub(super) fn bucket(bucket: &Bucket) -> Result<Self, BlobError> {
        use object_store::aws::AmazonS3Builder;

        let setting = |what: &str| BlobError::Setting(format!("blobs.{what}"));
        let url = url::Url::parse(&bucket.url).ok().filter(|url| url.scheme() == "s3");
        let url = url.ok_or_else(|| setting("store is not s3://BUCKET/PREFIX"))?;
        let name = url.host_str().ok_or_else(|| setting("store names no bucket"))?;
        let prefix = Path::parse(url.path().trim_matches('/'))
            .map_err(|_| setting("store has a prefix that is no path"))?;
        let mut builder = AmazonS3Builder::new().with_bucket_name(name);
        if let Some(endpoint) = &bucket.endpoint {
            let plain = endpoint.starts_with("http://");
            builder = builder.with_endpoint(endpoint).with_allow_http(plain);
        }
        builder = builder.with_region(bucket.region.as_deref().unwrap_or("us-east-1"));
        match (&bucket.access_key, &bucket.secret_key) {
            (Some(id), Some(Secret(key))) => {
                builder = builder.with_access_key_id(id).with_secret_access_key(key);
            }
            (None, None) => builder = builder.with_skip_signature(true),
            _ => return Err(setting("access_key and blobs.secret_key belong together")),
        }
        let store = builder.build().map_err(|error| setting(&format!("store: {error}")))?;
        Ok(Self { store: Arc::new(store), prefix, folder: None })
    }

    fn path(&self, hash: Hash) -> Result<Path, BlobError> {
        let name = hash.to_string();
        match &self.folder {
            Some(folder) => {
                let file = file(folder, hash);
                Path::from_absolute_path(std::path::absolute(&file).map_err(BlobError::at(&file))?)
                    .map_err(|error| BlobError::Setting(error.to_string()))
            }
            None => Ok(self.prefix.clone().join(&name[..2]).join(name[2..].to_owned())),
        }
    }

    /// Takes over a file whose hash was checked and that is on the disk.
    pub(super) async fn publish(&self, hash: Hash, from: &FilePath) -> Result<(), BlobError> {
        match &self.folder {
            Some(folder) => rename(from.to_owned(), file(folder, hash)).await,
            #[cfg(feature = "s3")]
            None => self.upload(hash, from).await,
            #[cfg(not(feature = "s3"))]
            None => Err(BlobError::Missing),
        }
    }

    #[cfg(feature = "s3")]
    async fn upload(&self, hash: Hash, from: &FilePath) -> Result<(), BlobError> {
        use object_store::WriteMultipart;
        use tokio::io::AsyncReadExt;

        let path = self.path(hash)?;
        let mut file = tokio::fs::File::open(from).await.map_err(BlobError::at(from))?;
        let size = file.metadata().await.map_err(BlobError::at(from))?.len();
        if size <= PART as u64 {
            let bytes = tokio::fs::read(from).await.map_err(BlobError::at(from))?;
            self.store.put(&path, bytes.into()).await?;
        } else {
            let upload = self.store.put_multipart(&path).await?;
            let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
            let mut buffer = vec![0; PART];
            loop {
                writer.wait_for_capacity(2).await?;
                let read = file.read(&mut buffer).await.map_err(BlobError::at(from))?;
                if read == 0 {
                    break;
                }
                writer.write(&buffer[..read]);
            }
            writer.finish().await?;
        }
        tokio::fs::remove_file(from).await.map_err(BlobError::at(from))
    }
}

impl Blobs {
    /// Bytes `from..to` of a file that is held.
    pub async fn read(&self, hash: Hash, from: u64, to: u64) -> Result<Chunks, BlobError> {
        if from >= to {
            return Ok(futures_util::stream::empty().boxed());
        }
        let range = Some(GetRange::Bounded(from..to));
        let options = GetOptions { range, ..GetOptions::default() };
        let found = self.0.place.store.get_opts(&self.0.place.path(hash)?, options).await?;
        Ok(found.into_stream().map(|chunk| chunk.map_err(BlobError::from)).boxed())
    }

    /// Length of a file, as it lies there; `None` if it does not.
    pub async fn stat(&self, hash: Hash) -> Result<Option<u64>, BlobError> {
        match self.0.place.store.head(&self.0.place.path(hash)?).await.map_err(BlobError::from) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(BlobError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes a file away; no error if it is not there.
    pub(super) async fn remove(&self, hash: Hash) -> Result<(), BlobError> {
        match self.0.place.store.delete(&self.0.place.path(hash)?).await.map_err(BlobError::from) {
            Ok(()) | Err(BlobError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The same bytes in pieces of `size`, but for the last.
pub fn even(chunks: Chunks, size: usize) -> Chunks {
    let state = (chunks, BytesMut::new(), false);
    futures_util::stream::try_unfold(state, move |(mut chunks, mut buffer, mut ended)| async move {
        while !ended && buffer.len() < size {
            match chunks.next().await {
                Some(chunk) => buffer.extend_from_slice(&chunk?),
                None => ended = true,
            }
        }
        let piece = buffer.split_to(buffer.len().min(size)).freeze();
        Ok((!piece.is_empty()).then_some((piece, (chunks, buffer, ended))))
    })
    .boxed()
}

fn file(folder: &FilePath, hash: Hash) -> PathBuf {
    let name = hash.to_string();
    folder.join(&name[..2]).join(&name[2..])
}

/// Renames, and has both folders' new contents on the disk.
async fn rename(from: PathBuf, to: PathBuf) -> Result<(), BlobError> {
    let renamed = tokio::task::spawn_blocking(move || {
        let folder = to.parent().unwrap_or(FilePath::new("."));
        let above = folder.parent().unwrap_or(FilePath::new("."));
        if !folder.exists() {
            std::fs::create_dir_all(folder).map_err(BlobError::at(folder))?;
            sync(above)?;
        }
        std::fs::rename(&from, &to).map_err(BlobError::at(&to))?;
        sync(folder)
    });
    renamed.await.unwrap_or(Err(BlobError::Missing))
}

fn sync(folder: &FilePath) -> Result<(), BlobError> {
    std::fs::File::open(folder).and_then(|it| it.sync_all()).map_err(BlobError::at(folder))
}
