//! `article revise`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::files::{self, Text};
use super::{Id, find};
use crate::cli::article::add::check_column;
use crate::cli::desk::refused;
use crate::cli::{Advised, Desk, advise, input, time, usage};
use crate::content;
use crate::content::Record;
use crate::content::article::{self, Article, ArticleView, Attachment, TextFormat};
use crate::entry::{BlobRef, RecordId, SiteId};
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
    /// A further file, or a new one in place of that with the same name; may be given up to 64 times. Pictures that
    /// a new text shows, and that lie beside it, come by themselves
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Name of a file that no longer comes with it; may be given several times
    #[arg(long, value_name = "NAME")]
    detach: Vec<String>,
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
        let shown = text.as_ref().map(|(format, text)| {
            let file = self.file.as_deref().and_then(from_disk);
            Text { format: *format, written: text, file }
        });
        let have = names(desk, &self.id.id).await?;
        let gathered = files::gather(&self.attach, shown.as_ref(), &have)?;
        let taken = files::take_in(desk, &gathered).await?;
        let fresh = taken.clone();
        let written = desk
            .write(move |tx| {
                Box::pin(async move {
                    let (site, id) = find(tx, reader, &self.id.id).await?;
                    let (current, blobs, audiences) = current(tx, reader, own, site, id).await?;
                    let moved = self.column.is_some();
                    let attachments = self.attachments(&current, &fresh).map_err(refused)?;
                    let revised = Article { attachments, ..self.apply(current.clone(), text) };
                    if revised == current {
                        let next = "give at least one option that changes something";
                        return Err(refused(usage("nothing of the article would change", next)));
                    }
                    revised.check().map_err(refused)?;
                    if moved {
                        check_column(tx, own, &revised.column).await?;
                    }
                    let named: BTreeSet<_> = revised.attachments.iter().map(|it| it.hash).collect();
                    let blobs = blobs.into_iter().chain(fresh.into_iter().map(|(_, blob)| blob));
                    let blobs = files::distinct(blobs.filter(|it| named.contains(&it.hash)));
                    let record = Record::Article(revised);
                    let draft = |audience| {
                        let (record, blobs) = (record.clone(), blobs.clone());
                        Draft { audience, record, blobs }
                    };
                    Ok(audiences.into_iter().map(draft).collect())
                })
            })
            .await?;
        files::written(desk, &taken).await?;
        let hashes: Vec<_> = written.iter().map(|it| it.hash).collect();
        desk.out.either(&serde_json::json!({ "site": own, "hashes": hashes }), || {
            format!(
                "revised: {}",
                hashes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            )
        })
    }

    /// The files it has from now on: new ones take the place of those with their names.
    fn attachments(
        &self,
        current: &Article,
        fresh: &[(Attachment, BlobRef)],
    ) -> Result<Vec<Attachment>, Advised> {
        if let Some(name) =
            self.detach.iter().find(|name| current.attachments.iter().all(|it| it.name != **name))
        {
            let next = "see `article show` for the names";
            return Err(usage(format!("the article has no file {name}"), next));
        }
        let mut attachments: Vec<Attachment> = current.attachments.clone();
        attachments.retain(|it| !self.detach.contains(&it.name));
        for (file, _) in fresh {
            match attachments.iter_mut().find(|it| it.name == file.name) {
                Some(old) => old.clone_from(file),
                None => attachments.push(file.clone()),
            }
        }
        Ok(attachments)
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
) -> Result<(Article, Vec<BlobRef>, BTreeSet<Audience>), PlanError> {
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
    let blobs = content::files::of_carrier(tx, view.line.carrier_hash).await?;
    let blobs = blobs
        .into_iter()
        .map(|it| BlobRef { hash: it.hash, size: it.size, media_type: it.media_type })
        .collect();
    Ok((as_written(view), blobs, audiences))
}

/// Names of the files that an article has now.
async fn names(desk: &Desk, id: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut tx = desk.read().await?;
    let (site, id) = article::find(&mut tx, desk.reader(), id).await?;
    let view = article::get(&mut tx, desk.reader(), site, id).await?;
    let attachments = view.map(|it| it.attachments).unwrap_or_default();
    Ok(attachments.into_iter().map(|it| it.name).collect())
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
