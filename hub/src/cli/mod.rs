//! The commands only a hub has, one verb per file. Those of every site are in `lianbo_node::cli`.

pub mod article;
pub mod bench;
pub mod harvest_client;
pub mod harvesters;
pub mod init;
pub mod invite;
pub mod notice;
pub mod release;
pub mod resume;
pub mod revoke;
pub mod sites;
pub mod source;
pub mod unit;

use lianbo_node::content::Record;
use lianbo_node::content::site::{Enrolment, Unit};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::Draft;
use lianbo_node::scope::Scope;

use crate::config::HubConfig;

/// The record by which a hub binds its own key and tells its name.
fn own_enrolment(identity: &Identity, config: &HubConfig) -> Draft {
    let enrolment = Enrolment {
        site: identity.site,
        key: identity.public(),
        unit: Unit {
            code: config.unit.code.clone(),
            name: config.unit.name.clone(),
            parent: String::new(),
        },
        ceiling: Scope::Internal,
        invite: None,
        hub: true,
    };
    Draft::new(enrolment.audience(), Record::Enrolment(enrolment))
}
