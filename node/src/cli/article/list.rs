//! `article list`.

use clap::Args;

use super::standing::{OwnStanding, Stood, of_own};
use crate::cli::output::short;
use crate::cli::{Desk, advise, time};
use crate::content::article::{self, ArticleFilter, ArticleLine};
use crate::content::site;

/// List the articles held here, the newest first.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Only those in this column
    #[arg(long, value_name = "SLUG")]
    column: Option<String>,
    /// Only those of this unit
    #[arg(long, value_name = "CODE", conflicts_with = "own")]
    unit: Option<String>,
    /// Only those written here
    #[arg(long)]
    own: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
    /// Without the first so many
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    offset: i64,
}

impl List {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let mut tx = desk.read().await?;
        let site = match &self.unit {
            Some(code) => Some(
                site::by_code(&mut tx, code)
                    .await?
                    .ok_or_else(|| {
                        advise(format!("no unit {code} is known here"), "give a unit's code")
                    })?
                    .site,
            ),
            None => self.own.then(|| desk.own()),
        };
        let filter = ArticleFilter {
            site,
            column: self.column,
            limit: self.limit,
            offset: self.offset,
            ..ArticleFilter::default()
        };
        let articles = article::list(&mut tx, desk.reader(), &filter).await?;
        let mut standings = of_own(desk, &mut tx, articles.iter()).await?;
        let stood = articles.into_iter().map(|shown| {
            let own = shown.site == desk.own();
            let standing = if own { standings.remove(&shown.id) } else { None };
            Stood { shown, standing }
        });
        let heads = ["id", "published", "scope", "unit", "column", "title", "standing"];
        let stood: Vec<_> = stood.collect();
        desk.out.list(&stood, &heads, "no articles here yet", row)
    }
}

fn row(it: &Stood<ArticleLine>) -> Vec<String> {
    let Stood { shown: it, standing } = it;
    let withdrawn = it.origin_withdrawn.then(|| "the original is withdrawn".to_owned());
    let standing = withdrawn.into_iter().chain(standing.as_ref().map(OwnStanding::words));
    let standing = standing.collect::<Vec<_>>().join(", ");
    let revised = if it.revised { " (revised)" } else { "" };
    let unit = if it.unit_name.is_empty() { short(it.site) } else { it.unit_name.clone() };
    vec![
        short(it.id),
        time::beijing_text(it.published_ms),
        it.scope.to_string(),
        unit,
        it.column_name.clone(),
        format!("{}{revised}", it.title),
        standing,
    ]
}
