//! `column`: the site's columns (栏目).

use clap::{Args, Subcommand};

use super::desk::refused;
use super::{Desk, advise};
use crate::content::Record;
use crate::content::column::{self, Column};
use crate::ingest::Draft;
use crate::scope::{Audience, Scope};

/// The verbs.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Add a column, or with --replace describe one anew
    Add(Add),
    /// List the columns of every site known here
    List,
}

/// Add a column.
#[derive(Clone, Debug, Args)]
pub struct Add {
    /// Short name in addresses: lower-case letters, digits and hyphens
    slug: String,
    /// Name shown, up to 60 characters
    #[arg(long)]
    name: String,
    /// One sentence on what the column holds
    #[arg(long, default_value = "")]
    description: String,
    /// Order among the site's columns, smaller first
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    rank: i32,
    /// How far the description travels: internal, organization or public
    #[arg(long, default_value = "organization")]
    scope: Scope,
    /// Keeps its articles and takes no new ones
    #[arg(long)]
    closed: bool,
    /// Describe a column anew that is there already
    #[arg(long)]
    replace: bool,
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match self {
            Self::Add(it) => add(it, desk).await,
            Self::List => list(desk).await,
        }
    }
}

async fn add(it: Add, desk: &Desk) -> anyhow::Result<()> {
    let column = Column {
        slug: it.slug,
        name: it.name,
        description: it.description,
        rank: it.rank,
        closed: it.closed,
    };
    column.check()?;
    let (own, slug) = (desk.own(), column.slug.clone());
    let audience = Audience::all(it.scope);
    desk.write(move |tx| {
        Box::pin(async move {
            if !it.replace && column::get(tx, own, &column.slug).await?.is_some() {
                let what = format!("there is a column {} already", column.slug);
                return Err(refused(advise(what, "describe it anew with --replace")));
            }
            Ok(vec![Draft::new(audience, Record::Column(column))])
        })
    })
    .await?;
    desk.out.either(&serde_json::json!({ "site": own, "slug": slug }), || slug.clone())
}

async fn list(desk: &Desk) -> anyhow::Result<()> {
    let mut tx = desk.read().await?;
    let columns = column::list(&mut tx, desk.reader(), None).await?;
    let units = super::units(&mut tx).await?;
    let heads = ["column", "name", "unit", "scope", "rank", "description"];
    desk.out.list(&columns, &heads, "no columns yet: add one with `column add`", |it| {
        let closed = if it.closed { " (closed)" } else { "" };
        vec![
            it.slug.clone(),
            format!("{}{closed}", it.name),
            super::unit_of(&units, it.site),
            it.scope.to_string(),
            it.rank.to_string(),
            it.description.clone(),
        ]
    })
}
