//! `article retract`, and the same for notices.

use std::collections::BTreeMap;

use clap::Args;

use super::{Id, find};
use crate::cli::desk::refused;
use crate::cli::{Desk, advise, check_reason};
use crate::content::article;
use crate::content::retraction::{MAX_TARGETS, Retraction, Target};
use crate::content::{Record, release};
use crate::entry::{RecordId, SiteId};
use crate::ingest::{Draft, PlanError, Written};
use crate::scope::Audience;
use crate::store::Tx;

/// Withdraw an article.
#[derive(Clone, Debug, Args)]
pub struct Retract {
    #[command(flatten)]
    id: Id,
    /// Why, as readers may be told, up to 200 characters
    #[arg(long)]
    reason: String,
}

impl Retract {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        check_reason(&self.reason)?;
        let (own, reader) = (desk.own(), desk.reader());
        let written = desk
            .write(move |tx| {
                Box::pin(async move {
                    let (site, id) = find(tx, reader, &self.id.id).await?;
                    withdraw(tx, own, site, id, &self.reason).await
                })
            })
            .await?;
        withdrawn(desk, &written)
    }
}

/// What is said after a retraction.
pub fn withdrawn(desk: &Desk, written: &[Written]) -> anyhow::Result<()> {
    let hashes: Vec<_> = written.iter().map(|it| it.hash).collect();
    desk.out.either(&serde_json::json!({ "retractions": hashes }), || {
        "withdrawn here; other sites follow as they connect".to_owned()
    })
}

/// The retractions that withdraw an article or a notice: one for each audience its revisions went to. Of
/// another site's record, what this site itself released is withdrawn.
pub async fn withdraw(
    tx: &mut Tx,
    own: SiteId,
    site: SiteId,
    id: RecordId,
    reason: &str,
) -> Result<Vec<Draft>, PlanError> {
    let (targets, record) = if site == own {
        (article::live_targets(tx, site, id).await?, Some(id))
    } else {
        (release::live_of(tx, own, site, id).await?, None)
    };
    if targets.is_empty() {
        let (what, next) = if site == own {
            ("nothing of it is left to withdraw", "see `list` for what is there")
        } else {
            (
                "it is another site's, and this site has not released it",
                "only its author withdraws it; ask the unit that wrote it",
            )
        };
        return Err(refused(advise(what, next)));
    }
    let mut by_audience: BTreeMap<Audience, Vec<Target>> = BTreeMap::new();
    for target in targets {
        by_audience.entry(target.log.audience).or_default().push(target);
    }
    let drafts = by_audience.into_iter().flat_map(|(audience, targets)| {
        let parts: Vec<Draft> = targets
            .chunks(MAX_TARGETS)
            .map(|targets| {
                let reason = reason.to_owned();
                let retraction = Retraction { targets: targets.to_vec(), record, reason };
                Draft::new(audience, Record::Retraction(retraction))
            })
            .collect();
        parts
    });
    Ok(drafts.collect())
}
