//! Cutting a connection off while somebody waits for it to be read or written.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// Whether a connection is cut off. Asked at every read and write, so no lock is taken.
#[derive(Debug, Default)]
pub(super) struct Cut {
    off: AtomicBool,
    // One for each half, so that neither takes the other's place.
    reading: AtomicWaker,
    writing: AtomicWaker,
}

impl Cut {
    /// Cuts it off; whoever waits wakes and fails.
    pub(super) fn off(&self) {
        self.off.store(true, Ordering::Release);
        self.reading.wake();
        self.writing.wake();
    }

    /// Fails once it is cut off; otherwise sees to it that the reading task wakes when it is.
    pub(super) fn check_read(&self, cx: &Context<'_>) -> io::Result<()> {
        self.check(&self.reading, cx)
    }

    /// Likewise for the writing task.
    pub(super) fn check_write(&self, cx: &Context<'_>) -> io::Result<()> {
        self.check(&self.writing, cx)
    }

    fn check(&self, half: &AtomicWaker, cx: &Context<'_>) -> io::Result<()> {
        // The waker first: a cut in between is seen here, one that comes later finds it.
        half.register(cx.waker());
        if self.off.load(Ordering::Acquire) { Err(cut_off()) } else { Ok(()) }
    }

    #[cfg(test)]
    pub(super) fn is_off(&self) -> bool {
        self.off.load(Ordering::Acquire)
    }
}

pub(super) fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed by this side")
}
