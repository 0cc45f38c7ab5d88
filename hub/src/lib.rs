//! What a site needs to have others beneath it: enrolment, the sync service, review, oversight.

pub mod enrol;
pub mod recovery;
