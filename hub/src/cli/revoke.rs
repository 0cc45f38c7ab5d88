//! `revoke`: a unit's site no longer belongs.

use clap::Args;
use lianbo_node::cli::{Desk, advise, refused};
use lianbo_node::content::Record;
use lianbo_node::content::site::{self, Revocation};
use lianbo_node::ingest::Draft;
use lianbo_node::scope::Audience;

/// End the membership of a unit's site: its connections are cut within a second, its certificate is refused
#[derive(Clone, Debug, Args)]
pub struct Command {
    /// Code of the unit
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
                let known = "see `sites` for the units there are";
                let Some(view) = site::by_code(tx, &self.code).await? else {
                    return Err(refused(advise(
                        format!("no unit {} has joined", self.code),
                        known,
                    )));
                };
                if view.revoked.is_some() {
                    let what = format!("the site of {} is revoked already", self.code);
                    return Err(refused(advise(what, known)));
                }
                if view.site == own {
                    return Err(refused(advise("a hub does not revoke itself", known)));
                }
                let revocation = Revocation { site: view.site, reason: self.reason };
                // Whoever knows that it belonged has to know that it no longer does.
                Ok(vec![Draft::new(Audience::all(view.scope), Record::Revocation(revocation))])
            })
        })
        .await?;
        desk.out.either(&serde_json::json!({ "revoked": code }), || {
            format!(
                "{code} no longer belongs; a new `invite` makes room for another site of this unit"
            )
        })
    }
}
