//! `revoke`: a unit's site, or a harvester, no longer belongs.

use clap::Args;
use lianbo_node::cli::{Desk, advise, refused};
use lianbo_node::content::Record;
use lianbo_node::content::harvester::{self, Harvester};
use lianbo_node::content::site::{self, Revocation};
use lianbo_node::entry::SiteId;
use lianbo_node::ingest::{Draft, PlanError};
use lianbo_node::scope::Audience;
use lianbo_node::store::Tx;

/// End the membership of a unit's site or of a harvester: its connections are cut within a second, its certificate is refused
#[derive(Clone, Debug, Args)]
pub struct Command {
    /// Code of the unit or the harvester
    code: String,
    /// Why, up to 200 characters
    #[arg(long)]
    reason: String,
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let (own, code) = (desk.own(), self.code.clone());
        lianbo_node::cli::check_reason(&self.reason)?;
        desk.write(move |tx| {
            Box::pin(async move {
                let (site, audience) = whom(tx, own, &self.code).await?;
                let revocation = Revocation { site, reason: self.reason };
                Ok(vec![Draft::new(audience, Record::Revocation(revocation))])
            })
        })
        .await?;
        desk.out.either(&serde_json::json!({ "revoked": code }), || {
            format!("{code} no longer belongs; a new `invite` makes room for another one")
        })
    }
}

/// The site or the harvester with this code, and whom its revocation is for: whoever knows that it belonged has to
/// know that it no longer does.
async fn whom(tx: &mut Tx, own: SiteId, code: &str) -> Result<(SiteId, Audience), PlanError> {
    let no = |what: String| {
        refused(advise(
            what,
            "see `sites` for the units there are, `harvesters` for the harvesters",
        ))
    };
    let (unit, harvester) = (site::by_code(tx, code).await?, harvester::by_code(tx, code).await?);
    let known = unit.is_some() || harvester.is_some();
    if let Some(view) = unit.filter(|view| view.revoked.is_none()) {
        if view.site == own {
            return Err(no("a hub does not revoke itself".to_owned()));
        }
        return Ok((view.site, Audience::all(view.scope)));
    }
    match harvester.filter(|view| view.revoked.is_none()) {
        Some(view) => Ok((SiteId(view.id.0), Harvester::AUDIENCE)),
        None if known => Err(no(format!("{code} is revoked already"))),
        None => Err(no(format!("no unit and no harvester {code} has joined"))),
    }
}
