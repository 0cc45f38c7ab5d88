//! What happens, as it happens: arrivals at every site, receipts, links; and a short new piece now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use lianbo_node::cli::{output, print, time};
use lianbo_node::clock::{Clock as _, SystemClock};
use lianbo_node::content::article::{self, ArticleFilter};
use lianbo_node::content::receipt::Stage;
use lianbo_node::content::{notice, retraction};
use lianbo_node::entry::{RecordId, SiteId};
use lianbo_node::journal;
use lianbo_node::scope::Reader;
use rand::RngExt as _;

use super::county::{County, SiteHere};
use super::plant::write;
use super::province::Harvested;
use super::script::{LIVE, Piece, Place};

/// How often the stores are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The same while everything is written.
const OFTEN: Duration = Duration::from_millis(100);
/// Beijing's clock is so much ahead of UTC, all year.
const BEIJING_MS: i64 = 8 * 3_600_000;
/// A new piece every so many looks.
const PIECE_EVERY: usize = 12;
/// Newest things looked at.
const LOOK: i64 = 200;

/// What has been shown already.
#[derive(Debug, Default)]
pub(super) struct View {
    seen: BTreeMap<Place, i64>,
    links: BTreeMap<Place, String>,
    receipts: BTreeSet<(RecordId, SiteId, Stage)>,
    titles: BTreeMap<RecordId, String>,
    harvested: BTreeMap<PathBuf, Harvested>,
}

impl View {
    /// Shows what happens while `work` is done.
    pub(super) async fn watch<T>(
        &mut self,
        county: &County,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            // Looked to the end each time: a line is shown once.
            let done = tokio::time::timeout(OFTEN, &mut work).await;
            self.look(county).await?;
            if let Ok(done) = done {
                return done;
            }
        }
    }

    /// Shows what happens, with a new piece at a random node now and then; fails where a program ends.
    pub(super) async fn watch_and_write(&mut self, county: &mut County) -> anyhow::Result<()> {
        let mut next = rand::rng().random_range(0..LIVE.len());
        for count in 1_usize.. {
            county.check_alive()?;
            self.look(county).await?;
            if count.is_multiple_of(PIECE_EVERY) {
                let (author, column, title, text) = LIVE[next % LIVE.len()];
                let piece = Piece { author, column, title, text, hours: 0, ..Piece::PLAIN };
                write(county, &piece).await?;
                // Any of the others: never the same twice in a row.
                next += rand::rng().random_range(1..LIVE.len());
            }
            tokio::time::sleep(EVERY).await;
        }
        Ok(())
    }

    async fn look(&mut self, county: &County) -> anyhow::Result<()> {
        for (place, site) in &county.sites {
            let lines = self.look_at(county, *place, site).await?;
            print::text(&lines)?;
        }
        print::text(&self.look_above(county)?)?;
        Ok(())
    }

    /// What the province has taken over since the last look.
    fn look_above(&mut self, county: &County) -> anyhow::Result<String> {
        let mut lines = String::new();
        for (path, it) in county.province()?.all()? {
            if self.harvested.get(&path) == Some(&it) {
                continue;
            }
            let (what, title) = match (&it, self.harvested.get(&path)) {
                (Harvested::Article(title), _) => ("harvested", title.as_str()),
                (_, Some(Harvested::Article(title))) => ("withdrawn", title.as_str()),
                _ => ("withdrawn", "never had here"),
            };
            lines.push_str(&line("province", what, &format!("《{title}》")));
            self.harvested.insert(path, it);
        }
        Ok(lines)
    }

    async fn look_at(
        &mut self,
        county: &County,
        place: Place,
        site: &SiteHere,
    ) -> anyhow::Result<String> {
        let reader = Reader::desk(site.id);
        let mut tx = site.store.read().await?;
        let mut lines = Vec::new();
        if let Some(link) = journal::link_state(&mut tx).await?
            && self.links.get(&place) != Some(&link.state)
        {
            lines.push((0, "link", link.state.clone()));
            self.links.insert(place, link.state);
        }
        let seen = self.seen.get(&place).copied().unwrap_or(0);
        let end = journal::end(&mut tx).await?.position;
        if end > seen {
            let filter = ArticleFilter { limit: LOOK, ..ArticleFilter::default() };
            for it in article::list(&mut tx, reader, &filter).await? {
                self.titles.insert(it.id, it.title.clone());
                if it.position > seen {
                    let what = match () {
                        () if it.released() => "release",
                        () if it.site == site.id && it.revised => "revised",
                        () if it.site == site.id => "written",
                        () => "article",
                    };
                    let by = if it.unit_name.is_empty() { "?" } else { &it.unit_name };
                    lines.push((it.position, what, format!("《{}》 {by}, {}", it.title, it.scope)));
                }
            }
            for it in notice::list(&mut tx, reader, LOOK).await? {
                self.titles.insert(it.id, it.title.clone());
                if it.position > seen {
                    lines.push((
                        it.position,
                        "notice",
                        format!("《{}》 {}", it.title, it.unit_name),
                    ));
                }
                if place == Place::Hub {
                    for told in notice::receipts(&mut tx, reader, it.site, it.id).await? {
                        if self.receipts.insert((it.id, told.site, told.stage)) {
                            let unit = county.place_of(told.site).map_or("?", Place::name);
                            let stage = told.stage.zh();
                            lines.push((end, "receipt", format!("{unit} {stage}《{}》", it.title)));
                        }
                    }
                }
            }
            for it in retraction::list(&mut tx, reader, LOOK).await? {
                if it.position > seen {
                    let what = match it.record.map(|id| self.titles.get(&id)) {
                        Some(Some(title)) => format!("《{title}》"),
                        Some(None) => "(never held here)".to_owned(),
                        None => "(what the hub had released of it)".to_owned(),
                    };
                    lines.push((it.position, "withdrawn", format!("{what} {}", it.reason)));
                }
            }
            self.seen.insert(place, end);
        }
        lines.sort();
        Ok(lines.iter().map(|(_, what, text)| line(place.short(), what, text)).collect())
    }
}

/// One line of what happens.
fn line(who: &str, what: &str, text: &str) -> String {
    let now = time::rfc3339(SystemClock.now() + BEIJING_MS);
    let clock = now.get(11..19).unwrap_or_default();
    format!("{clock}  {who:9} {what:9} {}\n", output::plain(text))
}
