//! The suites that cross crates, one module each.

mod arrows;
mod door;
mod link;
