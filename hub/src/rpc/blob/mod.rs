//! Blobs: files move, through entries that name them and that the caller may read.

mod get;
mod put;

use std::time::Duration;

use lianbo_node::blobs::{self, BlobError};
use lianbo_node::content::files::{self, Named};
use lianbo_node::entry::{Hash, SiteId};
use lianbo_node::store::StoreError;
use lianbo_node::sync::filter::Subscription;
use lianbo_proto::v1;
use tonic::{Request, Response, Status, Streaming};

use super::Service;
use super::caller::{Caller, later, store_failed};
use super::seats::Seat;

/// Bytes of one message down.
const CHUNK: usize = 64 * 1024;
/// How long the other side may take for one message.
const STALL: Duration = Duration::from_mins(1);
/// When to ask again for a file that is on its way.
const COMING: Duration = Duration::from_secs(2);

/// The one answer to whoever asks for what is not his, and for what never was.
fn not_here() -> Status {
    Status::not_found("no such file for this site")
}

/// A file that a call names, not looked up yet.
#[derive(Clone, Copy, Debug)]
struct Name {
    site: SiteId,
    entry: Hash,
    blob: Hash,
}

impl Name {
    fn read(name: Option<v1::BlobName>) -> Result<Self, Status> {
        let bad = || Status::invalid_argument("a file is named by 16, 32 and 32 bytes");
        let name = name.ok_or_else(bad)?;
        Ok(Self {
            site: SiteId::from_slice(&name.site).ok_or_else(bad)?,
            entry: Hash::from_slice(&name.entry).ok_or_else(bad)?,
            blob: Hash::from_slice(&name.blob).ok_or_else(bad)?,
        })
    }
}

impl Service {
    /// The entry by which a caller may have a file: what the stream of entries would bring it, and not withdrawn.
    async fn named(&self, caller: &Caller, name: Name) -> Result<Named, Status> {
        let found = async {
            let mut tx = self.hub.store.read().await?;
            files::named(&mut tx, name.site, name.entry, name.blob).await
        };
        let found = found.await.map_err(|error: StoreError| store_failed(&error))?;
        found.filter(|it| self.lets(caller, it)).ok_or_else(not_here)
    }

    /// The stream's own filter, for a caller that wants its own entries back and every column there is.
    fn lets(&self, caller: &Caller, named: &Named) -> bool {
        let wanted: Vec<_> = named
            .slug
            .iter()
            .map(|column| Subscription { site: None, column: column.clone() })
            .collect();
        self.filter(caller, named.log.lane, &wanted, true).lets(&named.log, named.slug.as_deref())
    }

    /// As [`Service::named`], for whoever brings the file: its author, and whoever has a file of the hub's own, or any
    /// while the hub takes back what it lost.
    async fn owed(&self, caller: &Caller, name: Name) -> Result<Named, Status> {
        let named = self.named(caller, name).await?;
        let author = named.log.site;
        let may = author == caller.site
            || author == self.hub.identity.site
            || self.hub.members().refilling();
        if may { Ok(named) } else { Err(not_here()) }
    }

    /// Whether the whole file is here, of the site whose it is, and as long as the entry says.
    async fn holds(&self, named: &Named) -> Result<bool, Status> {
        let file = &named.file;
        let held = async {
            let mut tx = self.hub.store.read().await?;
            blobs::held(&mut tx, file.hash, file.site).await
        };
        let held = held.await.map_err(|error: StoreError| store_failed(&error))?;
        match held {
            None => Ok(false),
            Some(held) if held.size == file.size => Ok(true),
            // Such a file cannot be: its hash belongs to one of another length.
            Some(_) => Err(not_here()),
        }
    }

    fn transfer(&self, caller: &Caller) -> Result<Seat<SiteId>, Status> {
        self.hub
            .transfers
            .take(caller.site)
            .ok_or_else(|| later("this site moves as many files as it may already", COMING))
    }
}

/// What a failure here means to the other side. Paths and causes stay in the log.
fn failed(error: &BlobError) -> Status {
    let again = Duration::from_mins(5);
    match error {
        BlobError::Wrong => Status::invalid_argument("these bytes are not the file that was named"),
        BlobError::Busy => later("the same file is on its way already", COMING),
        BlobError::Store(error) => store_failed(error),
        BlobError::TooLarge { .. } => {
            Status::failed_precondition("the file is larger than this hub takes")
        }
        BlobError::SiteFull { .. } => {
            Status::failed_precondition("this site's files have used up their share at the hub")
        }
        BlobError::Full { .. } | BlobError::DiskFull { .. } => {
            tracing::warn!(%error, "a file was not taken");
            later("the hub has no room for files now", again)
        }
        error => {
            tracing::error!(%error, "a file could not be moved");
            later("the hub cannot reach its files; try again later", again)
        }
    }
}

#[tonic::async_trait]
impl v1::blobs_server::Blobs for Service {
    type GetStream = get::GetStream;

    async fn get(
        &self,
        request: Request<v1::GetBlobRequest>,
    ) -> Result<Response<Self::GetStream>, Status> {
        self.answer_get(request).await.map(Response::new)
    }

    async fn stat(
        &self,
        request: Request<v1::StatBlobRequest>,
    ) -> Result<Response<v1::StatBlobResponse>, Status> {
        self.answer_stat(request).await.map(Response::new)
    }

    async fn put(
        &self,
        request: Request<Streaming<v1::PutBlobRequest>>,
    ) -> Result<Response<v1::PutBlobResponse>, Status> {
        self.answer_put(request).await.map(Response::new)
    }
}
