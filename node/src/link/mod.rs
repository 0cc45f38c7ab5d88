//! The link to the hub above: who may be on the other end (`tls`, `token`), how to reach it (`connect`),
//! joining it (`join`), and what runs over it (`uplink`: `push`, `follow` with `owed`, `files`, `refill`, `renew`); and, for
//! programs that are no site, taking over what a hub publishes (`harvest`).

pub mod connect;
mod error;
mod files;
mod follow;
mod greet;
pub mod harvest;
pub mod join;
mod owed;
mod push;
mod refill;
mod renew;
pub mod tls;
pub mod token;
mod uplink;

pub use error::LinkError;
pub use files::FilesPolicy;
pub use owed::ack_after;
pub use uplink::{Dial, Drained, Uplink};

/// Metadata key under which a hub asks to be left alone for so many milliseconds.
pub const RETRY_AFTER: &str = "retry-after-ms";
