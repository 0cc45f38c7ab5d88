//! What every serving program needs: a way to be told to stop, and its figures on an address of their own.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::{Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::lifecycle::Site;
use crate::web;

/// The recorder is the process's: several sites in one process (tests) share it.
static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Serves `/live`, `/ready` and `/metrics` of a site until it stops.
pub fn serve(site: &Site, listener: TcpListener) -> anyhow::Result<()> {
    let handle = {
        let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
        match &*recorder {
            Some(handle) => handle.clone(),
            None => recorder.insert(PrometheusBuilder::new().install_recorder()?).clone(),
        }
    };
    let stop = || site.stop.clone().cancelled_owned();
    site.tasks.spawn(web::upkeep(handle.clone(), stop()));
    let router = web::ops_router(site.store.clone(), handle);
    site.tasks.spawn(web::serve(listener, router, stop()));
    Ok(())
}

/// Waits until the process is told to stop; says how.
pub async fn stop_signal() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
