//! `notice add`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use lianbo_node::cli::{Desk, advise, input, refused, time, usage};
use lianbo_node::content::Record;
use lianbo_node::content::article::TextFormat;
use lianbo_node::content::notice::Notice;
use lianbo_node::content::site;
use lianbo_node::entry::SiteId;
use lianbo_node::identity::new_record_id;
use lianbo_node::ingest::{Draft, PlanError};
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Tx;

/// Issue a notice. The text comes from --file, or from stdin.
#[derive(Clone, Debug, Args)]
pub struct Add {
    /// To everybody within this scope: internal (部内) or organization (专网)
    #[arg(long, required_unless_present = "units", conflicts_with = "units")]
    scope: Option<Scope>,
    /// To the unit with this code alone; may be given many times: a copy each, as one notice
    #[arg(long = "unit", value_name = "CODE")]
    units: Vec<String>,
    /// Title, up to 200 characters
    #[arg(long)]
    title: String,
    /// File with the text, UTF-8, up to 1 MiB; stdin if not given
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// markdown or html; guessed from the file's ending if not given
    #[arg(long, value_parser = input::parse_format)]
    format: Option<TextFormat>,
    /// Document number (发文字号)
    #[arg(long, default_value = "")]
    doc_number: String,
    /// When it has to be signed for: `YYYY-MM-DD[ HH:MM]` in Beijing time, or RFC 3339
    #[arg(long, value_parser = time::parse)]
    deadline: Option<i64>,
}

impl Add {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        if self.scope == Some(Scope::Public) {
            return Err(usage(
                "a hub's own notice goes to the internet by the word of two persons",
                "issue it to the organization network (--scope organization), then release it with two \
                 persons: notice release ID --scope public --approved-by A --approved-by B",
            )
            .into());
        }
        let file = self.file.as_deref();
        let notice = Notice {
            id: new_record_id(&mut rand::rng()),
            title: self.title,
            format: input::format(self.format, file),
            text: input::text(file)?,
            doc_number: self.doc_number,
            deadline_ms: self.deadline,
            issued_ms: desk.now(),
        };
        notice.check()?;
        let (id, own, scope) = (notice.id, desk.own(), self.scope);
        let units: BTreeSet<String> = self.units.into_iter().collect();
        let written = desk
            .write(move |tx| {
                Box::pin(async move {
                    let mut drafts = Vec::new();
                    if let Some(scope) = scope {
                        drafts
                            .push(Draft::new(Audience::all(scope), Record::Notice(notice.clone())));
                    }
                    for code in &units {
                        let audience = direct(tx, own, code).await?;
                        drafts.push(Draft::new(audience, Record::Notice(notice.clone())));
                    }
                    Ok(drafts)
                })
            })
            .await?;
        let copies: Vec<_> = written.iter().map(|it| it.hash).collect();
        let value = serde_json::json!({ "id": id, "site": own, "copies": copies });
        desk.out.either(&value, || id.to_string())
    }
}

/// The audience of a unit's copy: as narrow as its site may hold.
async fn direct(tx: &mut Tx, own: SiteId, code: &str) -> Result<Audience, PlanError> {
    let next = "see `sites` for the units there are; nothing was issued";
    match site::by_code(tx, code).await? {
        Some(it) if it.site == own => {
            Err(refused(advise(format!("{code} is this hub itself"), next)))
        }
        Some(it) if it.revoked.is_none() => Ok(Audience::direct(it.ceiling, it.site)),
        Some(_) => Err(refused(advise(format!("the unit {code} no longer belongs"), next))),
        None => Err(refused(advise(format!("no unit {code} has joined"), next))),
    }
}
