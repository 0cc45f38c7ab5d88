//! A hub at work: its listeners, its pages, its figures.

use std::path::Path;

use crate::config::HubConfig;

/// Serves the hub in `folder` until SIGTERM or Ctrl-C.
pub async fn run(folder: &Path, config: HubConfig) -> anyhow::Result<()> {
    anyhow::bail!("unimplemented: serve {} {}", folder.display(), config.database)
}
