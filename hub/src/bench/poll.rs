//! A hub polls many sources: all that they have, and then, when nothing has changed, once more.

use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use lianbo_node::content::Record;
use lianbo_node::content::article::Article;
use lianbo_node::content::column::Column;
use lianbo_node::ingest::Draft;
use lianbo_node::journal;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Store;
use serde::Deserialize;

use super::Bench;
use super::county::{County, address};
use super::feeds::Feeds;
use crate::local::processes::ask;

/// How much is polled.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Sources, each a feed of its own
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = super::count(1..=10_000))]
    feeds: usize,
    /// Items of each feed
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = super::count(1..=500))]
    items: usize,
    /// Polls of what has not changed; the figure is that of the fastest
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = super::count(1..=100))]
    runs: usize,
}

/// What `source poll` tells.
#[derive(Debug, Deserialize)]
struct Told {
    sources: usize,
    unchanged: usize,
    failed: usize,
    new: usize,
    seconds: f64,
}

/// Measures it.
pub(crate) async fn run(options: &Options, bench: &Bench) -> anyhow::Result<()> {
    let Options { feeds: count, items, runs } = *options;
    let report = &bench.report;
    report.note(&format!("{count} feeds of {items} items"));
    let mut writer = bench.texts.writer(0, count * items);
    let articles: Vec<Vec<Article>> =
        (0..count).map(|_| (0..items).map(|_| writer.article()).collect()).collect();
    let feeds = Feeds::serve(&articles).await?;
    drop(articles);
    let county = County::found(bench).await?;
    open_column(&county).await?;
    for n in 0..count {
        let (source, name, url) = (format!("feed-{n}"), format!("乡镇{n}"), feeds.url(n));
        let add = ["source", "add", &source, "--url", &url, "--name", &name, "--column", "news"];
        hub(&county, &add).await?;
    }
    let before = held(&county).await?;
    bench.floor("before").await?;

    let begun = Instant::now();
    let first = poll(&county).await?;
    let command = begun.elapsed().as_secs_f64();
    let kept = held(&county).await? - before;
    anyhow::ensure!(
        first.failed == 0 && first.new == count * items && kept >= i64::try_from(first.new)?,
        "{kept} entries were kept of {} items: {first:?}",
        count * items
    );
    let (whole, _) = feeds.answered();
    let mut best: Option<Told> = None;
    for _ in 0..runs {
        let told = poll(&county).await?;
        anyhow::ensure!(told.unchanged == count && told.new == 0, "not unchanged: {told:?}");
        if best.as_ref().is_none_or(|best| told.seconds < best.seconds) {
            best = Some(told);
        }
    }
    let best = best.context("no runs")?;
    anyhow::ensure!(
        feeds.answered() == (whole, runs * count) && whole == count,
        "whole and unchanged answers of the feeds' server: {:?}",
        feeds.answered()
    );
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let (count, new) = (best.sources as f64, first.new as f64);
    report.figure("first_feeds_per_second", count / first.seconds, "1/s")?;
    report.figure("first_items_per_second", new / first.seconds, "1/s")?;
    report.figure("first_seconds", first.seconds, "s")?;
    report.figure("first_command_seconds", command, "s")?;
    report.figure("unchanged_feeds_per_second", count / best.seconds, "1/s")?;
    report.figure("unchanged_seconds", best.seconds, "s")?;
    bench.floor("after").await
}

async fn poll(county: &County) -> anyhow::Result<Told> {
    let told = hub(county, &["source", "poll", "--all", "--no-pacing"]).await?;
    serde_json::from_value(told).context("`source poll` told something else")
}

/// Runs a command of the hub's own program.
async fn hub(county: &County, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
    let program = std::env::current_exe()?;
    ask(&program, county.folder(), arguments, "").await
}

/// Entries in the journal.
async fn held(county: &County) -> anyhow::Result<i64> {
    let store = Store::open(&address(county.folder())).await?;
    let end = journal::end(&mut store.read().await?).await;
    store.close().await;
    Ok(end?.position)
}

/// Where the items stand.
async fn open_column(county: &County) -> anyhow::Result<()> {
    let (slug, name) = ("news".to_owned(), "新闻时事".to_owned());
    let column = Column { slug, name, description: String::new(), rank: 1, closed: false };
    let audience = Audience::all(Scope::Organization);
    county.write(vec![Draft::new(audience, Record::Column(column))]).await
}
