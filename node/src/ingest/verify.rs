//! What can be checked without the store: bounds, hashes, signatures, pure rules. Spread over the cores.

use bytes::Bytes;

use super::Refusal;
use crate::content::{self, Record};
use crate::entry::{Entry, EntryError, Hash, Head, verify_head};
use crate::wire::{decode_head, decode_record};

/// Entries one task verifies: long enough (2 ms) to be worth a hop, short enough to spread.
const CHUNK: usize = 48;

/// So few are verified where they are: a hop would take longer.
const FEW: usize = 2;

/// An entry whose signature, body and pure rules hold.
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
    check(entry, head).map_err(|refusal| Refusal { place, ..refusal })
}

fn check(entry: Entry, head: Head) -> Result<Verified, Refusal> {
    verify_head(head.key, &entry.head, &entry.signature)?;
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

/// Checks many entries on all cores; answers in the same order.
pub(super) async fn verify_many(entries: Vec<Entry>) -> Vec<Result<Verified, Refusal>> {
    spread(entries, verify_one).await
}

/// Does the same to many on all cores; answers in the same order.
pub(super) async fn spread<T, U>(
    items: Vec<T>,
    work: impl Fn(T) -> U + Clone + Send + 'static,
) -> Vec<U>
where
    T: Send + 'static,
    U: Send + 'static,
{
    if items.len() <= FEW {
        return items.into_iter().map(work).collect();
    }
    let mut rest = items.into_iter();
    let mut tasks = Vec::new();
    loop {
        let chunk: Vec<T> = rest.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        let work = work.clone();
        tasks.push(tokio::task::spawn_blocking(move || {
            chunk.into_iter().map(work).collect::<Vec<_>>()
        }));
    }
    let mut done = Vec::new();
    for task in tasks {
        match task.await {
            Ok(chunk) => done.extend(chunk),
            // A panic in a parser is a bug; it must not pass for an acceptance, nor take the door down.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    done
}
