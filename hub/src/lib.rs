//! What a site needs to have others beneath it: enrolment, the sync service, duties, oversight.

pub mod acks;
mod duties;
pub mod enrol;
pub mod hub;
pub mod recovery;
pub mod rpc;
mod tail;
