//! 游标: how far a link has read a journal, sealed so that a peer learns no counts from it.

use bytes::Bytes;
use lianbo_node::entry::{Hash, RecordId};
use lianbo_node::journal::{End, Meta};

use crate::aead::{self, KEY, NONCE, TAG};

const CONTEXT: &[u8] = b"lianbo.v1.cursor\0";
/// journal 16, epoch 8, filter 32, position 8, rolling hash 32.
const PLAIN: usize = 96;
const SEALED: usize = NONCE + PLAIN + TAG;

/// A cursor, opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The journal it reads.
    pub(crate) journal: RecordId,
    /// The epoch of that journal.
    pub(crate) epoch: u64,
    /// Digest of the filter it was made with.
    pub(crate) filter: Hash,
    /// How far it has read, and the rolling hash there.
    pub(crate) end: End,
}

/// What a cursor says about going on from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Good(i64),
    /// Another filter: read anew, by heights.
    OtherFilter,
    /// Not of the journal as it is now: data were lost here.
    OtherJournal {
        /// Sealed under this journal's own key: proof that the loss is real.
        proven: bool,
    },
}

impl Cursor {
    /// A cursor of this journal, made with the filter of this digest.
    pub(crate) fn new(meta: &Meta, filter: Hash, end: End) -> Self {
        Self { journal: meta.journal, epoch: meta.epoch, filter, end }
    }

    /// Seals it. `nonce` is fresh randomness.
    pub(crate) fn seal(&self, key: &[u8; KEY], nonce: [u8; NONCE]) -> Bytes {
        let mut sealed = Vec::with_capacity(SEALED);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&self.journal.0);
        sealed.extend_from_slice(&self.epoch.to_be_bytes());
        sealed.extend_from_slice(&self.filter.0);
        sealed.extend_from_slice(&self.end.position.to_be_bytes());
        sealed.extend_from_slice(&self.end.rolling.0);
        // Sealing a hundred bytes does not fail; an empty cursor would only make the peer read anew.
        match aead::seal(key, nonce, CONTEXT, &mut sealed[NONCE..]) {
            Some(tag) => sealed.extend_from_slice(&tag),
            None => sealed.clear(),
        }
        sealed.into()
    }

    /// Opens a sealed cursor; `None` where it was not sealed with this key.
    pub(crate) fn open(key: &[u8; KEY], sealed: &[u8]) -> Option<Self> {
        if sealed.len() != SEALED {
            return None;
        }
        let (nonce, sealed) = sealed.split_first_chunk()?;
        let mut sealed = sealed.to_vec();
        let plain = aead::open(key, *nonce, CONTEXT, &mut sealed)?;
        Some(Self {
            journal: RecordId::from_slice(plain.get(..16)?)?,
            epoch: u64::from_be_bytes(plain.get(16..24)?.try_into().ok()?),
            filter: Hash::from_slice(plain.get(24..56)?)?,
            end: End {
                position: i64::from_be_bytes(plain.get(56..64)?.try_into().ok()?),
                rolling: Hash::from_slice(plain.get(64..96)?)?,
            },
        })
    }

    /// Judges it against the journal as it is, for a reader with the filter of this digest: `rolling_here` is
    /// the rolling hash at its position now.
    pub(crate) fn judge(&self, meta: &Meta, filter: Hash, rolling_here: Option<Hash>) -> Verdict {
        if self.journal != meta.journal
            || self.epoch != meta.epoch
            || rolling_here != Some(self.end.rolling)
        {
            Verdict::OtherJournal {
                proven: self.journal == meta.journal && self.epoch == meta.epoch,
            }
        } else if self.filter != filter {
            Verdict::OtherFilter
        } else {
            Verdict::Good(self.end.position)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lianbo_node::entry::{Lane, SiteId};
    use lianbo_node::scope::{Reader, Scope};
    use lianbo_node::sync::filter::Filter;

    fn meta() -> Meta {
        Meta::generate(SiteId([1; 16]), &mut rand::rng())
    }

    fn filter(ceiling: Scope) -> Hash {
        let filter = Filter {
            reader: Reader::site(SiteId([2; 16]), ceiling, ceiling),
            trunk: SiteId([1; 16]),
            lane: Lane::Content,
            subscriptions: Vec::new(),
            refill: false,
        };
        filter.digest()
    }

    const END: End = End { position: 42, rolling: Hash([7; 32]) };

    #[test]
    fn a_cursor_comes_back_and_every_cursor_has_the_same_length() {
        let meta = meta();
        let cursor = Cursor::new(&meta, filter(Scope::Public), END);
        let sealed = cursor.seal(&meta.cursor_key, [3; 12]);
        assert_eq!(Cursor::open(&meta.cursor_key, &sealed), Some(cursor));
        let far = End { position: i64::MAX, ..END };
        let other = Cursor::new(&meta, filter(Scope::Public), far).seal(&meta.cursor_key, [4; 12]);
        assert_eq!(sealed.len(), other.len());
    }

    #[test]
    fn a_forged_or_foreign_cursor_does_not_open() {
        let meta = meta();
        let sealed = Cursor::new(&meta, filter(Scope::Public), END).seal(&meta.cursor_key, [3; 12]);
        for index in 0..sealed.len() {
            let mut broken = sealed.to_vec();
            broken[index] ^= 1;
            assert_eq!(Cursor::open(&meta.cursor_key, &broken), None);
        }
        assert_eq!(Cursor::open(&[0; 32], &sealed), None);
        assert_eq!(Cursor::open(&meta.cursor_key, b""), None);
    }

    #[test]
    fn a_lost_journal_another_filter_and_a_good_cursor_are_told_apart() {
        let meta = meta();
        let filter_ = filter(Scope::Organization);
        let cursor = Cursor::new(&meta, filter_, END);
        assert_eq!(cursor.judge(&meta, filter_, Some(END.rolling)), Verdict::Good(42));
        let wider = filter(Scope::Public);
        assert_eq!(cursor.judge(&meta, wider, Some(END.rolling)), Verdict::OtherFilter);
        let lost = Verdict::OtherJournal { proven: true };
        assert_eq!(cursor.judge(&meta, filter_, None), lost);
        assert_eq!(cursor.judge(&meta, filter_, Some(Hash([8; 32]))), lost);
        let mut renewed = meta.clone();
        renewed.renew(&mut rand::rng());
        let unproven = Verdict::OtherJournal { proven: false };
        assert_eq!(cursor.judge(&renewed, filter_, Some(END.rolling)), unproven);
    }
}
