//! `source show`.

use clap::Args;
use lianbo_node::cli::{Desk, output, time};

use super::{find, standing};

/// Show a source and its last poll.
#[derive(Clone, Debug, Args)]
pub struct Show {
    /// Its short name
    source: String,
}

impl Show {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let it = find(desk, &self.source).await?;
        desk.out.either(&it, || {
            let (source, poll) = (&it.source, &it.poll);
            output::facts(&[
                ("source", source.source.clone()),
                ("name", source.name.clone()),
                ("address", source.url.clone()),
                ("column", source.column.clone()),
                ("scope", format!("{} ({})", source.scope, source.scope.zh())),
                ("every", format!("{} minutes", source.every_ms / 60_000)),
                ("added", time::or_dash(Some(source.created_ms))),
                ("standing", standing(&it).to_owned()),
                ("error", if poll.error.is_empty() { "-".to_owned() } else { poll.error.clone() }),
                ("failures", format!("{} in a row", poll.failures)),
                ("items", poll.items.to_string()),
                ("polled", time::or_dash(poll.polled_ms)),
                ("last good", time::or_dash(poll.good_ms)),
                ("last new", time::or_dash(poll.new_ms)),
                (
                    "due",
                    if poll.due_ms == 0 {
                        "now".to_owned()
                    } else {
                        time::or_dash(Some(poll.due_ms))
                    },
                ),
            ])
        })
    }
}
