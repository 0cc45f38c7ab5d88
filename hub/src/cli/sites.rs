//! `sites`: who belongs, and how far each is.

use std::collections::HashMap;

use clap::Args;
use lianbo_node::cli::{Desk, time};
use lianbo_node::content::site::{self, SiteView};
use lianbo_node::entry::{Lane, SiteId};
use lianbo_node::journal;
use serde::Serialize;

use crate::acks::Acks;

/// List the sites beneath this hub: their units, ceilings, when each was last heard and how far behind it is
#[derive(Clone, Debug, Args)]
pub struct Command {}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    site: SiteView,
    /// When it last confirmed something.
    last_heard_ms: Option<i64>,
    /// Entries of this journal, control before content, that it has yet to look at.
    lag_control: i64,
    lag_content: i64,
    /// Places where two branches of its logs are held: two machines wrote as one site.
    forks: usize,
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let store = &desk.site.store;
        let acks = Acks::load(store).await?;
        let mut tx = desk.read().await?;
        let end = journal::end(&mut tx).await?.position;
        let mut forks: HashMap<SiteId, usize> = HashMap::new();
        for (log, _) in journal::forks(&mut tx).await? {
            *forks.entry(log.site).or_default() += 1;
        }
        let lag = |site, lane| end - acks.position(site, lane).min(end);
        let lines: Vec<Line> = site::all(&mut tx)
            .await?
            .into_iter()
            .filter(|it| it.site != desk.own())
            .map(|it| Line {
                last_heard_ms: acks.last_heard(it.site),
                lag_control: lag(it.site, Lane::Control),
                lag_content: lag(it.site, Lane::Content),
                forks: forks.get(&it.site).copied().unwrap_or(0),
                site: it,
            })
            .collect();
        let heads = ["unit", "name", "under", "ceiling", "last heard", "lag", "forks", "site", ""];
        desk.out.list(&lines, &heads, "no site has joined yet: make a token with `invite`", row)
    }
}

fn row(it: &Line) -> Vec<String> {
    let unit = &it.site.unit;
    let lag = if it.site.revoked.is_some() || it.site.hub {
        "-".to_owned()
    } else {
        it.lag_control.max(it.lag_content).to_string()
    };
    vec![
        unit.code.clone(),
        unit.name.clone(),
        unit.parent.clone(),
        it.site.ceiling.to_string(),
        time::or_dash(it.last_heard_ms),
        lag,
        it.forks.to_string(),
        it.site.site.to_string(),
        it.site.revoked.as_ref().map(|why| format!("revoked: {why}")).unwrap_or_default(),
    ]
}
