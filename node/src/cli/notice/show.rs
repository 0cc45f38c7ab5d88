//! `notice show`.

use clap::Args;

use crate::cli::article::Id;
use crate::cli::output::{facts, plain};
use crate::cli::{Desk, advise, time};
use crate::content::notice::{self, NoticeView};

/// Show a notice.
#[derive(Clone, Debug, Args)]
pub struct Show {
    #[command(flatten)]
    id: Id,
}

impl Show {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let mut tx = desk.read().await?;
        let (site, id) = notice::find(&mut tx, desk.reader(), &self.id.id).await?;
        let view = notice::get(&mut tx, desk.reader(), site, id)
            .await?
            .ok_or_else(|| advise("this notice was withdrawn just now", "see `notice list`"))?;
        desk.out.either(&view, || text(&view))
    }
}

fn text(view: &NoticeView) -> String {
    let line = &view.line;
    let direct = if line.addressee.is_some() { " (direct)" } else { "" };
    let mut text = facts(&[
        ("title", line.title.clone()),
        ("id", line.id.to_string()),
        ("number", line.doc_number.clone()),
        ("from", format!("{} {}", line.unit_code, line.unit_name)),
        ("scope", format!("{}{direct}", line.scope)),
        ("issued", time::beijing_text(line.issued_ms)),
        ("deadline", time::or_dash(line.deadline_ms)),
    ]);
    text.push('\n');
    text.push_str(&plain(&view.text));
    text
}
