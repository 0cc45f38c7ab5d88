//! 采集: reads the feeds of other sites into articles signed by this hub, which carry their source, their link and
//! their original time.
//!
//! Pure: `source` (what a source is), `schedule` (when it is due, how it stands), `decode`, `repair`, `dates`, `text`,
//! `feed` (bytes to items), `candidate` (items to articles), `decide` (what is new). Then `guard` (where may be
//! asked), `fetch` (asks), `state` (plain tables: the only SQL here), `keep` (through the door), `poll`, `duty`.

mod candidate;
mod dates;
mod decide;
mod decode;
pub(crate) mod duty;
mod feed;
mod fetch;
mod guard;
mod keep;
mod poll;
mod repair;
mod schedule;
mod source;
mod state;
mod text;

pub use decide::Polled;
pub use feed::{Feed, FeedError, Item, MAX_ITEMS, parse};
pub use fetch::{BadProxy, Fetcher, MAX_BODY};
pub use guard::{Forbidden, Guard};
pub use poll::Poller;
pub use schedule::{Poll, Standing};
pub use source::{BadSource, MAX_EVERY_MS, MIN_EVERY_MS, Source};
pub use state::{Registry, Watched};
