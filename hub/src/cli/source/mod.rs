//! `source`: the sources (采集源) this hub gathers from.

mod add;
mod list;
mod pause;
mod poll;
mod remove;
mod show;

use anyhow::Context as _;
use clap::Subcommand;
use lianbo_node::cli::{Advised, Desk, advise};

use crate::config::HubConfig;
use crate::sources::{Registry, Watched};

/// The verbs.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Add a source, or with --replace describe one anew
    Add(add::Add),
    /// List the sources and how each stands
    List,
    /// Show a source and its last poll
    Show(show::Show),
    /// Poll sources now: those named, all of them, or what is due
    Poll(poll::Poll),
    /// Pause a source, or with --off go on polling it
    Pause(pause::Pause),
    /// Forget a source; its articles stay
    Remove(remove::Remove),
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk, config: &HubConfig) -> anyhow::Result<()> {
        match self {
            Self::Add(it) => it.run(desk).await,
            Self::List => list::run(desk).await,
            Self::Show(it) => it.run(desk).await,
            Self::Poll(it) => it.run(desk, config).await,
            Self::Pause(it) => it.run(desk).await,
            Self::Remove(it) => it.run(desk).await,
        }
    }
}

fn registry(desk: &Desk) -> Registry {
    Registry::new(desk.site.store.clone())
}

/// The source of this name.
async fn find(desk: &Desk, source: &str) -> anyhow::Result<Watched> {
    let found = registry(desk).get(source).await.context("the sources cannot be read")?;
    Ok(found.ok_or_else(|| unknown(source))?)
}

fn unknown(source: &str) -> Advised {
    advise(format!("there is no source {source}"), "see `source list`")
}

/// How it stands, for people.
fn standing(watched: &Watched) -> &'static str {
    if watched.source.paused { "paused" } else { watched.poll.standing.as_str() }
}
