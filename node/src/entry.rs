//! Entries: signed heads with bodies beside them. Pure: no clock, no store, no network.

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::scope::Audience;

/// Largest encoded head, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;
/// Largest body, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// Most blobs one entry may name.
pub const MAX_BLOBS: usize = 64;
/// Largest sequence and Lamport counter; leaves room in the signed 64-bit integers of SQL.
pub const MAX_COUNTER: u64 = 1 << 62;

const HEAD_CONTEXT: &[u8] = b"lianbo.v1.head\0";

macro_rules! bytes_newtype {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// From a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// From hexadecimal text.
            pub fn from_hex(text: &str) -> Option<Self> {
                Self::from_slice(&hex::decode(text).ok()?)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}…)", stringify!($name), &hex::encode(&self.0[..4]))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    };
}

bytes_newtype!(
    /// 站点: the random 128-bit id of a participant. Keys come and go, the id stays.
    SiteId, 16
);
bytes_newtype!(
    /// The random 128-bit id of a harvester: a program above that reads what a hub publishes, and no site.
    HarvesterId, 16
);
bytes_newtype!(
    /// 化身: the random 128-bit number of one life of a site's data.
    Incarnation, 16
);
bytes_newtype!(
    /// A BLAKE3 hash: of an entry's head, a body, or a blob.
    Hash, 32
);
bytes_newtype!(
    /// The random 128-bit id of an article, a notice, an invitation.
    RecordId, 16
);
bytes_newtype!(
    /// A public signing key in its suite's encoding; Ed25519 for now.
    PublicKey, 32
);

impl Hash {
    /// BLAKE3 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// What kind of traffic a log carries. Control travels first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Enrolment, keys, revocation, retraction, first-seen records.
    Control = 1,
    /// Columns, articles, notices, receipts, releases.
    Content = 2,
}

impl Lane {
    /// Both lanes, first things first.
    pub const ALL: [Self; 2] = [Self::Control, Self::Content];

    /// The number kept in tables and on the wire.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The lane of a number from a table or the wire.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.number() == number)
    }
}

/// 日志: names the entries of one (site, incarnation, audience, lane).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId {
    /// The author's site.
    pub site: SiteId,
    /// The life of its data.
    pub incarnation: Incarnation,
    /// Who the entries are for.
    pub audience: Audience,
    /// Control or content.
    pub lane: Lane,
}

/// Bytes outside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// BLAKE3 of the blob.
    pub hash: Hash,
    /// Length in bytes.
    pub size: u64,
    /// Media type.
    pub media_type: String,
}

/// What the author signs, decoded. The signed bytes themselves are in [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log the entry belongs to.
    pub log: LogId,
    /// The key that signed it.
    pub key: PublicKey,
    /// Place in the log, dense from 1.
    pub seq: u64,
    /// Hash of the entry before; `None` exactly at seq 1.
    pub previous: Option<Hash>,
    /// Lamport counter over the author's entries.
    pub lamport: u64,
    /// BLAKE3 of the body.
    pub body_hash: Hash,
    /// Length of the body in bytes.
    pub body_size: u64,
    /// Blobs the body refers to.
    pub blobs: Vec<BlobRef>,
}

/// 条目: the bytes as they travel and as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The encoded head, as signed.
    pub head: Bytes,
    /// The signature over it.
    pub signature: Bytes,
    /// The body; absent where it was dropped.
    pub body: Option<Bytes>,
}

impl Entry {
    /// Names the entry: BLAKE3 of the signed head. The signature is left out, so that two signatures
    /// over one head are one entry.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.head)
    }

    /// The same entry in memory of its own: the bytes of one that came lie among those of all that came with it.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self {
            head: Bytes::copy_from_slice(&self.head),
            signature: Bytes::copy_from_slice(&self.signature),
            body: self.body.as_deref().map(Bytes::copy_from_slice),
        }
    }

    /// Bytes it takes in a batch, near enough for windows and budgets.
    pub fn size(&self) -> usize {
        self.head.len() + self.signature.len() + self.body.as_ref().map_or(0, Bytes::len) + 16
    }
}

/// Why bytes are not an entry. None of these passes by trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The bytes do not say what a head, body or record must say.
    #[error("malformed entry: {0}")]
    Malformed(&'static str),
    /// The signature does not hold.
    #[error("the signature does not hold")]
    BadSignature,
    /// Signed in a way this program does not know.
    #[error("signature suite {0} is newer than this program: upgrade it; the log waits until then")]
    Upgrade(i32),
}

/// Signs an encoded head.
pub fn sign_head(key: &SigningKey, head: &[u8]) -> Bytes {
    sign(key, HEAD_CONTEXT, &[head])
}

/// Signs `parts` under a context, so that a signature for one purpose is worth nothing for another.
pub fn sign(key: &SigningKey, context: &[u8], parts: &[&[u8]]) -> Bytes {
    let message = [&[context], parts].concat().concat();
    Bytes::copy_from_slice(&key.sign(&message).to_bytes())
}

/// Checks a signature made by [`sign_head`], strictly: RFC 8032 with small-order keys refused.
pub fn verify_head(key: PublicKey, head: &[u8], signature: &[u8]) -> Result<(), EntryError> {
    verify(key, HEAD_CONTEXT, &[head], signature)
}

/// Checks at once that a key's signatures over these heads hold, in half the time it takes one by one (Bernstein and
/// others, High-speed high-security signatures, 2012, section 5). For own ones: which of them fails is not told, and
/// keys of small order pass.
pub fn verify_own_heads(
    key: &VerifyingKey,
    heads: &[Bytes],
    signatures: &[Bytes],
) -> Result<(), EntryError> {
    let messages: Vec<_> = heads.iter().map(|head| [HEAD_CONTEXT, head].concat()).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let signatures: Result<Vec<_>, _> =
        signatures.iter().map(|signature| Signature::from_slice(signature)).collect();
    let keys = vec![*key; messages.len()];
    signatures
        .and_then(|signatures| ed25519_dalek::verify_batch(&messages, &signatures, &keys))
        .map_err(|_| EntryError::BadSignature)
}

/// Checks a signature made by [`sign`].
pub fn verify(
    key: PublicKey,
    context: &[u8],
    parts: &[&[u8]],
    signature: &[u8],
) -> Result<(), EntryError> {
    let signature = Signature::from_slice(signature).map_err(|_| EntryError::BadSignature)?;
    let key = verifying_key(key).ok_or(EntryError::BadSignature)?;
    let message = [&[context], parts].concat().concat();
    key.verify_strict(&message, &signature).map_err(|_| EntryError::BadSignature)
}

/// The point that a key is, if it is one. The last is kept: entries come in runs of one author.
fn verifying_key(key: PublicKey) -> Option<VerifyingKey> {
    thread_local! {
        static LAST: Cell<Option<VerifyingKey>> = const { Cell::new(None) };
    }
    let known = LAST.get().filter(|known| *known.as_bytes() == key.0);
    let found = known.or_else(|| VerifyingKey::from_bytes(&key.0).ok())?;
    LAST.set(Some(found));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn public(key: &SigningKey) -> PublicKey {
        PublicKey(key.verifying_key().to_bytes())
    }

    #[test]
    fn a_signature_is_checked_with_its_own_key_whoever_came_before() {
        let (one, other) = (key(1), key(2));
        for _ in 0..2 {
            for (signer, named, good) in
                [(&one, &one, true), (&one, &other, false), (&other, &other, true)]
            {
                let signature = sign_head(signer, b"head");
                assert_eq!(verify_head(public(named), b"head", &signature).is_ok(), good);
            }
        }
    }

    #[test]
    fn a_signature_holds_for_its_head_its_key_and_its_purpose_alone() {
        let signer = key(1);
        let signature = sign_head(&signer, b"head");
        assert_eq!(verify_head(public(&signer), b"head", &signature), Ok(()));
        for broken in [
            verify_head(public(&signer), b"Head", &signature),
            verify_head(public(&key(2)), b"head", &signature),
            verify_head(public(&signer), b"head", &signature[1..]),
            verify(public(&signer), b"lianbo.v1.join\0", &[b"head"], &signature),
        ] {
            assert_eq!(broken, Err(EntryError::BadSignature));
        }
    }

    #[test]
    fn of_many_signatures_each_must_hold() {
        let signer = key(1);
        let heads: Vec<Bytes> = (0..100_u8).map(|n| vec![n; 200].into()).collect();
        let signatures: Vec<Bytes> = heads.iter().map(|head| sign_head(&signer, head)).collect();
        let verify = |signer: &SigningKey, signatures: &[Bytes]| {
            verify_own_heads(&signer.verifying_key(), &heads, signatures)
        };
        assert_eq!(verify(&signer, &signatures), Ok(()));
        assert_eq!(verify_own_heads(&signer.verifying_key(), &[], &[]), Ok(()));
        assert_eq!(verify(&key(2), &signatures), Err(EntryError::BadSignature));
        assert_eq!(verify(&signer, &signatures[1..]), Err(EntryError::BadSignature));
        let bits = (0..64).map(|byte| (byte % 100, byte, 1_u8 << (byte % 8)));
        for (which, byte, bit) in bits {
            let mut flipped = signatures.clone();
            let mut bytes = flipped[which].to_vec();
            bytes[byte] ^= bit;
            flipped[which] = bytes.into();
            assert_eq!(verify(&signer, &flipped), Err(EntryError::BadSignature), "{which} {byte}");
        }
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        // The identity point verifies anything under cofactored rules.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert_eq!(
            verify_head(PublicKey(identity), b"x", &signature),
            Err(EntryError::BadSignature)
        );
    }

    #[test]
    fn ids_come_back_from_hexadecimal() {
        let id = SiteId([0xab; 16]);
        assert_eq!(SiteId::from_hex(&id.to_string()), Some(id));
        assert_eq!(SiteId::from_hex("abcd"), None);
        assert_eq!(SiteId::from_hex("zz"), None);
    }
}
