//! `article adopt`: the county's own article, made from a unit's (采用).

use clap::Args;
use lianbo_node::blobs::Part;
use lianbo_node::cli::article::{Id, check_column, not_found};
use lianbo_node::cli::{Desk, advise, refused, usage};
use lianbo_node::content::Record;
use lianbo_node::content::article::{self, Article, Original};
use lianbo_node::content::column;
use lianbo_node::entry::{RecordId, SiteId};
use lianbo_node::identity::new_record_id;
use lianbo_node::ingest::{Draft, PlanError};
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Tx;

/// Adopt a unit's article: it becomes one of this hub's own, and the unit sees that it did.
#[derive(Clone, Debug, Args)]
pub struct Adopt {
    #[command(flatten)]
    id: Id,
    /// Column of this hub it stands in; the one of the same short name if not given
    #[arg(long, value_name = "SLUG")]
    column: Option<String>,
    /// Another title
    #[arg(long)]
    title: Option<String>,
    /// Editor in charge (责任编辑)
    #[arg(long, default_value = "")]
    editor: String,
    /// How far it may travel: internal or organization, no further than the original; as far as that if not given
    #[arg(long)]
    scope: Option<Scope>,
    /// Adopt it once more
    #[arg(long)]
    again: bool,
}

impl Adopt {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let id = new_record_id(&mut rand::rng());
        let (own, reader, now) = (desk.own(), desk.reader(), desk.now());
        share_files(desk, &self.id.id).await?;
        let written = desk
            .write(move |tx| {
                Box::pin(async move {
                    let (site, found) =
                        article::find(tx, reader, &self.id.id).await.map_err(not_found)?;
                    if site == own {
                        return Err(refused(usage(
                            "this article is the hub's own",
                            "revise it, or release it to a wider scope",
                        )));
                    }
                    self.check_first(tx, own, site, found).await?;
                    let original = article::original(tx, reader, site, found)
                        .await?
                        .ok_or_else(|| refused(advise("it was withdrawn", "see `article list`")))?;
                    Ok(vec![self.draft(tx, own, original, id, now).await?])
                })
            })
            .await?;
        let hash = written.last().map(|it| it.hash);
        let value = serde_json::json!({ "id": id, "site": own, "hash": hash });
        desk.out.either(&value, || id.to_string())
    }

    /// Once is enough, unless somebody says otherwise.
    async fn check_first(
        &self,
        tx: &mut Tx,
        own: SiteId,
        site: SiteId,
        id: RecordId,
    ) -> Result<(), PlanError> {
        let before = article::adopted_by(tx, own, site, id).await?;
        match before.first() {
            Some(before) if !self.again => Err(refused(usage(
                format!("it was adopted already: {before}"),
                "revise that article, or adopt this one once more with --again",
            ))),
            _ => Ok(()),
        }
    }

    async fn draft(
        self,
        tx: &mut Tx,
        own: SiteId,
        original: Original,
        id: RecordId,
        now: i64,
    ) -> Result<Draft, PlanError> {
        let scope = self.scope.unwrap_or(original.scope.min(Scope::Organization));
        if scope == Scope::Public || scope > original.scope {
            return Err(refused(usage(
                format!("an adopted article does not go to {scope} by itself"),
                "adopt it without --scope, then release the new article with two persons: article \
                 release ID --scope … --approved-by A --approved-by B",
            )));
        }
        let before = original.article;
        let column = match self.column {
            Some(column) => column,
            None if column::get(tx, own, &before.column).await?.is_some() => before.column,
            None => {
                return Err(refused(usage(
                    format!("this hub has no column {}", before.column),
                    "name one of its own: --column SLUG (see `column list`)",
                )));
            }
        };
        check_column(tx, own, &column).await?;
        let article = Article {
            id,
            column,
            title: self.title.unwrap_or(before.title),
            source: if before.source.is_empty() { original.unit_name } else { before.source },
            editor: if self.editor.is_empty() { before.editor } else { self.editor },
            published_ms: now,
            origin: Some(original.origin),
            ..before
        };
        article.check().map_err(refused)?;
        let draft = Draft::new(Audience::all(scope), Record::Article(article));
        Ok(Draft { blobs: original.blobs, ..draft })
    }
}

/// The files of the original become this hub's too. They have to be here: a hub serves what it wrote.
async fn share_files(desk: &Desk, prefix: &str) -> anyhow::Result<()> {
    let mut tx = desk.read().await?;
    let (site, id) = article::find(&mut tx, desk.reader(), prefix).await?;
    let original = article::original(&mut tx, desk.reader(), site, id).await?;
    drop(tx);
    for blob in original.map(|it| it.blobs).unwrap_or_default() {
        let part = Part { hash: blob.hash, size: blob.size, site: desk.own() };
        if !desk.site.blobs.share(&desk.site.store, part, desk.now()).await? {
            return Err(advise(
                "a file of this article is still on its way",
                "adopt it once `article show` says that its files are here",
            )
            .into());
        }
    }
    Ok(())
}
