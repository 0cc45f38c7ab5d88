//! `source list`.

use lianbo_node::cli::{Desk, time};

use super::{registry, standing};
use crate::sources::Watched;

pub(super) async fn run(desk: &Desk) -> anyhow::Result<()> {
    let sources = registry(desk).list().await?;
    let heads = [
        "source",
        "name",
        "column",
        "scope",
        "standing",
        "items",
        "last good",
        "last new",
        "error",
    ];
    desk.out.list(&sources, &heads, "no sources yet: add one with `source add`", row)
}

fn row(it: &Watched) -> Vec<String> {
    vec![
        it.source.source.clone(),
        it.source.name.clone(),
        it.source.column.clone(),
        it.source.scope.to_string(),
        standing(it).to_owned(),
        it.poll.items.to_string(),
        time::or_dash(it.poll.good_ms),
        time::or_dash(it.poll.new_ms),
        it.poll.error.clone(),
    ]
}
