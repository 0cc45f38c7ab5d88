//! How large the hub gets while it is attacked.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::ground::Ground;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(25);

/// Looks at the hub's memory, on a thread of its own.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<u64>,
}

impl Watch {
    pub(super) fn start(ground: Arc<Ground>) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                most = most.max(ground.pss_kib());
            }
            most.max(ground.pss_kib())
        });
        Self { stop, thread }
    }

    /// The most it ever was, in KiB.
    pub(super) fn most(self) -> u64 {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}
