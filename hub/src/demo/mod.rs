//! A county on one machine, to be seen and tried: real processes, driven through their own command lines.

mod check;
mod county;
mod expect;
mod guide;
mod live;
mod plant;
mod script;
mod settle;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lianbo_node::cli::print;
use lianbo_node::ops;

use crate::local::fetch::Fetch;
use crate::local::processes::Programs;
use county::{County, Folder};
use live::View;

/// Longest `--check` may take.
const LIMIT: Duration = Duration::from_mins(1);

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
    let began = Instant::now();
    let programs = Programs::find()?;
    let folder = Folder::make(options.keep.as_deref())?;
    let mut county = County::new(programs);
    let outcome = tokio::select! {
        told = ops::stop_signal(false) => match told {
            Ok(signal) if options.check => Err(anyhow::anyhow!("{signal} before all was checked")),
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        },
        outcome = show(&mut county, &folder, &options, began) => outcome,
    };
    // A program that ended by itself explains more than what was missed of it.
    let outcome = match (outcome, county.check_alive()) {
        (Err(error), Err(ended)) => Err(error.context(ended)),
        (outcome, _) => outcome,
    };
    let stopped = county.stop().await;
    let kept = match &folder {
        Folder::Kept(path) => format!("stopped; kept in {}\n", path.display()),
        Folder::Passing(_) => "stopped; nothing is left behind\n".to_owned(),
    };
    let closed = folder.close();
    outcome?;
    stopped?;
    closed?;
    Ok(print::text(&kept)?)
}

async fn show(
    county: &mut County,
    folder: &Folder,
    options: &Options,
    began: Instant,
) -> anyhow::Result<()> {
    let fetch = Fetch::new();
    if options.check {
        let all = async {
            print::text("a county hub and three nodes start …\n")?;
            county.raise(folder.path()).await?;
            print::text("articles and notices are written …\n")?;
            let planted = plant::plant(county, &fetch).await?;
            print::text("what is on its way arrives …\n")?;
            check::check(county, &fetch, planted, began).await
        };
        let late = || format!("not everything had come within {LIMIT:?}");
        return tokio::time::timeout(LIMIT, all).await.with_context(late)?;
    }
    print::text("a county hub and three nodes start …\n")?;
    county.raise(folder.path()).await?;
    print::text("articles and notices travel:\n")?;
    let mut view = View::default();
    let planted = view.watch(county, plant::plant(county, &fetch)).await?;
    print::text(&guide::guide(county, &planted)?)?;
    view.watch_and_write(county).await
}
