//! What can be checked without the store: bounds, hashes, signatures, pure rules. Spread over the cores.

use std::sync::LazyLock;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::Refusal;
use crate::content::{self, Record};
use crate::cores::spare::give_way;
use crate::cores::{self, Cores, Share};
use crate::entry::{Entry, EntryError, Hash, Head, SiteId, verify_head};
use crate::wire::{
    FrameError, decode_frame, decode_frame_in_turns, decode_head, decode_record, decompressed_size,
};

/// Most entries one task verifies (2 ms), so that others have their turn.
const CHUNK: usize = 48;

/// So few are verified where they are: a hop would take longer.
const FEW: usize = 2;

/// Frames up to so many bytes are decoded where they are, likewise.
const SMALL: usize = 16 * 1024;

/// All doors of this process share them.
static CORES: LazyLock<Cores> = LazyLock::new(Cores::default);

/// For large frames, whatever is in them. Apart, so that nothing that is checked waits for their turns.
static DECODING: LazyLock<Cores> = LazyLock::new(Cores::default);

/// An entry whose signature, body and pure rules hold. An own one is signed last, after all else was decided.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The bytes.
    pub entry: Entry,
    /// Its hash.
    pub hash: Hash,
    /// Its head, decoded.
    pub head: Head,
    /// Its record; `None` where the body was dropped or its kind is unknown here.
    pub record: Option<Record>,
}

/// Checks one entry.
pub(super) fn verify_one(entry: Entry) -> Result<Verified, Refusal> {
    let head = decode_head(&entry.head)?;
    let place = Some((head.log, head.seq));
    let signed = verify_head(head.key, &entry.head, &entry.signature).map_err(Refusal::from);
    let checked = signed.and_then(|()| check(entry, head));
    checked.map_err(|refusal| Refusal { place, ..refusal })
}

/// Checks an own entry that is not signed yet: what others would refuse must not be written here.
pub(super) fn verify_unsigned(head: Bytes, body: Bytes) -> Result<Verified, Refusal> {
    let entry = Entry { head, signature: Bytes::new(), body: Some(body) };
    let head = decode_head(&entry.head)?;
    let place = Some((head.log, head.seq));
    check(entry, head).map_err(|refusal| Refusal { place, ..refusal })
}

fn check(entry: Entry, head: Head) -> Result<Verified, Refusal> {
    let record = match &entry.body {
        None => None,
        Some(body) => decode_body(&head, body)?,
    };
    if let Some(record) = &record {
        content::check(&head, record)?;
    }
    Ok(Verified { hash: entry.hash(), entry, head, record })
}

fn decode_body(head: &Head, body: &Bytes) -> Result<Option<Record>, EntryError> {
    if body.len() as u64 != head.body_size || Hash::of(body) != head.body_hash {
        return Err(EntryError::Malformed("the body is not the one that was signed"));
    }
    decode_record(body)
}

/// Entries of one submission, checked as far as that goes without the store: the next ones can be while these are
/// written.
#[derive(Debug)]
pub struct Checked {
    pub(super) held: Vec<Verified>,
    /// Those that do not hold, and where they stood.
    pub(super) refused: Vec<(usize, Refusal)>,
}

impl Checked {
    /// Decodes and checks what a frame of a peer holds. None keeps other work waiting, however much it holds.
    pub async fn of_frame(frame: Bytes, peer: &Share) -> Result<Self, FrameError> {
        let small = decompressed_size(&frame).is_none_or(|size| size <= SMALL);
        let entries = if small {
            decode_frame(&frame)
        } else {
            DECODING.charged(peer, move || decode_frame_in_turns(&frame, give_way)).await
        };
        Ok(Self::of(entries?).await)
    }

    /// Checks them on all cores.
    pub async fn of(entries: Vec<Entry>) -> Self {
        let (mut held, mut refused) = (Vec::with_capacity(entries.len()), Vec::new());
        let verify = |entries: Vec<Entry>| entries.into_iter().map(verify_one).collect();
        for (index, result) in spread(entries, verify).await.into_iter().enumerate() {
            match result {
                Ok(item) => held.push(item),
                Err(refusal) => refused.push((index, refusal)),
            }
        }
        Self { held, refused }
    }

    /// Whose entries they are, of those that hold.
    pub fn authors(&self) -> impl Iterator<Item = SiteId> {
        self.held.iter().map(|item| item.head.log.site)
    }
}

/// Does the same to many on all cores, some at a time; answers in the same order.
pub(super) async fn spread<T, U>(
    items: Vec<T>,
    work: impl Fn(Vec<T>) -> Vec<U> + Clone + Send + 'static,
) -> Vec<U>
where
    T: Send + 'static,
    U: Send + 'static,
{
    if items.len() <= FEW {
        return work(items);
    }
    let each = items.len().div_ceil(cores::count()).min(CHUNK);
    let mut rest = items.into_iter();
    let mut tasks = Vec::new();
    loop {
        let chunk: Vec<T> = rest.by_ref().take(each).collect();
        if chunk.is_empty() {
            break;
        }
        let work = work.clone();
        tasks.push(CORES.begin(move || work(chunk)).await);
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(done(task).await);
    }
    answers
}

/// What a piece of work gave.
async fn done<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(done) => done,
        // A panic in a parser is a bug; it must not pass for an acceptance, nor take the door down.
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::cores::spare::GIVEN_WAY;
    use crate::wire::{MAX_RAW, encode_frame};

    #[tokio::test]
    async fn a_large_frame_is_decoded_in_turns() {
        let body = Some(vec![b'x'; 1024 * 1024].into());
        let entry = Entry { head: Bytes::new(), signature: Bytes::new(), body };
        let frame = encode_frame(&vec![entry; 7]);
        let before = GIVEN_WAY.load(Ordering::SeqCst);
        let checked = Checked::of_frame(frame, &Share::default()).await.unwrap();
        assert_eq!(checked.refused.len(), 7);
        let given_way = GIVEN_WAY.load(Ordering::SeqCst) - before;
        assert!(given_way >= 7 * MAX_RAW / 8 / (128 * 1024), "{given_way}");
    }
}
