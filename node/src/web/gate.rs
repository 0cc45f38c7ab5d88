//! Pages of a restored site stay closed until it has been filled up: what it shows may have been withdrawn
//! since its backup was made (rule 3).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::error::PageError;
use crate::journal::{Meta, Standing};
use crate::store::{Store, StoreError};

/// How long an answer of the store counts.
const FRESH: Duration = Duration::from_secs(1);

/// Knows whether pages are open.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    store: Store,
    seen: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Gate {
    pub(super) fn new(store: Store) -> Self {
        Self { store, seen: Arc::default() }
    }

    async fn is_open(&self) -> Result<bool, StoreError> {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, open)) = seen
            && at.elapsed() < FRESH
        {
            return Ok(open);
        }
        let meta = Meta::load(&mut self.store.read().await?).await?;
        let open = meta.is_some_and(|meta| meta.standing == Standing::Ready);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), open));
        Ok(open)
    }
}

/// Lets a request through if pages are open.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.is_open().await {
        Ok(true) => next.run(request).await,
        Ok(false) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(error) => PageError::Store(error).into_response(),
    }
}
