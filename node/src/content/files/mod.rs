//! 附件: which entries name which files. The bytes are kept by [`crate::blobs`].

mod fold;
mod moves;
mod query;

pub use moves::{
    Gift, carrier, forget_withdrawn, give_again, last_naming, next_gift, note, note_gift,
};
pub use query::{Attached, FileRef, Named, attached, named, of_carrier, retracted_upto, unneeded};

pub(super) use fold::{VIEWS, fold};
