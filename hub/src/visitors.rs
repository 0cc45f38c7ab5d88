//! Threads for those who read pages and figures: however many come, sites wait in no queue behind them, and go first
//! where all cores are busy.

use std::io;

use axum::Router;
use lianbo_node::cores;
use lianbo_node::lifecycle::Site;
use lianbo_node::web::{self, Bounds};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing::error;

/// These threads, until dropped; what runs on them then ends.
#[derive(Debug)]
pub(crate) struct Visitors(Option<Runtime>);

impl Visitors {
    /// With what the others leave of the cores.
    pub(crate) fn start() -> io::Result<Self> {
        cores::spare::threads("pages").map(|threads| Self(Some(threads)))
    }

    /// Serves `router` there until the site stops.
    pub(crate) fn serve(
        &self,
        site: &Site,
        listener: TcpListener,
        router: Router,
        bounds: Bounds,
    ) -> io::Result<()> {
        let (stop, listener) = (site.stop.clone().cancelled_owned(), listener.into_std()?);
        let serving = async move {
            // It belongs to the threads that it is made on.
            match TcpListener::from_std(listener) {
                Ok(listener) => web::serve(listener, router, bounds, stop).await,
                Err(error) => error!(%error, "visitors are not served"),
            }
        };
        if let Some(threads) = &self.0 {
            site.tasks.spawn_on(serving, threads.handle());
        }
        Ok(())
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        // Never waits, so it may be dropped by a task.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
