//! tmp
pub mod print;
