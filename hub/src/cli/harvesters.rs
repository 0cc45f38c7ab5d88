//! `harvesters`: who takes over what this hub publishes.

use clap::Args;
use lianbo_node::cli::Desk;
use lianbo_node::content::harvester::{self, HarvesterView};

/// List the harvesters (省级采集): programs of others that take over what this hub publishes
#[derive(Clone, Debug, Args)]
pub struct Command {}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let harvesters = harvester::all(&mut desk.read().await?).await?;
        let nothing = "no harvester has joined yet: make a token with `invite --harvester`";
        desk.out.list(&harvesters, &["code", "name", "id", ""], nothing, row)
    }
}

fn row(it: &HarvesterView) -> Vec<String> {
    let revoked = it.revoked.as_ref().map(|why| format!("revoked: {why}"));
    vec![it.code.clone(), it.name.clone(), it.id.to_string(), revoked.unwrap_or_default()]
}
