//! The link to another site: who may be on the other end (`tls`, `token`) and how to reach it (`connect`).

pub mod connect;
pub mod join;
pub mod tls;
pub mod token;

/// Metadata key under which a hub asks to be left alone for so many milliseconds.
pub const RETRY_AFTER: &str = "retry-after-ms";
