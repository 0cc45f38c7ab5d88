
pub mod enrol;
pub mod recovery;
