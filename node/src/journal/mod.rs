//! 流水: every entry this site holds, in order of arrival; how much of each log; who this site is.

mod edition;
mod fresh;
mod heights;
mod links;
mod meta;
mod read;

pub use edition::Edition;
pub use fresh::Fresh;
pub(crate) use fresh::Newest;
pub use heights::{forks, heights_of_all, heights_of_site, log_from_row, not_held};
pub use links::{
    LinkState, Refused, clear_cursors, cursors, forget_refusals, link_state, note_refusals,
    note_risen, refusals, resync, risen, risen_at, save_cursor, set_link_state, set_resync,
    subscriptions,
};
pub use meta::{Meta, Pins, Standing, fact, set_fact};
pub use read::{End, Item, Page, all_after, concerns_reader, end, log_entries, page, rolling_at};
