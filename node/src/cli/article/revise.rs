//! `article revise`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Id, find};
use crate::cli::article::add::check_column;
use crate::cli::desk::refused;
use crate::cli::{Desk, advise, input, time, usage};
use crate::content::Record;
use crate::content::article::{self, Article, ArticleView, TextFormat};
use crate::entry::{RecordId, SiteId};
use crate::ingest::{Draft, PlanError};
use crate::scope::{Audience, Reader};
use crate::store::Tx;

/// Revise an article of this site. The revision goes to whom the article went.
#[derive(Clone, Debug, Args)]
pub struct Revise {
    #[command(flatten)]
    id: Id,
    /// Move it to another column
    #[arg(long, value_name = "SLUG")]
    column: Option<String>,
    /// New title
    #[arg(long)]
    title: Option<String>,
    /// File with the new text, UTF-8, up to 1 MiB; - for stdin
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// markdown or html; guessed from the file's ending if not given
    #[arg(long, value_parser = input::parse_format, requires = "file")]
    format: Option<TextFormat>,
    /// New source (来源)
    #[arg(long)]
    source: Option<String>,
    /// New author (作者)
    #[arg(long)]
    author: Option<String>,
    /// New editor in charge (责任编辑)
    #[arg(long)]
    editor: Option<String>,
    /// Keywords instead of those it has; may be given up to 20 times
    #[arg(long = "keyword", value_name = "KEYWORD")]
    keywords: Vec<String>,
    /// New publication date; pages show the hub's first sight of it where that is earlier
    #[arg(long, value_parser = time::parse)]
    published: Option<i64>,
}

impl Revise {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        // Read before the database is locked: a pipe may take its time.
        let text = match self.file.as_deref() {
            Some(file) => {
                Some((input::format(self.format, from_disk(file)), input::text(Some(file))?))
            }
            None => None,
        };
        let (own, reader) = (desk.own(), desk.reader());
        let written = desk
            .write(move |tx| {
                Box::pin(async move {
                    let (site, id) = find(tx, reader, &self.id.id).await?;
                    let (current, audiences) = current(tx, reader, own, site, id).await?;
                    let moved = self.column.is_some();
                    let revised = self.apply(current.clone(), text);
                    if revised == current {
                        let next = "give at least one option that changes something";
                        return Err(refused(usage("nothing of the article would change", next)));
                    }
                    revised.check().map_err(refused)?;
                    if moved {
                        check_column(tx, own, &revised.column).await?;
                    }
                    let record = Record::Article(revised);
                    Ok(audiences.into_iter().map(|to| Draft::new(to, record.clone())).collect())
                })
            })
            .await?;
        let hashes: Vec<_> = written.iter().map(|it| it.hash).collect();
        desk.out.either(&serde_json::json!({ "site": own, "hashes": hashes }), || {
            format!(
                "revised: {}",
                hashes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            )
        })
    }

    fn apply(self, current: Article, text: Option<(TextFormat, String)>) -> Article {
        let (format, text) = text.unwrap_or((current.format, current.text));
        Article {
            id: current.id,
            column: self.column.unwrap_or(current.column),
            title: self.title.unwrap_or(current.title),
            format,
            text,
            source: self.source.unwrap_or(current.source),
            author: self.author.unwrap_or(current.author),
            editor: self.editor.unwrap_or(current.editor),
            keywords: if self.keywords.is_empty() { current.keywords } else { self.keywords },
            published_ms: self.published.unwrap_or(current.published_ms),
            link: current.link,
            origin: current.origin,
            attachments: current.attachments,
        }
    }
}

fn from_disk(file: &Path) -> Option<&Path> {
    (file != Path::new("-")).then_some(file)
}

/// The article as it stands, and everybody its author told it to.
async fn current(
    tx: &mut Tx,
    reader: Reader,
    own: SiteId,
    site: SiteId,
    id: RecordId,
) -> Result<(Article, BTreeSet<Audience>), PlanError> {
    if site != own {
        let next = "only its author revises an article; ask the unit that wrote it";
        return Err(refused(advise("this article is another site's", next)));
    }
    let targets = article::live_targets(tx, site, id).await?;
    let audiences: BTreeSet<Audience> = targets.iter().map(|it| it.log.audience).collect();
    let view = article::get(tx, reader, site, id).await?;
    let Some(view) = view.filter(|_| !audiences.is_empty()) else {
        let next = "what is withdrawn stays so; write it as a new article";
        return Err(refused(advise("nothing of this article is left", next)));
    };
    Ok((as_written(view), audiences))
}

/// The current revision as its author wrote it.
fn as_written(view: ArticleView) -> Article {
    let ArticleView { line, format, text, attachments, revisions } = view;
    // The date shown may be capped; the author's own claim stands with the revision.
    let published_ms = revisions.first().map_or(line.published_ms, |it| it.published_ms);
    Article {
        id: line.id,
        column: line.column,
        title: line.title,
        format,
        text,
        source: line.source,
        author: line.author,
        editor: line.editor,
        keywords: line.keywords,
        published_ms,
        link: line.link,
        origin: line.origin,
        attachments,
    }
}
