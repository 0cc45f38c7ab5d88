//! Threads for those who read pages and figures: however many come, sites wait in no queue behind them, and go first
//! where all cores are busy.

use std::io;

use axum::Router;
use lianbo_node::lifecycle::Site;
use lianbo_node::{cores, web};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tracing::{error, warn};

/// These threads, until dropped; what runs on them then ends.
#[derive(Debug)]
pub(crate) struct Visitors(Option<Runtime>);

impl Visitors {
    /// One for two cores. They have what the others leave of these (`SCHED_IDLE`, sched(7)): left to itself, the system lets
    /// a busy thread go on until its next tick, 4 ms as a rule, whoever wakes beside it.
    pub(crate) fn start() -> io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(cores::count().div_ceil(2)).thread_name("pages").enable_all();
        threads.on_thread_start(|| {
            if let Err(error) = step_back() {
                warn!(?error, "threads for pages cannot step back behind the others");
            }
        });
        Ok(Self(Some(threads.build()?)))
    }

    /// Serves `router` there until the site stops.
    pub(crate) fn serve(
        &self,
        site: &Site,
        listener: TcpListener,
        router: Router,
    ) -> io::Result<()> {
        let (stop, listener) = (site.stop.clone().cancelled_owned(), listener.into_std()?);
        let serving = async {
            // It belongs to the threads that it is made on.
            match TcpListener::from_std(listener) {
                Ok(listener) => web::serve(listener, router, stop).await,
                Err(error) => error!(%error, "visitors are not served"),
            }
        };
        if let Some(threads) = &self.0 {
            site.tasks.spawn_on(serving, threads.handle());
        }
        Ok(())
    }
}

fn step_back() -> Result<(), thread_priority::Error> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
}

impl Drop for Visitors {
    fn drop(&mut self) {
        // Never waits, so it may be dropped by a task.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
