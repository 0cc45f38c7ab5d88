//! `verify`: whether the journal is as it was written.

use clap::Args;

use super::{Bar, Desk, advise, output};
use crate::ingest::verify_journal;

/// Check every signature, hash and chain of the journal and list what is damaged
#[derive(Clone, Debug, Args)]
pub struct Command {}

impl Command {
    /// Runs it. Damage is a failure.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let bar = Bar::new("verifying");
        let mut entries = 0;
        let damage = verify_journal(&desk.site.store, &mut |done, all| {
            entries = all;
            bar.show(done, all);
        })
        .await?;
        drop(bar);
        let value = serde_json::json!({ "entries": entries, "damage": damage });
        desk.out.either(&value, || {
            if damage.is_empty() {
                return format!("{entries} entries, all as they were written");
            }
            let rows = damage
                .iter()
                .map(|it| {
                    let site = it.site.map(|site| site.to_string()).unwrap_or_default();
                    vec![it.position.to_string(), site, it.seq.to_string(), it.what.clone()]
                })
                .collect();
            output::table(&["position", "site", "seq", "damage"], rows)
        })?;
        if damage.is_empty() {
            return Ok(());
        }
        let next = "restore the data folder from a backup made before the damage; what was written since \
                    comes back from the other sites";
        Err(advise(format!("{} of {entries} entries are damaged", damage.len()), next).into())
    }
}
