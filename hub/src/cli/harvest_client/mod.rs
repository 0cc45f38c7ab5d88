//! `harvest-client`: the other end of this hub's outlet for harvesters. Needs no hub on its machine.

mod join;
mod keep;
mod run;

use clap::Subcommand;
use lianbo_node::cli::Global;

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    Join(join::Command),
    /// Take over what happened since the last time, and end
    List(run::Options),
    /// Take over what happened since the last time, then whatever happens, until SIGTERM or Ctrl-C
    Follow {
        #[command(flatten)]
        options: run::Options,
        /// Stop as well when stdin ends: for a program that starts this one and must not leave it behind
        #[arg(long)]
        until_eof: bool,
    },
}

impl Command {
    /// Runs it.
    pub async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Join(command) => command.run(global).await,
            Self::List(options) => run::list(global, options).await,
            Self::Follow { options, until_eof } => run::follow(global, options, until_eof).await,
        }
    }
}
