//! How sites come to belong: the CA, invitations.

pub mod ca;
pub mod invite;
