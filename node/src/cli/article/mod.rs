//! `article`: articles (稿件).

mod add;
mod fetch;
mod files;
mod list;
mod retract;
mod revise;
mod show;
mod standing;

pub use add::{Add, check_column};
pub use fetch::Fetch;
pub use list::List;
pub use retract::{Retract, withdraw, withdrawn};
pub use revise::Revise;
pub use show::Show;

use clap::{Args, Subcommand};

use super::Desk;
use crate::content::FindError;
use crate::content::article;
use crate::entry::{RecordId, SiteId};
use crate::ingest::PlanError;
use crate::scope::Reader;
use crate::store::Tx;

/// The verbs every site has.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Write an article
    Add(Add),
    /// Revise an article of this site; what is not given stays as it is
    Revise(Revise),
    /// List the articles held here, the newest first
    List(List),
    /// Show an article with its text and its revisions
    Show(Show),
    /// Ask the hub for files of an article that have not come by themselves
    Fetch(Fetch),
    /// Withdraw an article (撤稿), on every site it went to; this cannot be taken back
    Retract(Retract),
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::Add(it) => it.run(desk).await,
            Self::Revise(it) => it.run(desk).await,
            Self::List(it) => it.run(desk).await,
            Self::Show(it) => it.run(desk).await,
            Self::Fetch(it) => it.run(desk).await,
            Self::Retract(it) => it.run(desk).await,
        }
    }
}

/// Names an article or a notice.
#[derive(Clone, Debug, Args)]
pub struct Id {
    /// Its id, or as much of the beginning as makes it unique here
    #[arg(value_name = "ID")]
    pub id: String,
}

/// As [`article::find`], for plans.
async fn find(tx: &mut Tx, reader: Reader, prefix: &str) -> Result<(SiteId, RecordId), PlanError> {
    article::find(tx, reader, prefix).await.map_err(not_found)
}

/// A failed search as a plan's reason not to write.
pub fn not_found(error: FindError) -> PlanError {
    match error {
        FindError::Store(error) => PlanError::Store(error),
        other => super::desk::refused(other),
    }
}
