//! Between protobuf and the domain. Pure: bytes in, values out, every bound checked here once.

mod frame;
mod harvest;
mod head;
mod record;

pub use frame::{
    FrameError, MAX_FRAME, MAX_RAW, decode_frame, decode_frame_in_turns, decompressed_size,
    encode_frame, encode_frame_of,
};
pub use harvest::{MAX_HTML, told_from_proto, told_to_proto};
pub use head::{
    decode_head, encode_head, height_from_proto, height_to_proto, heights_from_proto,
    heights_to_proto, log_from_proto, log_to_proto, scope_from_proto,
};
pub use record::{decode_record, encode_record};

use lianbo_proto::v1;

use crate::entry::{Entry, EntryError, MAX_BODY, MAX_HEAD};

/// An entry from the wire, its lengths bounded.
pub fn entry_from_proto(entry: v1::Entry) -> Result<Entry, EntryError> {
    if entry.head.len() > MAX_HEAD {
        return Err(EntryError::Malformed("head larger than 16 KiB"));
    }
    if entry.signature.len() > 128 {
        return Err(EntryError::BadSignature);
    }
    if entry.body.as_ref().is_some_and(|body| body.len() > MAX_BODY) {
        return Err(EntryError::Malformed("body larger than 1 MiB"));
    }
    Ok(Entry { head: entry.head, signature: entry.signature, body: entry.body })
}

/// An entry for the wire; the bytes are shared, not copied.
pub fn entry_to_proto(entry: &Entry) -> v1::Entry {
    v1::Entry {
        head: entry.head.clone(),
        signature: entry.signature.clone(),
        body: entry.body.clone(),
    }
}
