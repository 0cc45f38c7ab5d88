//! `source pause`.

use clap::Args;
use lianbo_node::cli::Desk;

use super::{registry, unknown};

/// Pause a source, or with --off go on polling it, at once.
#[derive(Clone, Debug, Args)]
pub struct Pause {
    /// Its short name
    source: String,
    /// Go on
    #[arg(long)]
    off: bool,
}

impl Pause {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let paused = !self.off;
        if !registry(desk).pause(&self.source, paused).await? {
            return Err(unknown(&self.source).into());
        }
        let value = serde_json::json!({ "source": self.source, "paused": paused });
        desk.out.either(&value, || self.source.clone())
    }
}
