//! An author that builds history purely: valid by default, hostile when asked.

use std::collections::BTreeMap;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use lianbo_node::content::Record;
use lianbo_node::content::retraction::Target;
use lianbo_node::content::site::{IncarnationStart, KeyChange};
use lianbo_node::entry::{Entry, Hash, Head, Incarnation, Lane, LogId, SiteId, sign_head};
use lianbo_node::heights::Height;
use lianbo_node::identity::Identity;
use lianbo_node::scope::{Audience, Reader, Scope};
use lianbo_node::wire::{encode_head, encode_record};

/// An entry with everything about it.
#[derive(Clone, Debug)]
pub struct Made {
    /// The bytes.
    pub entry: Entry,
    /// Its hash.
    pub hash: Hash,
    /// Its head.
    pub head: Head,
    /// Its record; `None` for a body of an unknown kind.
    pub record: Option<Record>,
}

impl Made {
    /// Names it for a retraction.
    pub fn target(&self) -> Target {
        Target { log: self.head.log, seq: self.head.seq, hash: self.hash }
    }

    /// Its author and hash.
    pub fn name(&self) -> (SiteId, Hash) {
        (self.head.log.site, self.hash)
    }

    /// Its author.
    pub fn site(&self) -> SiteId {
        self.head.log.site
    }

    /// Whom it is for.
    pub fn audience(&self) -> Audience {
        self.head.log.audience
    }

    /// As a withdrawn entry travels.
    pub fn without_body(&self) -> Entry {
        Entry { body: None, ..self.entry.clone() }
    }
}

/// The bytes of many.
pub fn entries<'a>(made: impl IntoIterator<Item = &'a Made>) -> Vec<Entry> {
    made.into_iter().map(|made| made.entry.clone()).collect()
}

/// A site that writes. A clone is a second machine with the same data: both write on, and fork.
#[derive(Clone, Debug)]
pub struct TestAuthor {
    /// The site and the key it signs with now.
    pub identity: Identity,
    /// The life of its data.
    pub incarnation: Incarnation,
    lamport: u64,
    tips: BTreeMap<LogId, Height>,
    keys: u8,
}

impl TestAuthor {
    /// The site that `seed` names, always the same, at the beginning of its first life.
    pub fn new(seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed.wrapping_add(100); 32]);
        Self::of(Identity::new(SiteId([seed; 16]), key))
    }

    /// A site with this identity at the beginning of its first life.
    pub fn of(identity: Identity) -> Self {
        let incarnation = Incarnation([1; 16]);
        Self { identity, incarnation, lamport: 0, tips: BTreeMap::new(), keys: 0 }
    }

    /// Which site it is.
    pub fn site(&self) -> SiteId {
        self.identity.site
    }

    /// Its log for an audience and a lane in this life.
    pub fn log(&self, audience: Audience, lane: Lane) -> LogId {
        LogId { site: self.site(), incarnation: self.incarnation, audience, lane }
    }

    /// The site as a reader with this ceiling.
    pub fn reader(&self, ceiling: Scope) -> Reader {
        Reader::site(self.site(), ceiling, ceiling)
    }

    /// Its next entry.
    pub fn write(&mut self, audience: Audience, record: impl Into<Record>) -> Made {
        let record = record.into();
        let body = encode_record(&record);
        let made = self.write_body(audience, record.lane(), body);
        Made { record: Some(record), ..made }
    }

    /// Its next entry, with any bytes as its body.
    pub fn write_body(&mut self, audience: Audience, lane: Lane, body: Bytes) -> Made {
        let head = self.next_head(audience, lane, &body);
        let made = self.sign(head, body);
        self.lamport = made.head.lamport;
        let tip = Height { seq: made.head.seq, hash: made.hash };
        self.tips.insert(made.head.log, tip);
        made
    }

    /// The head its next entry would have. Nothing is written; change it and [`TestAuthor::sign`] it.
    pub fn next_head(&self, audience: Audience, lane: Lane, body: &Bytes) -> Head {
        let log = self.log(audience, lane);
        let tip = self.tips.get(&log);
        Head {
            log,
            key: self.identity.public(),
            seq: tip.map_or(1, |tip| tip.seq + 1),
            previous: tip.map(|tip| tip.hash),
            lamport: self.lamport + 1,
            body_hash: Hash::of(body),
            body_size: body.len() as u64,
            blobs: Vec::new(),
        }
    }

    /// Signs any head over any body; the author's own history stays as it is.
    pub fn sign(&self, head: Head, body: Bytes) -> Made {
        let bytes = encode_head(&head);
        let entry = self.sign_bytes(bytes, Some(body));
        Made { hash: entry.hash(), entry, head, record: None }
    }

    /// Signs any bytes as if they were a head.
    pub fn sign_bytes(&self, head: Bytes, body: Option<Bytes>) -> Entry {
        Entry { signature: sign_head(self.identity.signing_key(), &head), head, body }
    }

    /// Takes a further key in each of these audiences; signs with it from now on.
    pub fn rotate(&mut self, audiences: &[Audience]) -> Vec<Made> {
        self.keys += 1;
        let seed = [self.site().0[0].wrapping_add(200).wrapping_add(self.keys); 32];
        let next = Identity::new(self.site(), SigningKey::from_bytes(&seed));
        let change = KeyChange { key: next.public(), proof: next.key_proof() };
        let made = audiences
            .iter()
            .map(|audience| self.write(*audience, Record::KeyChange(change.clone())))
            .collect();
        self.identity = next;
        made
    }

    /// Begins a new life of its data, as after a restore; says so in `audience`.
    pub fn reborn(&mut self, audience: Audience) -> Made {
        let continues = self
            .tips
            .iter()
            .filter(|(log, _)| log.audience == audience)
            .map(|(log, tip)| (*log, *tip))
            .collect();
        self.incarnation = Incarnation([self.incarnation.0[0] + 1; 16]);
        self.write(audience, Record::Incarnation(IncarnationStart { continues }))
    }

    /// Its Lamport counter: the one of its last entry.
    pub fn lamport(&self) -> u64 {
        self.lamport
    }
}
