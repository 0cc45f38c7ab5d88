//! Simulated time that stands still while the store works.
//!
//! A simulation's clock runs ahead whenever no task can, and a database works outside its tasks: it would
//! lose races it wins in life, and no seed would run twice alike. Tokio's paused clock waits for blocking
//! tasks, so one stands for each transaction.

use std::sync::mpsc;

/// Holds a paused clock until dropped.
#[derive(Debug)]
pub struct Still(#[expect(dead_code, reason = "its end is the signal")] mpsc::Sender<()>);

impl Still {
    /// From now on. Only in a runtime of one thread with a paused clock is there anything to hold.
    pub fn begin() -> Self {
        let (held, ended) = mpsc::channel::<()>();
        // Ends with an error: nothing is ever sent.
        drop(tokio::task::spawn_blocking(move || ended.recv().is_ok()));
        Self(held)
    }
}
