//! The program of a unit's node. It only wires: every command is in `lianbo_node::cli`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lianbo_node::cli::{
    self, Desk, Global, Output, article, column, join, logging, notice, rebuild, resume,
    rotate_key, status, verify,
};
use lianbo_node::config::{self, NodeConfig};
use lianbo_node::entry::SiteId;
use lianbo_node::serve::{self, Until};

/// Lianbo (联播): a unit's own node. Its articles and notices, written and read here, shared through
/// the county's hub.
///
/// Exit status: 0 done, 1 failed, 2 used or set up wrongly.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Join(join::Command),
    /// Run the link to the hub, the pages and the figures, until SIGTERM or Ctrl-C
    Serve {
        /// Stop as well when stdin ends: for a program that starts this one and must not leave it behind
        #[arg(long)]
        until_eof: bool,
    },
    /// Exchange with the hub what either side lacks, then end
    Sync {
        /// One round, for timers; a link that stays open is `serve`
        #[arg(long, required = true)]
        once: bool,
    },
    /// Columns (栏目)
    #[command(subcommand)]
    Column(column::Command),
    /// Articles (稿件)
    #[command(subcommand)]
    Article(article::Command),
    /// Notices (通知)
    #[command(subcommand)]
    Notice(notice::NodeCommand),
    Status(status::Command),
    Verify(verify::Command),
    RebuildViews(rebuild::Command),
    Resume(resume::Command),
    RotateKey(rotate_key::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::exit(cli::block_on(run(cli)))
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let global = cli.global;
    if let Command::Join(command) = cli.command {
        return command.run(&global).await;
    }
    let config: NodeConfig = config::load(&global.data)?;
    let until = match &cli.command {
        Command::Serve { until_eof: true } => Until::StoppedOrEof,
        Command::Serve { until_eof: false } => Until::Stopped,
        Command::Sync { .. } => Until::Once,
        _ => return at_desk(cli.command, &global, &config).await,
    };
    logging::start(&config.log)?;
    serve::run(&global.data, config, until).await
}

async fn at_desk(command: Command, global: &Global, config: &NodeConfig) -> anyhow::Result<()> {
    let database = config::database_address(&global.data, &config.database);
    let hub = SiteId::from_hex(&config.hub.site).ok_or_else(|| config::ConfigError::Invalid {
        path: global.data.join(config::FILE),
        message: "hub.site is not a site's id: 32 hexadecimal digits".to_owned(),
    })?;
    let out = Output { json: global.json };
    let desk = Desk::open(&global.data, &database, Some(hub), out).await?;
    let desk = desk.with_blobs(config.blobs.open(&global.data));
    desk.run(async |desk| match command {
        Command::Column(command) => command.run(desk).await,
        Command::Article(command) => command.run(desk).await,
        Command::Notice(command) => command.run(desk).await,
        Command::Status(command) => command.run(desk, config).await,
        Command::Verify(command) => command.run(desk).await,
        Command::RebuildViews(command) => command.run(desk).await,
        Command::Resume(command) => command.run(desk).await.map(drop),
        Command::RotateKey(command) => command.run(desk).await,
        Command::Join(_) | Command::Serve { .. } | Command::Sync { .. } => Ok(()),
    })
    .await
}
