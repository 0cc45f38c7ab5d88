//! 流水: every entry this site holds, in order of arrival; how much of each log; who this site is.

mod heights;
mod meta;
mod read;

pub use heights::{forks, heights_of_all, heights_of_site, log_from_row};
pub use meta::{Meta, Standing};
pub use read::{End, Item, Page, all_after, end, log_entries, page, rolling_at};
