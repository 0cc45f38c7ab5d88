//! How a link runs, as pure decisions: no sockets, no store, no clock.

pub mod backoff;
pub mod blobs;
pub mod filter;
pub mod outbox;
pub mod session;
