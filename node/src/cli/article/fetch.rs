//! `article fetch`.

use clap::Args;

use super::Id;
use crate::blobs;
use crate::cli::{Desk, advise, usage};
use crate::content::{article, files};
use crate::journal::Edition;

/// Ask the hub for an article's files that have not come by themselves: large ones, by day.
#[derive(Clone, Debug, Args)]
pub struct Fetch {
    #[command(flatten)]
    id: Id,
    /// Only the file of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Fetch {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let mut tx = desk.read().await?;
        let (site, id) = article::find(&mut tx, desk.reader(), &self.id.id).await?;
        let view = article::get(&mut tx, desk.reader(), site, id)
            .await?
            .ok_or_else(|| advise("this article was withdrawn just now", "see `article list`"))?;
        let mut attached = files::attached(&mut tx, &view).await?;
        drop(tx);
        if let Some(name) = &self.name {
            attached.retain(|it| it.name == *name);
            if attached.is_empty() {
                let next = "see `article show` for the names";
                return Err(usage(format!("the article has no file {name}"), next).into());
            }
        }
        let missing: Vec<_> = attached.into_iter().filter(|it| it.held.is_none()).collect();
        let mut tx = desk.site.store.write().await?;
        let mut asked = Vec::new();
        for file in &missing {
            if blobs::ask(&mut tx, file.hash, site, file.size).await? {
                asked.push(file.name.clone());
            }
        }
        Edition::touch(&mut tx).await?;
        tx.commit().await?;
        desk.out.either(&serde_json::json!({ "asked": asked }), || match asked.as_slice() {
            [] => "every file of it is here".to_owned(),
            names => format!("asked for: {}", names.join(", ")),
        })
    }
}
