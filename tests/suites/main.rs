//! The suites that cross crates, one module each.

mod arrows;
mod audience;
mod damage;
mod demo;
mod door;
mod link;
mod replicas;
mod retractions;
