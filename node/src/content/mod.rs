//! What entries mean. One file per kind of record: what it is, its rules, its fold into views, its queries.

pub mod article;
pub mod column;
pub mod files;
pub mod first_seen;
pub mod harvester;
pub mod html;
mod journal;
mod newest;
pub mod notice;
pub mod receipt;
pub mod release;
pub mod retraction;
mod rules;
pub mod site;
#[cfg(test)]
mod tests;
mod views;

pub use journal::{FindError, current_entry, live_targets};
pub use rules::{RuleError, check, check_known};
pub use views::{clear, digests, fold};

use crate::entry::{Hash, Head, Lane};

/// An accepted entry on its way into the views.
#[derive(Clone, Copy, Debug)]
pub struct Folding<'a> {
    /// Its place in this site's journal.
    pub position: i64,
    /// When it came, milliseconds since 1970-01-01 UTC by this site's clock.
    pub received_ms: i64,
    /// Its hash.
    pub hash: Hash,
    /// Its head.
    pub head: &'a Head,
    /// What its body decodes to.
    pub record: &'a Record,
}

/// A body, decoded and within its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A site begins a new life of its data.
    Incarnation(site::IncarnationStart),
    /// A hub binds a site to a key.
    Enrolment(site::Enrolment),
    /// A site takes a further key.
    KeyChange(site::KeyChange),
    /// A hub ends a site's membership.
    Revocation(site::Revocation),
    /// 撤稿.
    Retraction(retraction::Retraction),
    /// A hub's word on when it first held entries.
    FirstSeen(first_seen::FirstSeen),
    /// A hub lets a harvester in.
    Harvester(harvester::Harvester),
    /// 栏目.
    Column(column::Column),
    /// 稿件, one revision.
    Article(article::Article),
    /// 通知.
    Notice(notice::Notice),
    /// 签收.
    Receipt(receipt::Receipt),
    /// 公开.
    Release(Box<release::Release>),
}

impl Record {
    /// The lane such a record travels in.
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Incarnation(_)
            | Self::Enrolment(_)
            | Self::KeyChange(_)
            | Self::Revocation(_)
            | Self::Retraction(_)
            | Self::FirstSeen(_)
            | Self::Harvester(_) => Lane::Control,
            Self::Column(_)
            | Self::Article(_)
            | Self::Notice(_)
            | Self::Receipt(_)
            | Self::Release(_) => Lane::Content,
        }
    }
}

/// A text does not fit its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadText(pub &'static str);

/// Checks a one-line field: at most `max` characters, no control characters, not blank if `required`.
pub(crate) fn check_line(
    text: &str,
    max: usize,
    required: bool,
    complaint: &'static str,
) -> Result<(), BadText> {
    let fits = text.chars().take(max + 1).count() <= max
        && !text.chars().any(char::is_control)
        && !(required && text.trim().is_empty());
    if fits { Ok(()) } else { Err(BadText(complaint)) }
}
