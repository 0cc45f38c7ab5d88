//! Threads that have what all others leave of the cores: work that can wait is done there.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::LazyLock;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::runtime::{Builder, Runtime};
use tracing::{error, warn};

use super::count;

/// Where the work of busy peers is done; the process has one such place, and none where the system gave no thread for it.
static FOR_PEERS: LazyLock<Option<Runtime>> = LazyLock::new(|| match threads("peers") {
    Ok(runtime) => Some(runtime),
    Err(error) => {
        error!(%error, "no threads for busy peers: their work is done among that of others");
        None
    }
});

/// Starts one for two cores. They have what the others leave of these (`SCHED_IDLE`, sched(7)): left to itself, the system
/// lets a busy thread go on until its next tick, 4 ms as a rule, whoever wakes beside it.
pub fn threads(name: &str) -> io::Result<Runtime> {
    let mut threads = Builder::new_multi_thread();
    threads.worker_threads(count().div_ceil(2)).thread_name(name).enable_all();
    threads.on_thread_start(|| {
        if let Err(error) = step_back() {
            warn!(?error, "threads for what can wait cannot step back behind the others");
        }
    });
    threads.build()
}

pub(super) fn for_peers() -> Option<&'static Runtime> {
    FOR_PEERS.as_ref()
}

/// Lets others go first after each turn of `work`. While others wait, the system gives even the last in its order a tick
/// now and then: without this it would take all of it.
pub async fn giving_way<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|cx| {
        let polled = work.as_mut().poll(cx);
        give_way();
        polled
    })
    .await
}

/// Lets others go first.
pub(crate) fn give_way() {
    #[cfg(test)]
    GIVEN_WAY.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    std::thread::yield_now();
}

/// How often anything gave way, for tests: they see at least what they had done.
#[cfg(test)]
pub(crate) static GIVEN_WAY: std::sync::atomic::AtomicUsize =
    std::sync::atomic::AtomicUsize::new(0);

/// Puts this thread behind all others: it has what they leave of the cores. Fails where the system forbids it.
pub fn step_back() -> Result<(), thread_priority::Error> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
}
