//! `notice`: the hub pushes notices down (下发) and sees who signed.

mod add;
mod retract;
mod status;

use clap::Subcommand;
use lianbo_node::cli::{Desk, notice};

use super::release::{Kind, Release};

/// The verbs.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Issue a notice to a scope, or to chosen units alone
    Add(add::Add),
    /// List the notices, the latest first
    List(notice::List),
    /// Show a notice with its text
    Show(notice::Show),
    /// Withdraw a notice, every copy of it; this cannot be taken back
    Retract(retract::Retract),
    /// Tell which units have to sign for a notice and how far each got (应签, 已签, 未签)
    Status(status::Status),
    /// Take a notice to a wider scope (公开); one of the hub's own needs two persons
    Release(Release),
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::Add(it) => it.run(desk).await,
            Self::List(it) => it.run(desk).await,
            Self::Show(it) => it.run(desk).await,
            Self::Retract(it) => it.run(desk).await,
            Self::Status(it) => it.run(desk).await,
            Self::Release(it) => it.run(desk, Kind::Notice).await,
        }
    }
}
