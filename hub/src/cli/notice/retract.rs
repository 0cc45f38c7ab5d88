//! `notice retract`.

use clap::Args;
use lianbo_node::cli::article::{Id, not_found, withdraw, withdrawn};
use lianbo_node::cli::{Desk, check_reason};
use lianbo_node::content::notice;

/// Withdraw a notice.
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
                    let (site, id) =
                        notice::find(tx, reader, &self.id.id).await.map_err(not_found)?;
                    withdraw(tx, own, site, id, &self.reason).await
                })
            })
            .await?;
        withdrawn(desk, &written)
    }
}
