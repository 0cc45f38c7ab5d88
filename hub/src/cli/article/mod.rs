//! `article`: what every site has, and what only a hub does with articles.

mod adopt;
mod retractions;

use clap::Subcommand;
use lianbo_node::cli::{Desk, article};

use super::release::{Kind, Release};

/// The verbs.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// What every site does with its articles.
    #[command(flatten)]
    Site(article::Command),
    /// Adopt a unit's article (采用): it becomes one of this hub's own
    Adopt(adopt::Adopt),
    /// Take an article to a wider scope (公开); one of the hub's own needs two persons
    Release(Release),
    /// List the retractions, with who has applied each and who has not
    Retractions(retractions::Retractions),
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::Site(it) => it.run(desk).await,
            Self::Adopt(it) => it.run(desk).await,
            Self::Release(it) => it.run(desk, Kind::Article).await,
            Self::Retractions(it) => it.run(desk).await,
        }
    }
}
