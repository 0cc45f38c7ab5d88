//! A bar for what takes long. On stderr, and only where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress bar; gone when dropped.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar over entries.
    pub fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}")
        {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(bar)
    }

    /// Shows that `done` of `all` are done.
    pub fn show(&self, done: i64, all: i64) {
        self.0.set_length(u64::try_from(all).unwrap_or(0));
        self.0.set_position(u64::try_from(done).unwrap_or(0));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
