//! Heads, logs and heights.

use bytes::Bytes;
use lianbo_proto::v1;
use prost::Message;

use crate::entry::{
    BlobRef, EntryError, Hash, Head, Incarnation, Lane, LogId, MAX_BLOBS, MAX_BODY, MAX_COUNTER,
    MAX_HEAD, PublicKey, SiteId,
};
use crate::heights::{Height, Heights};
use crate::scope::{Audience, Scope};

/// Most logs one message may name: 400 units with a dozen logs each, ten times over.
const MAX_HEIGHTS: usize = 50_000;

fn bad(what: &'static str) -> EntryError {
    EntryError::Malformed(what)
}

/// Encodes a head for signing.
pub fn encode_head(head: &Head) -> Bytes {
    let message = v1::Head {
        suite: v1::Suite::Ed25519Blake3.into(),
        site: slice(&head.log.site),
        key: slice(&head.key),
        incarnation: slice(&head.log.incarnation),
        audience: Some(audience_to_proto(head.log.audience)),
        lane: lane_to_proto(head.log.lane).into(),
        seq: head.seq,
        previous: head.previous.as_ref().map(slice).unwrap_or_default(),
        lamport: head.lamport,
        body_hash: slice(&head.body_hash),
        body_size: head.body_size,
        blobs: head
            .blobs
            .iter()
            .map(|blob| v1::BlobRef {
                hash: slice(&blob.hash),
                size: blob.size,
                media_type: blob.media_type.clone(),
            })
            .collect(),
    };
    message.encode_to_vec().into()
}

/// Decodes a head and checks every bound. The signature is not looked at.
pub fn decode_head(bytes: &Bytes) -> Result<Head, EntryError> {
    if bytes.len() > MAX_HEAD {
        return Err(bad("head larger than 16 KiB"));
    }
    let head =
        v1::Head::decode(bytes.clone()).map_err(|_| bad("head is not a protobuf message"))?;
    if head.suite != i32::from(v1::Suite::Ed25519Blake3) {
        return Err(match head.suite {
            0 => bad("no signature suite"),
            suite => EntryError::Upgrade(suite),
        });
    }
    let log = LogId {
        site: SiteId::from_slice(&head.site).ok_or(bad("site id is not 16 bytes"))?,
        incarnation: Incarnation::from_slice(&head.incarnation)
            .ok_or(bad("incarnation is not 16 bytes"))?,
        audience: audience_from_proto(head.audience)?,
        lane: lane_from_proto(head.lane)?,
    };
    if head.seq == 0 || head.seq > MAX_COUNTER {
        return Err(bad("sequence out of range"));
    }
    let previous = match (head.seq, head.previous.is_empty()) {
        (1, true) => None,
        (1, false) | (_, true) => return Err(bad("only the first entry has no hash before")),
        _ => Some(Hash::from_slice(&head.previous).ok_or(bad("hash before is not 32 bytes"))?),
    };
    if head.lamport == 0 || head.lamport > MAX_COUNTER {
        return Err(bad("Lamport counter out of range"));
    }
    if head.body_size > MAX_BODY as u64 {
        return Err(bad("body larger than 1 MiB"));
    }
    if head.blobs.len() > MAX_BLOBS {
        return Err(bad("more than 64 blobs"));
    }
    let blobs = head.blobs.into_iter().map(blob_from_proto).collect::<Result<_, _>>()?;
    Ok(Head {
        log,
        key: PublicKey::from_slice(&head.key).ok_or(bad("key is not 32 bytes"))?,
        seq: head.seq,
        previous,
        lamport: head.lamport,
        body_hash: Hash::from_slice(&head.body_hash).ok_or(bad("body hash is not 32 bytes"))?,
        body_size: head.body_size,
        blobs,
    })
}

fn blob_from_proto(blob: v1::BlobRef) -> Result<BlobRef, EntryError> {
    if blob.media_type.len() > 255 || blob.media_type.chars().any(char::is_control) {
        return Err(bad("media type longer than 255 bytes or with control characters"));
    }
    if blob.size > MAX_COUNTER {
        return Err(bad("blob size out of range"));
    }
    Ok(BlobRef {
        hash: Hash::from_slice(&blob.hash).ok_or(bad("blob hash is not 32 bytes"))?,
        size: blob.size,
        media_type: blob.media_type,
    })
}

fn slice(bytes: &impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(bytes.as_ref())
}

pub(super) fn scope_to_proto(scope: Scope) -> v1::Scope {
    match scope {
        Scope::Internal => v1::Scope::Internal,
        Scope::Organization => v1::Scope::Organization,
        Scope::Public => v1::Scope::Public,
    }
}

/// A scope from its number on the wire.
pub fn scope_from_proto(scope: i32) -> Result<Scope, EntryError> {
    Scope::from_number(scope.into()).ok_or(bad("unknown scope"))
}

pub(super) fn lane_to_proto(lane: Lane) -> v1::Lane {
    match lane {
        Lane::Control => v1::Lane::Control,
        Lane::Content => v1::Lane::Content,
    }
}

pub(super) fn lane_from_proto(lane: i32) -> Result<Lane, EntryError> {
    Lane::from_number(lane.into()).ok_or(bad("unknown lane"))
}

fn audience_to_proto(audience: Audience) -> v1::Audience {
    v1::Audience {
        scope: scope_to_proto(audience.scope).into(),
        addressee: audience.addressee.as_ref().map(slice).unwrap_or_default(),
    }
}

fn audience_from_proto(audience: Option<v1::Audience>) -> Result<Audience, EntryError> {
    let audience = audience.ok_or(bad("no audience"))?;
    let addressee = if audience.addressee.is_empty() {
        None
    } else {
        Some(SiteId::from_slice(&audience.addressee).ok_or(bad("addressee is not 16 bytes"))?)
    };
    Ok(Audience { scope: scope_from_proto(audience.scope)?, addressee })
}

/// A log's name for the wire.
pub fn log_to_proto(log: &LogId) -> v1::LogId {
    v1::LogId {
        site: slice(&log.site),
        incarnation: slice(&log.incarnation),
        audience: Some(audience_to_proto(log.audience)),
        lane: lane_to_proto(log.lane).into(),
    }
}

/// A log's name from the wire.
pub fn log_from_proto(log: Option<v1::LogId>) -> Result<LogId, EntryError> {
    let log = log.ok_or(bad("no log"))?;
    Ok(LogId {
        site: SiteId::from_slice(&log.site).ok_or(bad("site id is not 16 bytes"))?,
        incarnation: Incarnation::from_slice(&log.incarnation)
            .ok_or(bad("incarnation is not 16 bytes"))?,
        audience: audience_from_proto(log.audience)?,
        lane: lane_from_proto(log.lane)?,
    })
}

/// A height for the wire.
pub fn height_to_proto(log: &LogId, height: &Height) -> v1::LogHeight {
    v1::LogHeight { log: Some(log_to_proto(log)), seq: height.seq, hash: slice(&height.hash) }
}

/// A height from the wire. Sequence 0, "nothing yet", carries no hash and reads as zeros.
pub fn height_from_proto(height: v1::LogHeight) -> Result<(LogId, Height), EntryError> {
    if height.seq > MAX_COUNTER {
        return Err(bad("sequence out of range"));
    }
    let hash = match (height.seq, height.hash.is_empty()) {
        (0, true) => Hash([0; 32]),
        _ => Hash::from_slice(&height.hash).ok_or(bad("hash is not 32 bytes"))?,
    };
    Ok((log_from_proto(height.log)?, Height { seq: height.seq, hash }))
}

/// Heights for the wire.
pub fn heights_to_proto(heights: &Heights) -> Vec<v1::LogHeight> {
    heights.iter().map(|(log, height)| height_to_proto(log, height)).collect()
}

/// Heights from the wire, bounded in number.
pub fn heights_from_proto(heights: Vec<v1::LogHeight>) -> Result<Heights, EntryError> {
    if heights.len() > MAX_HEIGHTS {
        return Err(bad("more than 50,000 logs"));
    }
    heights.into_iter().map(height_from_proto).collect()
}
