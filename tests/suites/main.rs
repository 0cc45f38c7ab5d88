//! The suites that cross crates, one module each.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

mod arrows;
mod audience;
mod bench;
mod blobs;
mod commands;
mod damage;
mod decoders;
mod demo;
mod docs;
mod door;
mod feeds;
mod harvest;
mod hostile;
mod html;
mod kill;
mod link;
mod pages;
mod python;
mod replicas;
mod retractions;
mod simulation;
mod sources;
