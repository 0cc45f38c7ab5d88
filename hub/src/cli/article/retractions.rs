//! `article retractions`: who has applied what.

use std::collections::BTreeMap;

use clap::Args;
use lianbo_node::cli::{Desk, output, unit_of, units};
use lianbo_node::content::retraction::{self, RetractionView};
use lianbo_node::content::site::{self, SiteView};
use lianbo_node::entry::{Lane, SiteId};
use lianbo_node::scope::{Audience, Reader, may_read};
use serde::Serialize;

use crate::acks::Acks;

/// List the retractions.
#[derive(Clone, Debug, Args)]
pub struct Retractions {
    /// Only those that some site has not applied yet
    #[arg(long)]
    pending: bool,
    /// At most so many, the newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    retraction: RetractionView,
    /// Codes of the units that have confirmed everything up to it.
    applied: Vec<String>,
    /// Codes of the units that may read it and have not.
    pending: Vec<String>,
}

impl Retractions {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let acks = Acks::load(&desk.site.store).await?;
        let mut tx = desk.read().await?;
        let sites = site::all(&mut tx).await?;
        let units = units(&mut tx).await?;
        let mut lines = Vec::new();
        for retraction in retraction::list(&mut tx, desk.reader(), self.limit).await? {
            let line = line(retraction, &sites, desk.own(), &acks);
            if !self.pending || !line.pending.is_empty() {
                lines.push(line);
            }
        }
        let heads = ["retraction", "of", "record", "scope", "reason", "applied", "not yet"];
        desk.out.list(&lines, &heads, "nothing was withdrawn", |it| row(it, &units))
    }
}

/// Who has to apply it: every site that belongs and may read it, but its author, who did, and this hub.
fn line(retraction: RetractionView, sites: &[SiteView], own: SiteId, acks: &Acks) -> Line {
    let audience = Audience { scope: retraction.scope, addressee: retraction.addressee };
    let told = sites.iter().filter(|it| {
        let reader = Reader::site(it.site, it.ceiling, it.ceiling);
        it.revoked.is_none()
            && it.site != own
            && it.site != retraction.site
            && may_read(reader, retraction.site, audience)
    });
    let (applied, pending): (Vec<&SiteView>, Vec<&SiteView>) =
        told.partition(|it| acks.position(it.site, Lane::Control) >= retraction.position);
    let codes = |sites: Vec<&SiteView>| sites.iter().map(|it| it.unit.code.clone()).collect();
    Line { applied: codes(applied), pending: codes(pending), retraction }
}

fn row(it: &Line, units: &BTreeMap<SiteId, String>) -> Vec<String> {
    let of = &it.retraction;
    vec![
        output::short(of.hash),
        unit_of(units, of.site),
        of.record.map_or_else(|| "-".to_owned(), output::short),
        of.scope.to_string(),
        of.reason.clone(),
        it.applied.join(" "),
        it.pending.join(" "),
    ]
}
