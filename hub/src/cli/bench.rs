//! `bench`: what this machine can do as a hub.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use lianbo_node::cli::Global;
use lianbo_node::ops;

use crate::bench::{Bench, Setup, catchup, fanout, idle, ingest, pages, poll};

/// Measure what a hub and its nodes do on this machine, each figure beside the disk's own floor
///
/// The hub is a process of its own with a fresh data folder beneath --data (on the disk that is to be measured)
/// and with real certificates; entries are signed before the clock starts. Leave the machine alone meanwhile.
/// With --json each figure is one line: {"bench":"ingest","metric":"seconds","value":9.2,"unit":"s"}.
#[derive(Clone, Debug, Args)]
pub struct Command {
    #[command(subcommand)]
    what: What,
    /// Take the articles' texts from the files in this folder instead of making them up
    ///
    /// UTF-8, one article a file, taken in the order of their names and again from the first when all are used.
    /// Texts of exactly 3,072 bytes (cut at a character, filled up with spaces) make figures that can be
    /// compared with the generated ones; 10,000 files are enough for every bench
    #[arg(long, global = true, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Do not remove the data folders at the end
    #[arg(long, global = true)]
    keep: bool,
    /// How long a process is left alone before its memory is looked at
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 5)]
    rest: u64,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Many nodes push at once: entries a second, acknowledged once durable and folded
    Ingest(ingest::Options),
    /// One node publishes to many that follow: how soon they have it; memory of the hub for each
    Fanout(fanout::Options),
    /// An empty node takes all articles: seconds until they are verified, folded and durable
    Catchup(catchup::Options),
    /// A long article's page over plain HTTP: requests a second by `wrk`, beside nginx where it is installed
    Pages(pages::Options),
    /// A hub polls sources on loopback: feeds a second, first with everything new, then with nothing new
    Poll(poll::Options),
    /// A node at rest: its memory, how soon it is ready, the size of its program
    Idle(idle::Options),
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            Self::Ingest(_) => "ingest",
            Self::Fanout(_) => "fanout",
            Self::Catchup(_) => "catchup",
            Self::Pages(_) => "pages",
            Self::Poll(_) => "poll",
            Self::Idle(_) => "idle",
        }
    }
}

impl Command {
    /// Runs it.
    pub async fn run(self, global: &Global) -> anyhow::Result<()> {
        let bench = Bench::begin(&Setup {
            name: self.what.name(),
            folder: &global.data,
            keep: self.keep,
            rest: Duration::from_secs(self.rest),
            corpus: self.corpus.as_deref(),
            json: global.json,
        })?;
        let measuring = async {
            match &self.what {
                What::Ingest(options) => ingest::run(options, &bench).await,
                What::Fanout(options) => fanout::run(options, &bench).await,
                What::Catchup(options) => Box::pin(catchup::run(options, &bench)).await,
                What::Pages(options) => pages::run(options, &bench).await,
                What::Poll(options) => poll::run(options, &bench).await,
                What::Idle(options) => idle::run(options, &bench).await,
            }
        };
        // Stopped by hand, it still takes its processes and folders along.
        tokio::select! {
            told = ops::stop_signal(false) => anyhow::bail!("{} before all was measured", told?),
            measured = measuring => measured,
        }
    }
}
