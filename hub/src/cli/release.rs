//! `article release` and `notice release`.

use clap::Args;
use lianbo_node::cli::article::{Id, not_found};
use lianbo_node::cli::{Desk, advise, refused, usage};
use lianbo_node::content::release::{Approval, Release as Record};
use lianbo_node::content::{self, article, notice, site};
use lianbo_node::entry::{RecordId, SiteId};
use lianbo_node::ingest::{Draft, PlanError};
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Tx;
use lianbo_node::wire::decode_record;

/// Take an article or a notice to a wider scope.
///
/// The signed original travels inside the hub's own entry. What this hub wrote itself needs two different
/// persons; what a unit wrote needs one.
#[derive(Clone, Debug, Args)]
pub struct Release {
    #[command(flatten)]
    id: Id,
    /// The wider scope: organization (专网) or public (互联网)
    #[arg(long)]
    scope: Scope,
    /// Who decided; given twice, with two names, for what this hub wrote itself
    #[arg(long = "approved-by", value_name = "NAME", required = true)]
    approved_by: Vec<String>,
}

/// What the id names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Article,
    Notice,
}

impl Release {
    pub(super) async fn run(self, desk: &Desk, kind: Kind) -> anyhow::Result<()> {
        let (own, reader, now) = (desk.own(), desk.reader(), desk.now());
        let scope = self.scope;
        let approvals = self
            .approved_by
            .iter()
            .map(|person| Approval { person: person.trim().to_owned(), at_ms: now });
        let approvals: Vec<Approval> = approvals.collect();
        let written = desk
            .write(move |tx| {
                Box::pin(async move {
                    let found = match kind {
                        Kind::Article => article::find(tx, reader, &self.id.id).await,
                        Kind::Notice => notice::find(tx, reader, &self.id.id).await,
                    };
                    let (site, id) = found.map_err(not_found)?;
                    Ok(vec![release(tx, own, site, id, scope, approvals).await?])
                })
            })
            .await?;
        let hash = written.last().map(|it| it.hash);
        desk.out.either(&serde_json::json!({ "release": hash, "scope": scope }), || {
            format!("released to {scope} ({})", scope.zh())
        })
    }
}

/// The release of the current revision of a record.
async fn release(
    tx: &mut Tx,
    own: SiteId,
    site: SiteId,
    id: RecordId,
    scope: Scope,
    approvals: Vec<Approval>,
) -> Result<Draft, PlanError> {
    let Some((original, head, position)) = content::current_entry(tx, site, id).await? else {
        let next = "what was addressed to one site alone cannot be released; ask its author to write it \
                    for a scope";
        return Err(refused(advise("there is no entry of it that could go further", next)));
    };
    if scope <= head.log.audience.scope {
        let what = format!("it goes to {} already", head.log.audience.scope);
        return Err(refused(usage(what, "release it to a wider scope")));
    }
    let record = original.body.as_ref().map(decode_record);
    let Some(Ok(Some(record))) = record else {
        return Err(refused(advise("the original does not decode", "run `verify`")));
    };
    let Some(unit) = site::get(tx, site).await?.map(|it| it.unit) else {
        let next = "let the unit's node connect first";
        return Err(refused(advise("the unit that wrote it is not known here", next)));
    };
    let release = Record {
        original,
        head,
        record,
        unit_code: unit.code,
        unit_name: unit.name,
        approvals,
        first_seen_ms: if site == own { None } else { first_seen(tx, site, id, position).await? },
    };
    release.check().map_err(refused)?;
    if site == own && release.persons() < 2 {
        return Err(refused(usage(
            "two different persons approve what this hub wrote itself",
            "give --approved-by twice, with two names",
        )));
    }
    Ok(Draft::new(Audience::all(scope), content::Record::Release(Box::new(release))))
}

/// When this hub first held the article: its own earlier word, or when the entry came.
async fn first_seen(
    tx: &mut Tx,
    site: SiteId,
    id: RecordId,
    position: i64,
) -> Result<Option<i64>, PlanError> {
    use lianbo_node::args;
    let reader = lianbo_node::scope::Reader::anonymous(Scope::Internal);
    let told = article::get(tx, reader, site, id).await?.and_then(|it| it.line.first_seen_ms);
    if told.is_some() {
        return Ok(told);
    }
    let sql = "SELECT received_ms FROM entries WHERE position = $1";
    let row = tx.optional(sql, args![position]).await?;
    Ok(row.map(|row| row.get(0)).transpose()?)
}
