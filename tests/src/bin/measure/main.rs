//! A first measurement of what a hub and its link do on this machine, each figure beside the disk's floor in the
//! same run: `cargo run --release -p lianbo-tests --bin measure -- [ingest|catchup|idle|fanout|all] [--json]`.
//!
//! The hub is a process of its own with a data folder on a real disk: this very program once more, running what
//! `lianbo-hub serve` runs. Everything goes over mutual TLS on loopback. Entries are signed beforehand.

mod catchup;
mod client;
mod county;
mod fanout;
mod floor;
mod idle;
mod ingest;
mod relay;
mod report;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use lianbo_hub::config::HubConfig;
use lianbo_node::{cli, config};

use report::Report;

/// Measures durable ingest, catch-up, idle followers and fan-out of a hub, beside the disk's floor.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: Option<What>,
    /// One JSON object a figure instead of a table
    #[arg(long, global = true)]
    json: bool,
    /// Where the data folders go, which has to be on a real disk; by default beside this program
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Do not remove the data folders at the end
    #[arg(long, global = true)]
    keep: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Many nodes push at once: entries a second, durable and folded
    Ingest(ingest::Options),
    /// An empty node takes articles: seconds until they are verified, folded and durable
    Catchup(catchup::Options),
    /// Many clients follow at rest: memory of the hub for each
    Idle(idle::Options),
    /// One article goes to many followers at once: milliseconds until each has it
    Fanout(fanout::Options),
    /// All of them, as they are by default
    All,
    /// The hub itself, as `lianbo-hub serve --until-eof` runs it
    #[command(hide = true)]
    Hub {
        /// Its data folder
        data: PathBuf,
    },
    /// A hub without TLS, for `fanout --plain`
    #[command(hide = true)]
    PlainHub {
        /// Its data folder
        data: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::exit(cli::block_on(run(cli)))
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let what = cli.what.unwrap_or(What::All);
    if let What::Hub { data } = &what {
        let config: HubConfig = config::load(data)?;
        cli::logging::start(&config.log)?;
        return lianbo_hub::serve::run(data, config, true).await;
    }
    if let What::PlainHub { data } = &what {
        return fanout::plain::serve(data).await;
    }
    let place = Place::make(cli.dir, cli.keep)?;
    let mut report = Report::begin(cli.json, &place.folder)?;
    match what {
        What::Ingest(options) => ingest::run(&options, &place, &mut report).await?,
        What::Catchup(options) => Box::pin(catchup::run(&options, &place, &mut report)).await?,
        What::Idle(options) => idle::run(&options, &place, &mut report).await?,
        What::Fanout(options) => fanout::run(&options, &place, &mut report).await?,
        What::All | What::Hub { .. } | What::PlainHub { .. } => {
            ingest::run(&parsed(), &place, &mut report).await?;
            Box::pin(catchup::run(&parsed(), &place, &mut report)).await?;
            idle::run(&parsed(), &place, &mut report).await?;
            fanout::run(&parsed(), &place, &mut report).await?;
        }
    }
    Report::load();
    Ok(())
}

/// The options of a measurement, as they are by default.
fn parsed<T: clap::Args + clap::FromArgMatches>() -> T {
    let matches = T::augment_args(clap::Command::new("measure")).get_matches_from(["measure"]);
    T::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// How long a hub is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(4);

#[expect(clippy::disallowed_methods, reason = "memory at rest is looked at after a rest")]
async fn rest() {
    tokio::time::sleep(REST).await;
}

/// Where data folders go.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    keep: bool,
}

impl Place {
    fn make(folder: Option<PathBuf>, keep: bool) -> anyhow::Result<Self> {
        let folder = match folder {
            Some(folder) => folder,
            None => std::env::current_exe()?.with_file_name("measure-data"),
        };
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder: folder.canonicalize()?, keep })
    }

    /// A fresh folder in it; gone when dropped, unless all are kept.
    fn fresh(&self, name: &str) -> anyhow::Result<tempfile::TempDir> {
        let mut folder =
            tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&self.folder)?;
        folder.disable_cleanup(self.keep);
        Ok(folder)
    }
}
