//! `resume`: the operator's word that a restored site may sign again (rule 8).

use clap::Args;

use super::{Desk, advise};
use crate::journal::{Meta, Standing};

/// Let a site sign again whose data may be older than what others hold: begins a new life of its data
#[derive(Clone, Debug, Args)]
pub struct Command {
    /// Begin a new life of the data even though this site may sign
    #[arg(long)]
    force: bool,
}

impl Command {
    /// Runs it; the facts as they are now.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<Meta> {
        let mut tx = desk.site.store.write().await?;
        let mut meta = Meta::load(&mut tx).await?.ok_or(crate::lifecycle::OpenError::Empty)?;
        if meta.standing == Standing::Ready && !self.force {
            let next = "nothing is to be done; --force begins a new life of the data all the same";
            return Err(advise("this site may sign already", next).into());
        }
        meta.renew(&mut rand::rng());
        meta.save(&mut tx).await?;
        tx.commit().await?;
        let value = serde_json::json!({
            "site": meta.site,
            "incarnation": meta.incarnation,
            "epoch": meta.epoch,
        });
        desk.out.either(&value, || {
            format!(
                "this site signs again, as incarnation {} (epoch {})",
                meta.incarnation, meta.epoch
            )
        })?;
        Ok(meta)
    }
}
