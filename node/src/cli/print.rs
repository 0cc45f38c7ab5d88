//! The one writer to stdout and stderr.

use std::io::{self, Write};

/// Writes text as it is to stdout. Fails where nobody reads it any more, or the disk is full.
pub fn text(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes a line to stderr: what a person wants to know and a program does not.
pub fn note(line: &str) {
    let mut stderr = io::stderr().lock();
    // Where stderr is gone there is nobody left to tell.
    drop(writeln!(stderr, "{line}"));
}
