//! 公开: a site above takes an entry to a wider scope, its signed original inside.

use std::collections::BTreeSet;

use crate::content::site::check_code;
use crate::content::{BadText, Record, check_line};
use crate::entry::{Entry, Hash, Head};

/// Most approvals one release may carry.
pub const MAX_APPROVALS: usize = 16;

/// An original and who decided that it goes further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The original as signed; its body is there.
    pub original: Entry,
    /// Its head, decoded.
    pub head: Head,
    /// Its record, decoded: an article or a notice.
    pub record: Record,
    /// Code of the original's unit, in the releaser's word.
    pub unit_code: String,
    /// Name of the original's unit, in the releaser's word.
    pub unit_name: String,
    /// Who decided.
    pub approvals: Vec<Approval>,
    /// When the releaser first held the original; `None` for its own.
    pub first_seen_ms: Option<i64>,
}

/// One person's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Name of the person.
    pub person: String,
    /// When, by the releaser's clock.
    pub at_ms: i64,
}

impl Release {
    /// Names the original.
    pub fn original_hash(&self) -> Hash {
        self.original.hash()
    }

    /// Checks what can be checked without knowing who the releaser is.
    pub fn check(&self) -> Result<(), BadText> {
        check_code(&self.unit_code)?;
        check_line(&self.unit_name, 100, true, "a unit's name has 1 to 100 characters")?;
        if self.approvals.is_empty() || self.approvals.len() > MAX_APPROVALS {
            return Err(BadText("a release carries 1 to 16 approvals"));
        }
        for approval in &self.approvals {
            check_line(
                &approval.person,
                60,
                true,
                "whoever approves gives a name of at most 60 characters",
            )?;
        }
        Ok(())
    }

    /// How many different persons approved; white space does not make a second person.
    pub fn persons(&self) -> usize {
        let names: BTreeSet<String> = self
            .approvals
            .iter()
            .map(|approval| approval.person.split_whitespace().collect())
            .collect();
        names.len()
    }
}
