//! `notice read` and `notice sign`: the unit's word (签收) to the notice's author.

use clap::Args;

use crate::cli::article::{Id, not_found};
use crate::cli::desk::refused;
use crate::cli::{Desk, advise};
use crate::content::Record;
use crate::content::notice;
use crate::content::receipt::{Receipt, Stage};
use crate::entry::RecordId;
use crate::ingest::{Draft, PlanError};
use crate::scope::Audience;

/// Tell that a notice was read.
#[derive(Clone, Debug, Args)]
pub struct Read {
    #[command(flatten)]
    id: Id,
}

/// Sign for a notice.
#[derive(Clone, Debug, Args)]
pub struct Sign {
    #[command(flatten)]
    id: Id,
    /// Who signs, up to 60 characters
    #[arg(long, value_name = "NAME")]
    person: String,
}

impl Read {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        tell(desk, self.id, Stage::Read, String::new()).await
    }
}

impl Sign {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        tell(desk, self.id, Stage::Signed, self.person).await
    }
}

/// Writes the receipt, unless as much was said before: then nothing is to be done.
async fn tell(desk: &Desk, id: Id, stage: Stage, person: String) -> anyhow::Result<()> {
    let (own, reader, now) = (desk.own(), desk.reader(), desk.now());
    let written = desk
        .write(move |tx| {
            Box::pin(async move {
                let (site, notice) = notice::find(tx, reader, &id.id).await.map_err(not_found)?;
                if site == own {
                    let next = "`notice status` tells which units have signed";
                    return Err(refused(advise("this is a notice of this site itself", next)));
                }
                let receipt = Receipt { site, notice, stage, person, at_ms: now };
                receipt.check().map_err(refused)?;
                let told = notice::receipts(tx, reader, site, notice).await?;
                if told.iter().any(|it| it.site == own && it.stage >= stage) {
                    return Ok(Vec::new());
                }
                let view = notice::get(tx, reader, site, notice).await?;
                let scope = view.ok_or_else(|| gone(notice))?.line.scope;
                // As far as the notice itself: whoever carried it here may carry the answer back.
                Ok(vec![Draft::new(Audience::direct(scope, site), Record::Receipt(receipt))])
            })
        })
        .await?;
    let value = serde_json::json!({ "stage": stage, "written": !written.is_empty() });
    desk.out.either(&value, || {
        if written.is_empty() {
            format!("{} was told before", stage.zh())
        } else {
            format!("{}: told to the notice's author as soon as the hub is reached", stage.zh())
        }
    })
}

fn gone(notice: RecordId) -> PlanError {
    refused(advise(format!("the notice {notice} was withdrawn"), "see `notice list`"))
}
