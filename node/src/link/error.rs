//! Why a link broke, in words a person can act on.

use std::time::Duration;

use tonic::{Code, Status};

use super::RETRY_AFTER;
use super::connect::ConnectError;
use super::tls::{PkiError, TlsProblem, TlsSetup};
use crate::entry::EntryError;
use crate::ingest::IngestError;
use crate::store::StoreError;
use crate::wire::FrameError;

/// Why a link broke. Always tried again, unless the program stops.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The address or the proxy makes no sense.
    #[error(transparent)]
    Address(#[from] ConnectError),
    /// The hub cannot be reached, or is not trusted.
    #[error("{}", explain(.0))]
    Connect(#[source] tonic::transport::Error),
    /// The hub said no.
    #[error("{}", explain_status(.0))]
    Call(Box<Status>),
    /// The hub does not keep to the protocol.
    #[error("the hub does not keep to the protocol: {0}")]
    Protocol(String),
    /// A frame of the hub cannot be read.
    #[error("the hub sent a frame that cannot be read: {0}")]
    Frame(#[from] FrameError),
    /// Nothing goes until somebody acts.
    #[error("{0}")]
    GiveUp(String),
    /// The stream ended without a word.
    #[error("the hub ended the stream")]
    Ended,
    /// The certificate of this site cannot be used.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsSetup),
    /// The store here failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The door here failed.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl From<Status> for LinkError {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl From<EntryError> for LinkError {
    fn from(error: EntryError) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl LinkError {
    /// How long the hub asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Call(status) = self else { return None };
        let text = status.metadata().get(RETRY_AFTER)?.to_str().ok()?;
        text.parse().ok().map(Duration::from_millis)
    }
}

fn explain(error: &tonic::transport::Error) -> String {
    if let Some(problem) = TlsProblem::find(error) {
        return problem.to_string();
    }
    let mut told = "the hub cannot be reached".to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        told = format!("{told}: {error}");
        source = error.source();
    }
    told
}

fn explain_status(status: &Status) -> String {
    if let Some(problem) = TlsProblem::find(status) {
        return problem.to_string();
    }
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition => {
            status.message().to_owned()
        }
        code => format!("{}: {}", code.description(), status.message()),
    }
}
