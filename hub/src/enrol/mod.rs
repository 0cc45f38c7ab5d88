//! Who belongs beneath this hub: the CA, invitations, certificates, revocation.

pub mod ca;
