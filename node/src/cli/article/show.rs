//! `article show`.

use clap::Args;

use super::Id;
use super::files::size;
use super::standing::{OwnStanding, Stood, of_own};
use crate::cli::output::{facts, plain, short, table};
use crate::cli::{Desk, advise, time};
use crate::content::article::{self, ArticleView};
use crate::content::files::{self, Attached};

/// Show an article.
#[derive(Clone, Debug, Args)]
pub struct Show {
    #[command(flatten)]
    id: Id,
}

impl Show {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let mut tx = desk.read().await?;
        let (site, id) = article::find(&mut tx, desk.reader(), &self.id.id).await?;
        let view = article::get(&mut tx, desk.reader(), site, id)
            .await?
            .ok_or_else(|| advise("this article was withdrawn just now", "see `article list`"))?;
        let files = files::attached(&mut tx, &view).await?;
        let mut standings = of_own(desk, &mut tx, std::iter::once(&view.line)).await?;
        let standing = standings.remove(&id).filter(|_| site == desk.own());
        drop(tx);
        let view = Stood { shown: Shown { view, files }, standing };
        desk.out.either(&view, || text(&view))
    }
}

/// An article with its files, and where they are.
#[derive(Debug, serde::Serialize)]
struct Shown {
    #[serde(flatten)]
    view: ArticleView,
    files: Vec<Attached>,
}

fn state(file: &Attached) -> &'static str {
    match (&file.held, file.asked) {
        (Some(_), _) => "here",
        (None, true) => "on the way, asked for",
        (None, false) => "on the way",
    }
}

fn text(view: &Stood<Shown>) -> String {
    let Stood { shown: Shown { view, files }, standing } = view;
    let line = &view.line;
    let carried = if line.released() { " (released)" } else { "" };
    let origin = line.origin.map_or_else(String::new, |origin| {
        let withdrawn = if line.origin_withdrawn { ", withdrawn by its author" } else { "" };
        format!("{} of {}{withdrawn}", short(origin.id), short(origin.site))
    });
    let mut text = facts(&[
        ("title", line.title.clone()),
        ("id", line.id.to_string()),
        ("unit", format!("{} {}", line.unit_code, line.unit_name)),
        ("column", format!("{} {}", line.column, line.column_name)),
        ("scope", format!("{}{carried}", line.scope)),
        ("published", time::beijing_text(line.published_ms)),
        ("first seen by a hub", time::or_dash(line.first_seen_ms)),
        ("source", line.source.clone()),
        ("author", line.author.clone()),
        ("editor", line.editor.clone()),
        ("keywords", line.keywords.join(", ")),
        ("link", line.link.clone()),
        ("made from", origin),
        ("standing", standing.as_ref().map(OwnStanding::words).unwrap_or_default()),
        ("adopted", standing.as_ref().map(OwnStanding::adoptions).unwrap_or_default().join("; ")),
    ]);
    if !files.is_empty() {
        let rows = files.iter().map(|it| {
            vec![it.name.clone(), size(it.size), it.media_type.clone(), state(it).to_owned()]
        });
        text.push('\n');
        text.push_str(&table(&["file", "size", "type", "state"], rows.collect()));
    }
    if view.revisions.len() > 1 {
        let rows = view.revisions.iter().map(|it| {
            vec![
                short(it.hash),
                it.scope.to_string(),
                time::beijing_text(it.received_ms),
                it.title.clone(),
            ]
        });
        text.push('\n');
        text.push_str(&table(&["revision", "scope", "received", "title"], rows.collect()));
    }
    text.push('\n');
    text.push_str(&plain(&view.text));
    text
}
