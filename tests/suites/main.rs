//! The suites that cross crates, one module each.

mod arrows;
mod commands;
mod door;
mod link;
