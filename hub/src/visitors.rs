//! Threads for those who read pages: however many come, sites wait in no queue behind them.

use std::future::Future;
use std::io;

use lianbo_node::cores;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

/// These threads, until dropped; what runs on them then ends.
#[derive(Debug)]
pub(crate) struct Visitors(Option<Runtime>);

impl Visitors {
    /// One for two cores.
    pub(crate) fn start() -> io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(cores::count().div_ceil(2)).thread_name("pages").enable_all();
        Ok(Self(Some(threads.build()?)))
    }

    /// Runs a task there; `tasks` waits for it.
    pub(crate) fn spawn(
        &self,
        tasks: &TaskTracker,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        if let Some(runtime) = &self.0 {
            tasks.spawn_on(task, runtime.handle());
        }
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
