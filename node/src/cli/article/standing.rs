//! Where this site's own articles stand: reported, adopted, released.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::{Desk, time};
use crate::content::article::{self, ArticleLine, Standing};
use crate::entry::RecordId;
use crate::journal;
use crate::store::Tx;

/// Where an own article stands.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OwnStanding {
    /// Whether the hub above holds what is shown; `None` where there is no hub above.
    reported: Option<bool>,
    #[serde(flatten)]
    became: Standing,
}

/// A line with what became of it, if it is an own article.
#[derive(Debug, Serialize)]
pub(super) struct Stood<T: Serialize> {
    #[serde(flatten)]
    pub(super) shown: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) standing: Option<OwnStanding>,
}

impl OwnStanding {
    /// The furthest it got, in words.
    pub(super) fn words(&self) -> String {
        let mut words = Vec::new();
        match self.reported {
            Some(false) => words.push("waits for the line".to_owned()),
            Some(true) => words.push("reported".to_owned()),
            None => {}
        }
        if !self.became.adopted.is_empty() {
            words.push("adopted".to_owned());
        }
        if let Some(scope) = self.became.released {
            words.push(format!("released to {scope}"));
        }
        words.join(", ")
    }

    /// What was made from it, a line each.
    pub(super) fn adoptions(&self) -> Vec<String> {
        let line = |it: &article::Adoption| {
            format!("{} {} {}", time::beijing_text(it.published_ms), it.column, it.title)
        };
        self.became.adopted.iter().map(line).collect()
    }
}

/// Where the own articles among these stand, by id.
pub(super) async fn of_own<'a>(
    desk: &Desk,
    tx: &mut Tx,
    lines: impl Iterator<Item = &'a ArticleLine>,
) -> anyhow::Result<BTreeMap<RecordId, OwnStanding>> {
    let own: Vec<&ArticleLine> = lines.filter(|line| line.site == desk.own()).collect();
    let ids: Vec<RecordId> = own.iter().map(|line| line.id).collect();
    let mut became = article::standings(tx, desk.reader(), desk.own(), &ids).await?;
    let positions: Vec<i64> = own.iter().map(|line| line.position).collect();
    let risen = journal::risen_at(tx, &positions).await?;
    let mut standing = |line: &ArticleLine| OwnStanding {
        // What comes back inside a release was with the hub.
        reported: desk.above.map(|_| line.released() || risen.contains(&line.position)),
        became: became.remove(&line.id).unwrap_or_default(),
    };
    Ok(own.into_iter().map(|line| (line.id, standing(line))).collect())
}
