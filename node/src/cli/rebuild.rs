//! `rebuild-views`: the tables behind pages and lists, folded anew.

use clap::Args;

use super::{Bar, Desk, note};
use crate::ingest::rebuild_views;

/// Fold everything shown (lists, pages, who belongs, what is withdrawn) anew from the journal
#[derive(Clone, Debug, Args)]
pub struct Command {}

impl Command {
    /// Runs it. Readers see the old views until the new ones stand; writers wait.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let bar = Bar::new("folding");
        let rebuilt = rebuild_views(&desk.site.store, &mut |done, all| bar.show(done, all)).await?;
        drop(bar);
        if !rebuilt.unchanged {
            note(
                "the views were not what the journal says; they are now. `verify` tells whether the journal is whole",
            );
        }
        let value =
            serde_json::json!({ "entries": rebuilt.entries, "unchanged": rebuilt.unchanged });
        desk.out.either(&value, || {
            let outcome = if rebuilt.unchanged { "as before" } else { "corrected" };
            format!("{} entries folded, views {outcome}", rebuilt.entries)
        })
    }
}
