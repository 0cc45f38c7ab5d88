//! The link to another site: who may be on the other end (`tls`, `token`) and how to reach it (`connect`).

pub mod connect;
pub mod tls;
pub mod token;
