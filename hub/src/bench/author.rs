//! Entries signed beforehand, as a site's door seals them, without keeping anything.

use lianbo_node::content::Record;
use lianbo_node::entry::{Entry, Hash, Head, Incarnation, LogId, sign_head};
use lianbo_node::identity::Identity;
use lianbo_node::scope::Audience;
use lianbo_node::wire::{encode_head, encode_record};

/// A site that writes one log from its beginning.
#[derive(Debug)]
pub(super) struct Author {
    identity: Identity,
    audience: Audience,
    seq: u64,
    previous: Option<Hash>,
}

impl Author {
    pub(super) fn new(identity: Identity, audience: Audience) -> Self {
        Self { identity, audience, seq: 0, previous: None }
    }

    /// Its next entry.
    pub(super) fn write(&mut self, record: &Record) -> Entry {
        let body = encode_record(record);
        self.seq += 1;
        let head = Head {
            log: LogId {
                site: self.identity.site,
                incarnation: Incarnation([1; 16]),
                audience: self.audience,
                lane: record.lane(),
            },
            key: self.identity.public(),
            seq: self.seq,
            previous: self.previous,
            // One log, so that the counter over all logs is that log's.
            lamport: self.seq,
            body_hash: Hash::of(&body),
            body_size: body.len() as u64,
            blobs: Vec::new(),
        };
        let head = encode_head(&head);
        let signature = sign_head(self.identity.signing_key(), &head);
        let entry = Entry { head, signature, body: Some(body) };
        self.previous = Some(entry.hash());
        entry
    }
}
