//! What a drawn page rests on, asked cheaply before every answer: nothing drawn before the last change is shown.
//!
//! This process's own door tells of a commit before whoever wrote it is answered. What another process wrote (a command
//! beside the server, another replica of a hub on PostgreSQL) is found by asking the store, whose answer counts for
//! [`LEASE`]; a command that wrote waits [`SETTLED`] before it ends. So who has seen a command end sees its effect on
//! the next page, on either engine, and nothing but the store stands between the processes.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::error::PageError;
use crate::journal::{Edition, Standing};
use crate::store::{Store, StoreError};

/// How long the store's answer counts.
const LEASE: Duration = Duration::from_millis(20);
/// How long after a commit every server of the same database shows its effect. Longer than what is known is taken for true.
pub const SETTLED: Duration = Duration::from_millis(25);

/// Knows the present edition. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    store: Store,
    end: watch::Receiver<i64>,
    /// What the store said, and when it began to be asked.
    told: Arc<RwLock<Option<(Instant, Edition)>>>,
    asking: Arc<Mutex<()>>,
}

impl Fresh {
    /// `end` is the door's word on the end of the journal.
    pub(super) fn new(store: Store, end: watch::Receiver<i64>) -> Self {
        Self { store, end, told: Arc::default(), asking: Arc::default() }
    }

    /// The present edition, if that is known without asking.
    pub(super) fn known(&self) -> Option<Edition> {
        let (at, edition) = (*self.told.read().unwrap_or_else(PoisonError::into_inner))?;
        (at.elapsed() < LEASE).then(|| self.newest(edition))
    }

    /// The present edition. One asks for all that wait.
    pub(super) async fn edition(&self) -> Result<Edition, StoreError> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let _asking = self.asking.lock().await;
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let began = Instant::now();
        let edition = Edition::load(&mut self.store.read().await?).await?;
        *self.told.write().unwrap_or_else(PoisonError::into_inner) = Some((began, edition));
        Ok(self.newest(edition))
    }

    fn newest(&self, told: Edition) -> Edition {
        told.at_least(*self.end.borrow())
    }
}

/// Lets a request through if pages are open. Those of a restored site stay closed until it has been filled up: what it
/// shows may have been withdrawn since its backup was made (rule 3).
pub(super) async fn gate(State(fresh): State<Fresh>, request: Request, next: Next) -> Response {
    match fresh.edition().await.map(|edition| edition.standing) {
        Ok(Standing::Ready) => next.run(request).await,
        Ok(Standing::Restored) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(error) => PageError::Store(error).into_response(),
    }
}

const _: () = assert!(SETTLED.as_millis() > LEASE.as_millis());
