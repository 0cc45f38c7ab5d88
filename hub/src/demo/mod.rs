//! A county on one machine, to be seen and tried.

use std::path::PathBuf;

/// How the demonstration runs.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Keep the data folders in this folder (it must be empty or new) instead of leaving nothing behind
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Wait until every article is on every site it belongs on and on no other, print what was checked, end
    #[arg(long)]
    pub check: bool,
}

/// Runs the demonstration until Ctrl-C, or until everything is checked.
pub async fn run(options: Options) -> anyhow::Result<()> {
    anyhow::bail!("unimplemented: demo {options:?}")
}
