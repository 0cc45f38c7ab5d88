//! What goes wrong with a file.

use std::path::PathBuf;

use crate::store::StoreError;

/// Why a file was not kept or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Larger than one file may be.
    #[error("the file has {size} bytes; at most {most} are kept (blobs.max_blob_mib)")]
    TooLarge {
        /// Its length.
        size: u64,
        /// The most there may be.
        most: u64,
    },
    /// All files together would be too much.
    #[error("there is no room for the file: files may take {most} bytes here (blobs.quota_gib)")]
    Full {
        /// The most there may be.
        most: u64,
    },
    /// The files of one site would be too much.
    #[error("this site's files have used up their share of {most} bytes")]
    SiteFull {
        /// The most there may be.
        most: u64,
    },
    /// The disk is nearly full.
    #[error("the disk has {free} bytes left, too little for the file")]
    DiskFull {
        /// What is left.
        free: u64,
    },
    /// The bytes are not those the hash names, or more than were named. They are thrown away.
    #[error("the bytes that came are not the file that was named")]
    Wrong,
    /// Somebody else is adding to the same file.
    #[error("the same file is on its way already")]
    Busy,
    /// It is not there, though it should be.
    #[error("the file is not there any more")]
    Missing,
    /// The settings of the store of files make no sense.
    #[error("{0}")]
    Setting(String),
    /// A file or folder of this machine failed.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store of files failed.
    #[error("the store of files failed: {0}")]
    Objects(#[source] object_store::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            other => Self::Objects(other),
        }
    }
}

impl BlobError {
    /// Makes an error of a path.
    pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
