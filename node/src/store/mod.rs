//! What keeps: SQLite (embedded) or PostgreSQL, one body of statements for both.
//!
//! A module's SQL lives beside it and runs through [`Tx`]; this module knows nothing about what is stored.
//! Statements use `$1`, BIGINT, TEXT and BLOB/BYTEA, and booleans as 0 and 1. Each statement costs about
//! 100 µs on SQLite, so callers batch: [`Tx::insert_many`] and [`Tx::select_in`].

mod error;
mod open;
mod still;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tx;
mod value;

pub use error::StoreError;
pub use open::Store;
pub use still::Still;
pub use tx::Tx;
pub use value::{FromSql, Row, Value};
