//! What becomes of entries at the door.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::content::RuleError;
use crate::entry::{EntryError, Hash, LogId, SiteId};
use crate::heights::Heights;
use crate::scope::{Reader, Scope};
use crate::store::StoreError;

/// Where entries come from; decides what they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written here.
    Own,
    /// Pushed up by a site beneath this one.
    Below {
        /// The pushing site, as its certificate says.
        site: SiteId,
        /// What may cross the link.
        ceiling: Scope,
        /// This site asked for others' entries too, because it lost data.
        refill: bool,
    },
    /// Pulled down from the hub above.
    Above {
        /// This site as a reader of its hub.
        reader: Reader,
    },
}

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Kept at this position.
    Accepted(i64),
    /// Held already.
    Known,
    /// Not taken.
    Refused(Refusal),
}

/// Why an entry was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The log and sequence, where the head could be read.
    pub place: Option<(LogId, u64)>,
    /// Why, for programs.
    pub reason: Reason,
    /// Why and what to do, for people.
    pub message: String,
}

/// Why an entry was not taken, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It does not decode or is out of bounds.
    Malformed,
    /// The signature does not hold.
    BadSignature,
    /// Newer than this program; the log waits.
    Upgrade,
    /// Its key is not bound to its site.
    UnknownKey,
    /// The site was revoked.
    Revoked,
    /// It may not cross this link.
    Audience,
    /// Its author may not write such a record.
    Rule,
    /// Another site's entry that was not asked for.
    NotYours,
}

impl Reason {
    /// Name in metrics and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadSignature => "bad_signature",
            Self::Upgrade => "upgrade",
            Self::UnknownKey => "unknown_key",
            Self::Revoked => "revoked",
            Self::Audience => "audience",
            Self::Rule => "rule",
            Self::NotYours => "not_yours",
        }
    }
}

impl From<EntryError> for Refusal {
    fn from(error: EntryError) -> Self {
        let reason = match error {
            EntryError::Malformed(_) => Reason::Malformed,
            EntryError::BadSignature => Reason::BadSignature,
            EntryError::Upgrade(_) => Reason::Upgrade,
        };
        Self { place: None, reason, message: error.to_string() }
    }
}

impl From<RuleError> for Refusal {
    fn from(error: RuleError) -> Self {
        let reason = match error {
            RuleError::BadSignature => Reason::BadSignature,
            RuleError::Broken(_) => Reason::Rule,
        };
        Self { place: None, reason, message: error.to_string() }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// One outcome per entry, in order.
    pub outcomes: Vec<Outcome>,
    /// Heights, after the batch, of the logs it touched.
    pub heights: Heights,
}

impl Taken {
    /// The refusals among the outcomes.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        })
    }

    /// How many were new.
    pub fn accepted(&self) -> usize {
        self.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Accepted(_))).count()
    }
}

/// One own entry, written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its log.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its place in the journal.
    pub position: i64,
}

/// Why the door did nothing at all. Whatever was submitted may be submitted again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IngestError {
    /// The store failed; nothing of the batch was kept.
    #[error("the entries could not be kept: {0}")]
    Store(#[source] Arc<StoreError>),
    /// A signature made here does not hold.
    #[error(
        "a signature made here does not hold, so nothing was written: this machine miscalculates"
    )]
    Signature,
    /// The program is stopping.
    #[error("stopping: nothing more is taken")]
    Stopping,
    /// Own entries cannot be written now.
    #[error("nothing can be signed here now: {0}")]
    Fenced(&'static str),
    /// The plan found a reason not to write.
    #[error(transparent)]
    Refused(Arc<dyn std::error::Error + Send + Sync>),
    /// An own entry breaks a rule.
    #[error("this may not be written: {0}")]
    Rule(#[source] Refusal),
}

impl From<StoreError> for IngestError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// A count of refusals by reason, for a log line.
pub(super) fn tally<'a>(
    refusals: impl Iterator<Item = &'a Refusal>,
) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for refusal in refusals {
        *counts.entry(refusal.reason.as_str()).or_default() += 1;
    }
    counts
}
