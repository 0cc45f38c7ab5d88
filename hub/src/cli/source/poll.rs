//! `source poll`.

use clap::Args;
use lianbo_node::cli::{Desk, advise, note};
use serde::Serialize;
use tokio::time::Instant;

use super::{find, registry};
use crate::config::{HubConfig, SourcesConfig};
use crate::sources::{Polled, Poller, Standing, Watched};

/// Poll sources now, whether the hub serves or not: those named, with --all every one that is not paused, otherwise what is
/// due. Fails if a source that was named fails.
#[derive(Clone, Debug, Args)]
pub struct Poll {
    /// Short names
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// Every source that is not paused, due or not
    #[arg(long, conflicts_with = "sources")]
    all: bool,
    /// Ask one host as often as it answers: for measuring against a host of one's own
    #[arg(long)]
    no_pacing: bool,
}

/// How it went, all in all.
#[derive(Debug, Default, Serialize)]
struct Summary {
    sources: usize,
    unchanged: usize,
    failed: usize,
    items: usize,
    new: usize,
    changed: usize,
    withdrawn: usize,
    skipped: usize,
    seconds: f64,
    sources_per_second: f64,
    polls: Vec<Polled>,
}

impl Poll {
    pub(super) async fn run(self, desk: &Desk, config: &HubConfig) -> anyhow::Result<()> {
        let named = !self.sources.is_empty();
        let wanted = self.wanted(desk).await?;
        let mut setup: SourcesConfig = config.sources.clone();
        if self.no_pacing {
            setup.pace_seconds = 0;
        }
        let (door, clock) = (desk.site.door.clone(), desk.site.clock.clone());
        let poller = Poller::new(registry(desk), door, desk.own(), clock, &setup)?;
        let begun = Instant::now();
        let polls = poller.poll(wanted).await?;
        let summary = Summary::of(polls, begun.elapsed().as_secs_f64());
        let failed = summary.polls.iter().find(|it| !it.error.is_empty());
        let failed = failed.map(|it| format!("{}: {}", it.source, it.error));
        for it in summary.polls.iter().filter(|it| it.standing.alarms()) {
            let why =
                if it.error.is_empty() { format!("{} items", it.items) } else { it.error.clone() };
            note(&format!("{}: {}: {why}", it.source, it.standing.as_str()));
        }
        desk.out.either(&summary, || summary.text())?;
        match failed {
            Some(failed) if named => Err(advise(failed, "see `source show`").into()),
            _ => Ok(()),
        }
    }

    async fn wanted(&self, desk: &Desk) -> anyhow::Result<Vec<Watched>> {
        if self.sources.is_empty() {
            let now = desk.now();
            let mut all = registry(desk).list().await?;
            all.retain(|it| !it.source.paused && (self.all || it.poll.due_ms <= now));
            return Ok(all);
        }
        let mut wanted: Vec<Watched> = Vec::new();
        for source in &self.sources {
            if wanted.iter().all(|it| it.source.source != *source) {
                wanted.push(find(desk, source).await?);
            }
        }
        Ok(wanted)
    }
}

impl Summary {
    fn of(mut polls: Vec<Polled>, seconds: f64) -> Self {
        polls.sort_by(|a, b| a.source.cmp(&b.source));
        let mut sum = Self { sources: polls.len(), seconds, ..Self::default() };
        for it in &polls {
            sum.unchanged += usize::from(it.unchanged);
            sum.failed += usize::from(matches!(it.standing, Standing::Failing | Standing::Blocked));
            sum.items += it.items;
            sum.new += it.new;
            sum.changed += it.changed;
            sum.withdrawn += it.withdrawn;
            sum.skipped += it.skipped;
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let count = sum.sources as f64;
        sum.sources_per_second = count / seconds.max(1e-6);
        sum.polls = polls;
        sum
    }

    fn text(&self) -> String {
        format!(
            "{} sources ({} unchanged, {} failed): {} new articles, {} revised; {} items skipped, {} withdrawn here \
             before; {:.2} s, {:.0} sources/s",
            self.sources,
            self.unchanged,
            self.failed,
            self.new,
            self.changed,
            self.skipped,
            self.withdrawn,
            self.seconds,
            self.sources_per_second,
        )
    }
}
