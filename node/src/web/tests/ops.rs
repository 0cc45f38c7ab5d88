//! The operator's addresses.

use axum::http::StatusCode;
use metrics::Recorder;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::world::{World, get};
use crate::web::{ops_router, upkeep};

static META: metrics::Metadata<'_> =
    metrics::Metadata::new("lianbo_test", metrics::Level::INFO, None);

#[tokio::test]
async fn ready_follows_the_store_while_live_does_not() {
    let world = World::new().await;
    let recorder = PrometheusBuilder::new().build_recorder();
    recorder.register_counter(&"lianbo_test_total".into(), &META).increment(3);
    let ops = ops_router(world.hub.store.clone(), recorder.handle());
    assert_eq!(get(&ops, "/live").await.body, "live\n");
    assert_eq!(get(&ops, "/ready").await.body, "ready\n");
    let figures = get(&ops, "/metrics").await;
    assert!(figures.body.contains("lianbo_test_total 3"), "{}", figures.body);
    world.hub.store.close().await;
    let ready = get(&ops, "/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.body.starts_with("not ready"));
    assert_eq!(get(&ops, "/live").await.status, StatusCode::OK);
    world.close().await;
}

#[tokio::test]
async fn upkeep_ends_when_told() {
    let handle = PrometheusBuilder::new().build_recorder().handle();
    upkeep(handle, std::future::ready(())).await;
}
