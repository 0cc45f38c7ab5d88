//! For the operator's machines, never on the pages' listeners: alive, ready, and the figures.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tracing::warn;

use crate::journal;
use crate::store::{Store, StoreError};

/// How soon the store has to answer to count as ready.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// How often old samples are folded; without it histograms grow for as long as nobody asks.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// `/live`: the process runs. `/ready`: the store answers a read, or 503. `/metrics`: Prometheus' text format.
pub fn ops_router(store: Store, metrics: PrometheusHandle) -> Router {
    let figures = get(move || {
        let metrics = metrics.clone();
        async move {
            let media_type = "text/plain; version=0.0.4; charset=utf-8";
            ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-store")], metrics.render())
        }
    });
    Router::new()
        .route("/live", get(|| async { ([(CACHE_CONTROL, "no-store")], "live\n") }))
        .route("/ready", get(ready))
        .route("/metrics", figures)
        .with_state(store)
}

async fn ready(State(store): State<Store>) -> impl IntoResponse {
    let (status, text) = match tokio::time::timeout(READY_WITHIN, read(&store)).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            warn!(%error, "not ready: the store failed");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: the store failed; see the log\n")
        }
        Err(_) => {
            warn!("not ready: the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: the store does not answer\n")
        }
    };
    (status, [(CACHE_CONTROL, "no-store")], text)
}

async fn read(store: &Store) -> Result<(), StoreError> {
    journal::end(&mut store.read().await?).await.map(|_| ())
}

/// Keeps the figures small until `stop`; run it once, beside whatever records them.
pub async fn upkeep(metrics: PrometheusHandle, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let mut every = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = every.tick() => metrics.run_upkeep(),
        }
    }
}
