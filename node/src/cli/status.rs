//! `status`: how this node stands with its hub.

use clap::Args;
use serde::Serialize;

use super::{Desk, output, time};
use crate::args;
use crate::blobs;
use crate::config::NodeConfig;
use crate::entry::{Incarnation, SiteId};
use crate::journal::{self, Meta, Standing, log_from_row};
use crate::scope::{Scope, may_rise};
use crate::store::{StoreError, Tx};

/// Tell how this node stands with its hub: connected or not, what waits to be accepted, what was refused
#[derive(Clone, Debug, Args)]
pub struct Command {}

/// Everything `status` tells.
#[derive(Debug, Serialize)]
struct Status {
    site: SiteId,
    unit_code: String,
    unit_name: String,
    ceiling: Scope,
    incarnation: Incarnation,
    may_sign: bool,
    hub: Hub,
    /// Entries held here, of whomever.
    entries: i64,
    /// Own entries that the hub has not confirmed yet.
    waiting: u64,
    logs: Vec<Log>,
    /// Files that entries name and that are not here.
    files_coming: u64,
    refusals: Vec<Refused>,
    /// Places in logs where two branches are held.
    forks: usize,
}

#[derive(Debug, Serialize)]
struct Hub {
    site: String,
    name: String,
    url: String,
    /// As last recorded by `serve` or `sync`; `None` before the first contact.
    link: Option<String>,
    link_at_ms: Option<i64>,
    /// Whether something of the hub's journal was read before: the next contact goes on from there.
    read_before: bool,
    /// When the hub last accepted something of this site's.
    accepted_at_ms: Option<i64>,
}

/// One of this site's own logs.
#[derive(Debug, Serialize)]
struct Log {
    scope: Scope,
    addressee: Option<SiteId>,
    lane: &'static str,
    current: bool,
    /// Entries accepted here.
    here: u64,
    /// Entries the hub confirmed; `None` for a log that stays here, since the link does not carry its scope.
    at_hub: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Refused {
    scope: Scope,
    addressee: Option<SiteId>,
    seq: u64,
    reason: String,
    message: String,
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk, config: &NodeConfig) -> anyhow::Result<()> {
        let mut tx = desk.read().await?;
        let status = gather(&mut tx, desk, config).await?;
        desk.out.either(&status, || text(&status))
    }
}

async fn gather(tx: &mut Tx, desk: &Desk, config: &NodeConfig) -> anyhow::Result<Status> {
    let meta = Meta::load(tx).await?.ok_or(crate::lifecycle::OpenError::Empty)?;
    let (logs, accepted_at_ms) = logs(tx, &meta, config.hub.ceiling).await?;
    let waiting = logs.iter().filter_map(|log| Some(log.here.saturating_sub(log.at_hub?))).sum();
    let link = journal::link_state(tx).await?;
    Ok(Status {
        site: desk.own(),
        unit_code: config.unit.code.clone(),
        unit_name: config.unit.name.clone(),
        ceiling: config.hub.ceiling,
        incarnation: meta.incarnation,
        may_sign: meta.standing == Standing::Ready,
        hub: Hub {
            site: config.hub.site.clone(),
            name: config.hub.name.clone(),
            url: config.hub.url.clone(),
            link_at_ms: link.as_ref().map(|it| it.at_ms),
            link: link.map(|it| it.state),
            read_before: !journal::cursors(tx).await?.is_empty(),
            accepted_at_ms,
        },
        entries: journal::end(tx).await?.position,
        waiting,
        logs,
        files_coming: blobs::waiting_count(tx).await?,
        refusals: refusals(tx).await?,
        forks: journal::forks(tx).await?.len(),
    })
}

/// The site's own logs, and when the hub last confirmed something of one.
async fn logs(
    tx: &mut Tx,
    meta: &Meta,
    ceiling: Scope,
) -> Result<(Vec<Log>, Option<i64>), StoreError> {
    let sql = "SELECT l.site, l.incarnation, l.scope, l.addressee, l.lane, l.height, \
               COALESCE(r.seq, 0), r.at_ms FROM logs l LEFT JOIN risen r ON r.log = l.log \
               WHERE l.site = $1 ORDER BY l.log";
    let mut last: Option<i64> = None;
    let mut logs = Vec::new();
    for row in tx.all(sql, args![meta.site]).await? {
        let log = log_from_row(&row, 0)?;
        let at_hub: u64 = row.get(6)?;
        last = last.max(row.get(7)?);
        logs.push(Log {
            scope: log.audience.scope,
            addressee: log.audience.addressee,
            lane: lane(log.lane),
            current: log.incarnation == meta.incarnation,
            here: row.get(5)?,
            at_hub: may_rise(ceiling, log.audience).then_some(at_hub),
        });
    }
    Ok((logs, last))
}

const fn lane(lane: crate::entry::Lane) -> &'static str {
    match lane {
        crate::entry::Lane::Control => "control",
        crate::entry::Lane::Content => "content",
    }
}

async fn refusals(tx: &mut Tx) -> Result<Vec<Refused>, StoreError> {
    let refused = journal::refusals(tx).await?.into_iter().map(|it| Refused {
        scope: it.log.audience.scope,
        addressee: it.log.audience.addressee,
        seq: it.seq,
        reason: it.reason,
        message: it.message,
    });
    Ok(refused.collect())
}

fn text(status: &Status) -> String {
    let hub = &status.hub;
    let link = match (&hub.link, hub.link_at_ms) {
        (None, _) => "no contact yet: run `serve` or `sync --once`".to_owned(),
        (Some(link), Some(at)) => format!("{link} (since {})", time::beijing_text(at)),
        (Some(link), None) => link.clone(),
    };
    let signs = if status.may_sign { "yes" } else { "no: sync once, or run `resume`" };
    let mut text = output::facts(&[
        ("unit", format!("{} {}", status.unit_code, status.unit_name)),
        ("site", status.site.to_string()),
        ("ceiling", status.ceiling.to_string()),
        ("hub", format!("{} {}", hub.name, hub.url)),
        ("link", link),
        ("last accepted by the hub", time::or_dash(hub.accepted_at_ms)),
        ("accepted here, waiting for the hub", status.waiting.to_string()),
        ("entries held", status.entries.to_string()),
        ("files on the way", status.files_coming.to_string()),
        ("may sign", signs.to_owned()),
    ]);
    if status.forks > 0 {
        let forks = format!("{}: two machines wrote as one site", status.forks);
        text.push_str(&output::facts(&[("forks", forks)]));
    }
    if !status.logs.is_empty() {
        let rows = status.logs.iter().map(|log| {
            let at_hub = log.at_hub.map_or_else(|| "stays here".to_owned(), |it| it.to_string());
            let to = log.addressee.map_or_else(|| "all".to_owned(), output::short);
            vec![log.scope.to_string(), to, log.lane.to_owned(), log.here.to_string(), at_hub]
        });
        text.push('\n');
        text.push_str(&output::table(&["log", "to", "lane", "here", "at the hub"], rows.collect()));
    }
    if !status.refusals.is_empty() {
        let rows = status.refusals.iter().map(|it| {
            vec![it.scope.to_string(), it.seq.to_string(), it.reason.clone(), it.message.clone()]
        });
        text.push('\n');
        text.push_str(&output::table(
            &["refused", "seq", "reason", "the hub says"],
            rows.collect(),
        ));
    }
    text
}
