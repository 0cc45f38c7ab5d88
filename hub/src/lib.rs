//! What a site needs to have others beneath it: enrolment, the sync service, duties, oversight.

pub mod acks;
mod aead;
mod alike;
mod bench;
pub mod cli;
pub mod config;
pub mod demo;
mod duties;
pub mod enrol;
mod figures;
pub mod hub;
mod local;
mod outlets;
pub mod recovery;
pub mod rpc;
pub mod serve;
pub mod sources;
mod tail;
mod visitors;
