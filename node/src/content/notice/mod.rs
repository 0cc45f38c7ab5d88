//! 通知: notices to a scope, or to chosen units.

mod fold;
mod query;
mod standing;

pub use crate::content::journal::{current_entry, live_targets};
pub use crate::content::receipt::list as receipts;
pub use query::{NoticeLine, NoticeView, find, get, list};
pub use standing::{Undelivered, UnitStanding, copies, standing, undelivered};

pub(super) use fold::{VIEWS, fold};

use crate::content::article::{TextFormat, check_text, check_time};
use crate::content::{BadText, check_line};
use crate::entry::RecordId;

/// A notice, or one unit's copy of it; copies share the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The same in every copy.
    pub id: RecordId,
    /// Title.
    pub title: String,
    /// How `text` is written.
    pub format: TextFormat,
    /// The text.
    pub text: String,
    /// 发文字号, may be empty.
    pub doc_number: String,
    /// When it has to be signed for, milliseconds since 1970-01-01 UTC.
    pub deadline_ms: Option<i64>,
    /// When it was issued, by the author's clock.
    pub issued_ms: i64,
}

impl Notice {
    /// Checks every field.
    pub fn check(&self) -> Result<(), BadText> {
        check_line(&self.title, 200, true, "a title has 1 to 200 characters, on one line")?;
        check_line(&self.doc_number, 60, false, "a document number has at most 60 characters")?;
        check_text(&self.text)?;
        self.deadline_ms.map_or(Ok(()), check_time)?;
        check_time(self.issued_ms)
    }
}
