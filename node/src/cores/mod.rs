//! Work that keeps a core busy: no more of it at a time than there are cores, and charged to the peer it is done for.

mod lull;
mod share;
pub mod spare;
pub(crate) mod turn;

pub use share::Share;

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

/// How many cores this process may use.
pub fn count() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Turns on the cores, for one kind of work. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Cores(Arc<Semaphore>);

impl Default for Cores {
    /// One turn for each core.
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(count())))
    }
}

impl Cores {
    /// Begins `work`, on a thread where it may block, as soon as it is its turn. More at a time would only take turns
    /// with each other, and keep what uses their results from its own.
    pub async fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        spawn_blocking(self.turn(work).await)
    }

    /// Does `work` for a peer when it is its turn, and charges it: others need not wait for it, so it is done with what
    /// they leave of the cores.
    pub async fn charged<T: Send + 'static>(
        &self,
        peer: &Share,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        peer.long_turn(self.turn(work).await).await
    }

    /// Work whose turn it is, until it is done.
    async fn turn<T, W: FnOnce() -> T>(&self, work: W) -> impl FnOnce() -> T + use<T, W> {
        // Never closed, so there is always one.
        let turn = self.0.clone().acquire_owned().await.ok();
        move || {
            let done = work();
            drop(turn);
            done
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn as_much_is_at_work_as_there_are_cores_and_all_of_it_is_done() {
        let cores = Cores::default();
        let (working, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut begun = Vec::new();
        for n in 0..64 {
            let (working, most) = (working.clone(), most.clone());
            let work = move || {
                most.fetch_max(working.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                working.fetch_sub(1, Ordering::SeqCst);
                n
            };
            begun.push(cores.begin(work).await);
        }
        for (n, task) in begun.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n);
        }
        assert!(most.load(Ordering::SeqCst) <= count());
    }

    #[tokio::test]
    async fn a_panic_gives_its_turn_back() {
        let cores = Cores::default();
        for _ in 0..=count() {
            assert!(cores.begin(|| panic!("as expected")).await.await.is_err());
        }
    }
}
