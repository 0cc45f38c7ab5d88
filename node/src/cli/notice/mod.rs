//! `notice`: notices (通知).

mod list;
mod receipt;
mod show;

pub use list::List;
pub use receipt::{Read, Sign};
pub use show::Show;

use clap::Subcommand;

use super::Desk;

/// The verbs of a node: a unit gets notices and signs for them.
#[derive(Clone, Debug, Subcommand)]
pub enum NodeCommand {
    /// List the notices that came here, the latest first
    List(List),
    /// Show a notice with its text
    Show(Show),
    /// Tell the notice's author that somebody here has read it (已阅)
    Read(Read),
    /// Sign for a notice (签收)
    Sign(Sign),
}

impl NodeCommand {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::List(it) => it.run(desk).await,
            Self::Show(it) => it.run(desk).await,
            Self::Read(it) => it.run(desk).await,
            Self::Sign(it) => it.run(desk).await,
        }
    }
}
