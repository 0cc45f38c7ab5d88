//! `resume`: the operator's word that a restored hub may sign again.

use lianbo_node::cli::{Desk, resume};

use super::own_enrolment;
use crate::config::HubConfig;

/// Begins a new life of the data and tells who this hub is: for whoever joins, and for a `serve` that
/// runs beside, which looks anew whenever such an entry comes.
pub async fn run(command: resume::Command, desk: &Desk, config: &HubConfig) -> anyhow::Result<()> {
    command.run(desk).await?;
    desk.site.door.write(vec![own_enrolment(&desk.site.identity, config)]).await?;
    Ok(())
}
