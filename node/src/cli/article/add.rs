//! `article add`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use super::files::{self, Text};
use crate::cli::desk::refused;
use crate::cli::{Desk, advise, input, time, usage};
use crate::content::Record;
use crate::content::article::{Article, TextFormat};
use crate::content::{column, site};
use crate::entry::SiteId;
use crate::identity::new_record_id;
use crate::ingest::{Draft, PlanError};
use crate::scope::{Audience, Scope};
use crate::store::Tx;

/// Write an article. The text comes from --file, or from stdin.
#[derive(Clone, Debug, Args)]
pub struct Add {
    /// Column it stands in: the short name
    #[arg(long, value_name = "SLUG")]
    column: String,
    /// Title, up to 200 characters
    #[arg(long)]
    title: String,
    /// File with the text, UTF-8, up to 1 MiB; stdin if not given
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// markdown or html; guessed from the file's ending if not given
    #[arg(long, value_parser = input::parse_format)]
    format: Option<TextFormat>,
    /// Source (来源)
    #[arg(long, default_value = "")]
    source: String,
    /// Author (作者)
    #[arg(long, default_value = "")]
    author: String,
    /// Editor in charge (责任编辑)
    #[arg(long, default_value = "")]
    editor: String,
    /// A keyword; may be given up to 20 times
    #[arg(long = "keyword", value_name = "KEYWORD")]
    keywords: Vec<String>,
    /// Publication date: `YYYY-MM-DD[ HH:MM]` in Beijing time, or RFC 3339; now if not given
    #[arg(long, value_parser = time::parse)]
    published: Option<i64>,
    /// A file that comes with it; may be given up to 64 times. Pictures that the text shows, and that lie beside
    /// it, come by themselves
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// How far it may travel: internal (部内), organization (专网) or public (互联网)
    #[arg(long)]
    scope: Scope,
    /// For one site alone: the code of its unit, or `hub` for the hub above
    #[arg(long, value_name = "CODE")]
    to: Option<String>,
}

impl Add {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        if desk.is_hub() && self.scope == Scope::Public && self.to.is_none() {
            return Err(usage(
                "a hub's own entry goes to the internet by the word of two persons",
                "write it for the organization network (--scope organization), then release it with two \
                 persons: article release ID --scope public --approved-by A --approved-by B",
            )
            .into());
        }
        let file = self.file.as_deref();
        let (format, text) = (input::format(self.format, file), input::text(file)?);
        let shown = Text { format, written: &text, file };
        let gathered = files::gather(&self.attach, Some(&shown), &BTreeSet::new())?;
        let mut article = Article {
            id: new_record_id(&mut rand::rng()),
            column: self.column,
            title: self.title,
            format,
            text,
            source: self.source,
            author: self.author,
            editor: self.editor,
            keywords: self.keywords,
            published_ms: self.published.unwrap_or_else(|| desk.now()),
            link: String::new(),
            origin: None,
            attachments: Vec::new(),
        };
        article.check()?;
        let taken = files::take_in(desk, &gathered).await?;
        article.attachments = taken.iter().map(|(it, _)| it.clone()).collect();
        let blobs = files::distinct(taken.iter().map(|(_, blob)| blob.clone()));
        let (id, own, above) = (article.id, desk.own(), desk.above);
        let (scope, to) = (self.scope, self.to);
        let written = desk
            .write(move |tx| {
                Box::pin(async move {
                    check_column(tx, own, &article.column).await?;
                    let audience = audience(tx, above, scope, to.as_deref()).await?;
                    Ok(vec![Draft { audience, record: Record::Article(article), blobs }])
                })
            })
            .await?;
        files::written(desk, &taken).await?;
        let hash = written.last().map(|it| it.hash);
        let value = serde_json::json!({ "id": id, "site": own, "hash": hash });
        desk.out.either(&value, || id.to_string())
    }
}

/// The column has to be there and open.
pub async fn check_column(tx: &mut Tx, own: SiteId, slug: &str) -> Result<(), PlanError> {
    match column::get(tx, own, slug).await? {
        Some(column) if !column.closed => Ok(()),
        Some(_) => Err(refused(advise(
            format!("the column {slug} is closed"),
            "choose another (`column list`), or open it: column add … --replace",
        ))),
        None => Err(refused(advise(
            format!("this site has no column {slug}"),
            "see `column list`, or add it: column add SLUG --name NAME",
        ))),
    }
}

/// Everybody within `scope`, or the one site of a unit's code.
async fn audience(
    tx: &mut Tx,
    above: Option<SiteId>,
    scope: Scope,
    to: Option<&str>,
) -> Result<Audience, PlanError> {
    let site = match (to, above) {
        (None, _) => return Ok(Audience::all(scope)),
        (Some("hub"), Some(hub)) => hub,
        (Some("hub"), None) => {
            return Err(refused(usage("this is the hub itself", "name a unit: --to CODE")));
        }
        (Some(code), _) => match site::by_code(tx, code).await? {
            Some(unit) if unit.revoked.is_none() => {
                if unit.ceiling > scope {
                    return Err(refused(advise(
                        format!("{code} holds nothing narrower than {}", unit.ceiling),
                        format!("write it with --scope {}", unit.ceiling),
                    )));
                }
                unit.site
            }
            Some(_) => {
                let what = format!("the unit {code} no longer belongs");
                return Err(refused(advise(
                    what,
                    "ask the hub's operator which unit took its place",
                )));
            }
            None => {
                let what = format!("no unit {code} is known here");
                return Err(refused(advise(
                    what,
                    "give a unit's code, or `hub` for the hub above",
                )));
            }
        },
    };
    Ok(Audience::direct(scope, site))
}
