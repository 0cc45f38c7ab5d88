//! The programs and their pages on this machine, as people and browsers use them: for the demonstration and the bench.

pub(crate) mod fetch;
pub(crate) mod processes;
