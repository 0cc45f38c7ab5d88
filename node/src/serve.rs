//! A node at work: its link upward, its pages, its figures.

use std::path::Path;

use crate::config::NodeConfig;

/// Serves the site in `folder` until SIGTERM or Ctrl-C. With `once`, runs one round of the link and ends.
pub async fn run(folder: &Path, config: NodeConfig, once: bool) -> anyhow::Result<()> {
    anyhow::bail!("unimplemented: serve {} {once} {}", folder.display(), config.database)
}
