//! Batches of entries, compressed once into frames that many followers share.

use std::cell::RefCell;

use bytes::Bytes;
use lianbo_proto::bounded::count_fields;
use lianbo_proto::v1;
use prost::Message;
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::{entry_from_proto, entry_to_proto};
use crate::entry::{Entry, EntryError};

/// Largest frame on the wire, in bytes.
pub const MAX_FRAME: usize = 4 * 1024 * 1024;
/// Largest batch inside a frame, in bytes; a frame that swells past it is refused while it swells.
pub const MAX_RAW: usize = 8 * 1024 * 1024;
/// Most entries in a frame: that many of the smallest kind fill it. Counted before anything is made of them:
/// an empty one is two bytes here and a hundred in memory.
const MAX_ENTRIES: usize = 32_768;
/// Compression level: costs 23 ms a megabyte of Chinese text, once for all readers, and makes it a tenth smaller than
/// zstd's default of 3. Higher ones cost much for little.
const LEVEL: i32 = 9;
/// A batch of fewer bytes, one article as a rule, goes nearly as it is. Compressed, 3 KB of Chinese would be 2.3, for 130 µs
/// of the hub's time instead of 10, once for each kind of reader, and 11 µs of every follower's instead of 2.
const SMALL: usize = 4 * 1024;
/// The level for these: what is there twice is left out, and nothing else is done.
const LEVEL_OF_SMALL: i32 = -5;

/// Bytes that are decompressed in one turn at most: zstd's largest block.
const TURN: usize = 128 * 1024;

/// Why a frame cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too many bytes on the wire.
    #[error("frame larger than 4 MiB")]
    TooLarge,
    /// Not zstd, or it swells past the bound.
    #[error("frame is not zstd, or holds more than 8 MiB")]
    Compression,
    /// More entries than a frame may hold.
    #[error("frame holds more than 32,768 entries")]
    TooMany,
    /// Not a batch.
    #[error("frame does not hold a batch of entries")]
    Batch,
    /// An entry in it is out of bounds.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

/// Encodes and compresses entries.
pub fn encode_frame(entries: &[Entry]) -> Bytes {
    encode_frame_of(entries.iter())
}

/// As [`encode_frame`], from borrowed entries.
///
/// # Panics
/// Never: zstd compresses to memory without failing.
pub fn encode_frame_of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Bytes {
    let batch = v1::Batch { entries: entries.map(entry_to_proto).collect() };
    let raw = batch.encode_to_vec();
    let level = if raw.len() < SMALL { LEVEL_OF_SMALL } else { LEVEL };
    zstd::bulk::compress(&raw, level).expect("zstd compresses to memory").into()
}

/// Decompresses and decodes a frame within its bounds.
pub fn decode_frame(frame: &[u8]) -> Result<Vec<Entry>, FrameError> {
    decode_frame_in_turns(frame, || {})
}

/// As [`decode_frame`], with `between` the turns of decompressing it: one for every 128 KiB at least.
pub fn decode_frame_in_turns(
    frame: &[u8],
    between: impl FnMut(),
) -> Result<Vec<Entry>, FrameError> {
    if frame.is_empty() {
        return Ok(Vec::new());
    }
    if frame.len() > MAX_FRAME {
        return Err(FrameError::TooLarge);
    }
    let raw = decompress(frame, between).ok_or(FrameError::Compression)?;
    match count_fields(&raw, &[], MAX_ENTRIES) {
        None => return Err(FrameError::Batch),
        Some(0..=MAX_ENTRIES) => {}
        Some(_) => return Err(FrameError::TooMany),
    }
    let batch = v1::Batch::decode(raw).map_err(|_| FrameError::Batch)?;
    batch
        .entries
        .into_iter()
        .map(|entry| entry_from_proto(entry).map_err(FrameError::from))
        .collect()
}

/// Bytes that a frame says it has once it is decompressed, at most what any may have; `None` for one that holds more, or
/// is no frame.
pub fn decompressed_size(frame: &[u8]) -> Option<usize> {
    // A frame need not tell.
    let told = zstd::zstd_safe::get_frame_content_size(frame).ok()?;
    let told = told.map_or(Some(MAX_RAW), |told| usize::try_from(told).ok())?;
    (told <= MAX_RAW).then_some(told)
}

/// What is in a frame, if it says that it holds no more than it may, and does.
fn decompress(frame: &[u8], between: impl FnMut()) -> Option<Bytes> {
    thread_local! {
        // Kept, because making one costs more than what it does to a small frame.
        static CONTEXT: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|kept| {
        let context = match kept {
            Some(context) => context,
            None => kept.insert(into_one_buffer()?),
        };
        decompress_with(context, frame, between)
    })
}

/// A context that keeps nothing of what it decompresses: all of it is in the one buffer that it is written to.
fn into_one_buffer() -> Option<DCtx<'static>> {
    let mut context = DCtx::try_create()?;
    context.set_parameter(DParameter::StableOutBuffer(true)).ok()?;
    Some(context)
}

fn decompress_with(
    context: &mut DCtx<'_>,
    mut frame: &[u8],
    mut between: impl FnMut(),
) -> Option<Bytes> {
    let size = decompressed_size(frame)?;
    let mut raw = Vec::with_capacity(size);
    let mut output = OutBuffer::around(&mut raw);
    let head = context.init().ok()?;
    // A block and the head of the next at a time, or all of it where that is no more.
    let mut wanted = if size > TURN { head } else { frame.len() };
    while wanted > 0 {
        let (part, rest) = frame.split_at_checked(wanted)?;
        let mut input = InBuffer::around(part);
        wanted = context.decompress_stream(&mut output, &mut input).ok()?;
        if input.pos() < part.len() {
            return None;
        }
        frame = rest;
        between();
    }
    frame.is_empty().then(|| raw.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(body: usize) -> Entry {
        Entry {
            head: Bytes::from_static(b"head"),
            signature: Bytes::from_static(&[7; 64]),
            body: Some(vec![b'x'; body].into()),
        }
    }

    #[test]
    fn a_frame_comes_back_as_it_went() {
        let mut entries = vec![entry(0), entry(3_000)];
        entries[0].body = None;
        assert_eq!(decode_frame(&encode_frame(&entries)).unwrap(), entries);
        for none in [Bytes::new(), encode_frame(&[])] {
            assert_eq!(decode_frame(&none).unwrap(), vec![]);
        }
    }

    #[test]
    fn one_small_article_goes_nearly_as_it_is_and_more_are_compressed() {
        let mut place = 0_u32;
        let mut character = || {
            place = place.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from_u32(0x4e00 + (place >> 16) % 512).unwrap()
        };
        let articles = [(); 2].map(|()| {
            let body: String = (0..1_000).map(|_| character()).collect();
            Entry { body: Some(body.into()), ..entry(0) }
        });
        let (one, both) = (encode_frame(&articles[..1]), encode_frame(&articles));
        assert!(one.len() > 3_000 && both.len() < 4_500, "{} and {}", one.len(), both.len());
        assert_eq!(decode_frame(&one).unwrap(), articles[..1]);
        assert_eq!(decode_frame(&both).unwrap(), articles);
    }

    #[test]
    fn it_is_decompressed_in_turns_and_nothing_may_follow_or_be_missing() {
        let raw = v1::Batch { entries: vec![entry_to_proto(&entry(1024 * 1024)); 7] };
        let raw = raw.encode_to_vec();
        let frame = zstd::bulk::compress(&raw, 1).unwrap();
        let mut turns = 0;
        assert_eq!(decode_frame_in_turns(&frame, || turns += 1).unwrap().len(), 7);
        assert!(turns >= raw.len() / TURN, "{turns}");
        let cut = &frame[..frame.len() - 1];
        for wrong in [cut, &[&frame[..], &[0]].concat(), &[&frame[..], &frame].concat()] {
            assert_eq!(decode_frame(wrong), Err(FrameError::Compression));
        }
        assert!(decode_frame(&frame).is_ok(), "what was wrong leaves nothing behind");
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; MAX_RAW + 1], 19).unwrap();
        assert!(bomb.len() < 4096);
        assert_eq!(decode_frame(&bomb), Err(FrameError::Compression));
    }

    #[test]
    fn entries_of_nothing_are_counted_before_they_are_made() {
        let frame = |count| zstd::bulk::compress(&[0x0a, 0].repeat(count), 1).unwrap();
        assert_eq!(decode_frame(&frame(MAX_ENTRIES)).unwrap().len(), MAX_ENTRIES);
        assert_eq!(decode_frame(&frame(MAX_ENTRIES + 1)), Err(FrameError::TooMany));
        assert_eq!(decode_frame(&frame(MAX_RAW / 2)), Err(FrameError::TooMany));
    }

    #[test]
    fn garbage_and_oversize_are_refused() {
        assert_eq!(decode_frame(b"garbage"), Err(FrameError::Compression));
        assert_eq!(decode_frame(&vec![0; MAX_FRAME + 1]), Err(FrameError::TooLarge));
        let not_a_batch = zstd::bulk::compress(&[0xff; 9], 1).unwrap();
        assert_eq!(decode_frame(&not_a_batch), Err(FrameError::Batch));
        let swollen = encode_frame(&[entry(1024 * 1024 + 1)]);
        assert!(matches!(decode_frame(&swollen), Err(FrameError::Entry(_))));
    }
}
