//! 签收: a unit's signed word on a notice.

use crate::content::article::check_time;
use crate::content::{BadText, check_line};
use crate::entry::{RecordId, SiteId};

/// How far a unit got. A later stage holds the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The unit's node holds it.
    Delivered = 1,
    /// Somebody opened it.
    Read = 2,
    /// Somebody signed for it.
    Signed = 3,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Read, Self::Signed];

    /// The stage of a number from a table or the wire.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| *stage as i64 == number)
    }

    /// Name on screens.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Delivered => "已送达",
            Self::Read => "已阅",
            Self::Signed => "已签收",
        }
    }
}

/// A unit's word on a notice, addressed to the notice's author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The notice's author.
    pub site: SiteId,
    /// The notice.
    pub notice: RecordId,
    /// How far it got.
    pub stage: Stage,
    /// Who signed; empty below [`Stage::Signed`].
    pub person: String,
    /// When, by the unit's clock.
    pub at_ms: i64,
}

impl Receipt {
    /// Checks every field: whoever signs has a name.
    pub fn check(&self) -> Result<(), BadText> {
        let signed = self.stage == Stage::Signed;
        check_line(
            &self.person,
            60,
            signed,
            "whoever signs for a notice gives a name of at most 60 characters",
        )?;
        check_time(self.at_ms)
    }
}
