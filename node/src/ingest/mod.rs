//! The one door in (rule 5). Own writes, peers, bundles and feeds all enter here.
//!
//! Signatures are checked outside the transaction (`Checked`), spread over the cores; keys, audience, rules and chain
//! inside it. Whatever waits is taken together into one transaction, so that many writers share one
//! fsync. When an answer comes, the data are on the disk and folded.

mod admit;
mod append;
mod author;
mod door;
mod outcome;
mod rebuild;
mod sign;
mod verify;

pub use author::{Draft, Note, NotingPlan, Plan, PlanError, Planned};
pub use door::{Door, DoorTask};
pub use outcome::{IngestError, Origin, Outcome, Reason, Refusal, Taken, Written};
pub use rebuild::{Damage, Progress, Rebuilt, rebuild_views, verify_journal};
pub use verify::{Checked, Verified};
