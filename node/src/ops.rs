//! What every serving program needs: a way to be told to stop, and its figures on an address of their own.

use axum::Router;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::{Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::lifecycle::Site;
use crate::web::{self, Bounds};

/// The recorder is the process's: several sites in one process (tests) share it.
static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Serves `/live`, `/ready` and `/metrics` of a site until it stops.
pub fn serve(site: &Site, listener: TcpListener) -> anyhow::Result<()> {
    let stop = site.stop.clone().cancelled_owned();
    site.tasks.spawn(web::serve(listener, router(site)?, Bounds::FIGURES, stop));
    Ok(())
}

/// The routes of these; the figures are kept up until the site stops.
pub fn router(site: &Site) -> anyhow::Result<Router> {
    let handle = {
        let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
        match &*recorder {
            Some(handle) => handle.clone(),
            None => recorder.insert(PrometheusBuilder::new().install_recorder()?).clone(),
        }
    };
    site.tasks.spawn(web::upkeep(handle.clone(), site.stop.clone().cancelled_owned()));
    Ok(web::ops_router(site.store.clone(), handle))
}

/// Waits until the process is told to stop; says how. With `until_eof`, the end of stdin says so too: whoever
/// holds its other end is gone, however that went.
pub async fn stop_signal(until_eof: bool) -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (ended, end) = oneshot::channel();
    if until_eof {
        // A thread of its own, which the process does not wait for: reading stdin cannot be called off.
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            // An error ends it as well; and where nobody waits any more, the process is stopping.
            drop(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
            ended.send(()).ok();
        })?;
    }
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        _ = end, if until_eof => "stdin ended",
    })
}
