//! `source remove`.

use clap::Args;
use lianbo_node::cli::Desk;

use super::{registry, unknown};

/// Forget a source; its articles stay, and are withdrawn one by one with `article retract`.
#[derive(Clone, Debug, Args)]
pub struct Remove {
    /// Its short name
    source: String,
}

impl Remove {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        if !registry(desk).remove(&self.source).await? {
            return Err(unknown(&self.source).into());
        }
        let value = serde_json::json!({ "source": self.source, "removed": true });
        desk.out.either(&value, || self.source.clone())
    }
}
