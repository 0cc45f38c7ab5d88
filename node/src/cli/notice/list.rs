//! `notice list`.

use clap::Args;
use serde::Serialize;

use crate::cli::output::short;
use crate::cli::{Desk, time};
use crate::content::notice::{self, NoticeLine};
use crate::content::receipt::Stage;

/// List notices.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
}

/// A notice with how far this site itself got with it.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    notice: NoticeLine,
    /// `None` for a notice of this site, and where not even the arrival was told yet.
    own_stage: Option<Stage>,
}

impl List {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let (own, reader) = (desk.own(), desk.reader());
        let mut tx = desk.read().await?;
        let mut lines = Vec::new();
        for notice in notice::list(&mut tx, reader, self.limit).await? {
            let receipts = notice::receipts(&mut tx, reader, notice.site, notice.id).await?;
            let own_stage = receipts.iter().filter(|it| it.site == own).map(|it| it.stage).max();
            lines.push(Line { notice, own_stage });
        }
        let heads = ["id", "issued", "deadline", "scope", "from", "title", "here"];
        desk.out.list(&lines, &heads, "no notices here yet", row)
    }
}

fn row(it: &Line) -> Vec<String> {
    let notice = &it.notice;
    let direct = if notice.addressee.is_some() { " (direct)" } else { "" };
    let from =
        if notice.unit_name.is_empty() { short(notice.site) } else { notice.unit_name.clone() };
    vec![
        short(notice.id),
        time::beijing_text(notice.issued_ms),
        time::or_dash(notice.deadline_ms),
        format!("{}{direct}", notice.scope),
        from,
        notice.title.clone(),
        it.own_stage.map_or("-", Stage::zh).to_owned(),
    ]
}
