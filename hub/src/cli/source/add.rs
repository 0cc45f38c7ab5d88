//! `source add`.

use clap::Args;
use lianbo_node::cli::{Desk, advise, usage};
use lianbo_node::content::column;
use lianbo_node::scope::Scope;

use super::registry;
use crate::sources::Source;

/// Add a source: the address of an RSS, Atom or JSON feed.
///
/// A running hub polls it at once and then by itself. Its articles are the hub's own, bear the source's name (来源), the
/// address of the original and its date, and stand in one of the hub's columns.
#[derive(Clone, Debug, Args)]
pub struct Add {
    /// Short name in commands: lower-case letters, digits and hyphens. Articles are named after it: after a source was
    /// lost, add it under the same name, and nothing comes twice
    source: String,
    /// Address of the feed
    #[arg(long)]
    url: String,
    /// Name shown as the articles' source (来源), up to 100 characters
    #[arg(long)]
    name: String,
    /// Column of this hub its articles stand in: the short name
    #[arg(long, value_name = "SLUG")]
    column: String,
    /// How far its articles travel: internal (部内) or organization (专网)
    #[arg(long, default_value = "organization")]
    scope: Scope,
    /// Minutes between polls, 5 to 10080
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    every: u32,
    /// Describe anew a source that is there already; what it holds now counts as usual then
    #[arg(long)]
    replace: bool,
}

impl Add {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        if self.scope == Scope::Public {
            return Err(usage(
                "what a hub gathers goes to the internet by the word of two persons, article by article",
                "gather with --scope organization, then: article release ID --scope public --approved-by A \
                 --approved-by B",
            )
            .into());
        }
        let source = Source {
            source: self.source,
            name: self.name.trim().to_owned(),
            url: self.url.trim().to_owned(),
            column: self.column,
            scope: self.scope,
            every_ms: i64::from(self.every) * 60_000,
            paused: false,
            created_ms: desk.now(),
        };
        source.check().map_err(|bad| usage(bad, "see `source add --help`"))?;
        let slug = &source.column;
        match column::get(&mut desk.read().await?, desk.own(), slug).await? {
            Some(column) if !column.closed => {}
            Some(_) => {
                let next = "choose another (`column list`), or open it: column add … --replace";
                return Err(advise(format!("the column {slug} is closed"), next).into());
            }
            None => {
                let next = "see `column list`, or add it: column add SLUG --name NAME";
                return Err(advise(format!("this hub has no column {slug}"), next).into());
            }
        }
        if !registry(desk).add(&source, self.replace).await? {
            let what = format!("there is a source {} already", source.source);
            return Err(advise(what, "describe it anew with --replace").into());
        }
        desk.out.either(&source, || source.source.clone())
    }
}
