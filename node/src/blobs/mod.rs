//! 附件: bytes named by their hash, in a folder or in an S3-compatible store. What is on its way lies beside them in
//! `blobs/partial`, and nothing is held before its hash was checked over all of it.

mod error;
mod keep;
mod kept;
mod partial;
mod place;
mod room;
mod sniff;
#[cfg(test)]
mod tests;
mod wants;

pub use error::BlobError;
pub use kept::{Held, drop_unneeded, held, held_many, length, unpin, used, used_by};
pub use partial::{Part, Partial};
pub use place::{Bucket, Chunks, Secret, even};
pub use sniff::{shown_inline, sniff};
pub use wants::{Want, ask, asked_for, forget_want, next_want, note_failure, waiting_count};

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use place::Place;

/// Name of the folder in the data folder.
const FOLDER: &str = "blobs";
/// Name of the folder in it for what is on its way.
const PARTIAL: &str = "partial";

/// How much is kept. In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one file.
    pub blob: u64,
    /// Of all files together, those on their way included.
    pub all: u64,
    /// Of the files of one site's entries.
    pub site: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { blob: 2 << 30, all: u64::MAX, site: u64::MAX }
    }
}

/// Where files are kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    partial: PathBuf,
    limits: Limits,
    /// What somebody in this process is adding to.
    busy: Mutex<HashSet<Part>>,
}

impl Blobs {
    /// In the folder `blobs` of a data folder; nothing is made before the first file comes.
    pub fn in_folder(data: &Path, limits: Limits) -> Self {
        let folder = data.join(FOLDER);
        Self::new(Place::folder(folder.clone()), &folder, limits)
    }

    /// In an S3-compatible store; what is on its way still lies in the data folder.
    #[cfg(feature = "s3")]
    pub fn in_bucket(data: &Path, bucket: &Bucket, limits: Limits) -> Result<Self, BlobError> {
        Ok(Self::new(Place::bucket(bucket)?, &data.join(FOLDER), limits))
    }

    fn new(place: Place, folder: &Path, limits: Limits) -> Self {
        let partial = folder.join(PARTIAL);
        Self(Arc::new(Inner { place, partial, limits, busy: Mutex::default() }))
    }

    /// How much is kept here.
    pub fn limits(&self) -> Limits {
        self.0.limits
    }
}
