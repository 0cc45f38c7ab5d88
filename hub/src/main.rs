//! The program of a county's hub. It only wires: every command is in `lianbo_hub::cli` and `lianbo_node::cli`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lianbo_hub::cli::{
    article, bench, harvest_client, harvesters, init, invite, notice, resume as hub_resume, revoke,
    sites, source, unit,
};
use lianbo_hub::config::HubConfig;
use lianbo_hub::demo;
use lianbo_node::cli::{
    self, Desk, Global, Output, column, logging, rebuild, resume, rotate_key, verify,
};
use lianbo_node::config;

/// Lianbo (联播): a county's hub. It receives what units report, sends notices down, and publishes on three
/// networks.
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
    Init(Box<init::Command>),
    /// Run the listeners for sites, the pages and the figures, until SIGTERM or Ctrl-C
    Serve {
        /// Stop as well when stdin ends: for a program that starts this one and must not leave it behind
        #[arg(long)]
        until_eof: bool,
    },
    Invite(invite::Command),
    Sites(sites::Command),
    Harvesters(harvesters::Command),
    Revoke(revoke::Command),
    /// Units (单位) on the public pages
    #[command(subcommand)]
    Unit(unit::Command),
    /// Columns (栏目)
    #[command(subcommand)]
    Column(column::Command),
    /// Articles (稿件)
    #[command(subcommand)]
    Article(article::Command),
    /// Notices (通知)
    #[command(subcommand)]
    Notice(notice::Command),
    /// Sources (采集源): sites whose feeds become this hub's articles
    #[command(subcommand)]
    Source(source::Command),
    Verify(verify::Command),
    RebuildViews(rebuild::Command),
    Resume(resume::Command),
    RotateKey(rotate_key::Command),
    /// Take over what a hub publishes (省级采集), as a harvester: on a machine of its own, with nothing else on it
    #[command(subcommand)]
    HarvestClient(harvest_client::Command),
    /// Show a whole county on this machine: a hub, three nodes, believable articles and notices
    Demo(demo::Options),
    Bench(bench::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::exit(cli::block_on(run(cli)))
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let global = cli.global;
    let command = match cli.command {
        Command::Init(command) => return command.run(&global).await,
        Command::Demo(options) => return demo::run(options).await,
        Command::HarvestClient(command) => return command.run(&global).await,
        Command::Bench(command) => return Box::pin(command.run(&global)).await,
        command => command,
    };
    let config: HubConfig = config::load(&global.data)?;
    if let Command::Serve { until_eof } = command {
        logging::start(&config.log)?;
        return lianbo_hub::serve::run(&global.data, config, until_eof).await;
    }
    at_desk(command, &global, &config).await
}

async fn at_desk(command: Command, global: &Global, config: &HubConfig) -> anyhow::Result<()> {
    let database = config::database_address(&global.data, &config.database);
    let out = Output { json: global.json };
    let desk = Desk::open(&global.data, &database, None, out).await?;
    let desk = desk.with_blobs(config.blobs.open(&global.data)?);
    desk.run(async |desk| match command {
        Command::Invite(command) => command.run(desk, config).await,
        Command::Sites(command) => command.run(desk).await,
        Command::Harvesters(command) => command.run(desk).await,
        Command::Revoke(command) => command.run(desk).await,
        Command::Unit(command) => command.run(desk).await,
        Command::Column(command) => command.run(desk).await,
        Command::Article(command) => command.run(desk).await,
        Command::Notice(command) => command.run(desk).await,
        Command::Source(command) => command.run(desk, config).await,
        Command::Verify(command) => command.run(desk).await,
        Command::RebuildViews(command) => command.run(desk).await,
        Command::Resume(command) => hub_resume::run(command, desk, config).await,
        Command::RotateKey(command) => command.run(desk).await,
        Command::Init(_)
        | Command::Serve { .. }
        | Command::HarvestClient(_)
        | Command::Demo(_)
        | Command::Bench(_) => Ok(()),
    })
    .await
}
