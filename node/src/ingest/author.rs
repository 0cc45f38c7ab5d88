//! Own entries: drafts, made entries inside the transaction that keeps them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::append::Appender;
use super::sign::Signing;
use super::verify::{spread, verify_unsigned};
use super::{IngestError, Refusal, Verified, Written};
use crate::args;
use crate::content::Record;
use crate::content::site::IncarnationStart;
use crate::entry::{BlobRef, Hash, Head, Lane, LogId};
use crate::heights::Height;
use crate::identity::Identity;
use crate::journal::{Meta, Standing, log_from_row};
use crate::scope::Audience;
use crate::store::{StoreError, Tx};
use crate::wire::{encode_head, encode_record};

/// Something this site is about to say.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whom it is for.
    pub audience: Audience,
    /// What it says.
    pub record: Record,
    /// Blobs it refers to.
    pub blobs: Vec<BlobRef>,
}

impl Draft {
    /// A draft with no blobs but those of what it releases.
    pub fn new(audience: Audience, record: Record) -> Self {
        let blobs = match &record {
            Record::Release(it) => it.head.blobs.clone(),
            _ => Vec::new(),
        };
        Self { audience, record, blobs }
    }
}

/// Why a plan writes nothing.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reason of the plan's own.
    #[error(transparent)]
    Refused(Box<dyn std::error::Error + Send + Sync>),
}

/// Decides, inside the transaction, what to write; it may read and must not change anything.
/// All its drafts are kept together or not at all.
pub type Plan =
    Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<Vec<Draft>, PlanError>> + Send>;

/// What a [`NotingPlan`] decided.
#[derive(Default)]
pub struct Planned {
    /// What to write.
    pub drafts: Vec<Draft>,
    /// Notes it afterwards; not if the drafts were not written.
    pub note: Option<Note>,
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planned").field("drafts", &self.drafts).finish_non_exhaustive()
    }
}

/// Writes, beside the entries and in their transaction, local state that must not lag behind them, such as what they
/// were made from (rule 1). It touches plain tables only.
pub type Note = Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> + Send>;

/// As [`Plan`]; what it decided is noted with it.
pub type NotingPlan =
    Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<Planned, PlanError>> + Send>;

/// Runs a plan and keeps what it says. The outer error is the whole transaction's.
pub(super) async fn write(
    appender: &mut Appender<'_>,
    meta: &Meta,
    identity: &Arc<Identity>,
    plan: NotingPlan,
) -> Result<Result<Vec<Written>, IngestError>, IngestError> {
    let Planned { drafts, note } = match plan(appender.tx).await {
        Ok(planned) => planned,
        Err(PlanError::Store(error)) => return Err(error.into()),
        Err(PlanError::Refused(reason)) => return Ok(Err(IngestError::Refused(reason.into()))),
    };
    let written = write_drafts(appender, meta, identity, drafts).await?;
    if let (Ok(_), Some(note)) = (&written, note) {
        note(appender.tx).await?;
    }
    Ok(written)
}

async fn write_drafts(
    appender: &mut Appender<'_>,
    meta: &Meta,
    identity: &Arc<Identity>,
    drafts: Vec<Draft>,
) -> Result<Result<Vec<Written>, IngestError>, IngestError> {
    if drafts.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    if meta.standing != Standing::Ready {
        return Ok(Err(IngestError::Fenced(
            "these data may be older than what others hold of this site; \
             sync once so that they are filled up, or run `resume`",
        )));
    }
    let mut unsigned: Vec<Unsigned> = Vec::with_capacity(drafts.len());
    let lamport = own_lamport(appender.tx, meta).await?;
    let mut author = Author { lamport, tips: Vec::new(), begun: Vec::new() };
    for draft in drafts {
        if let Some(start) = author.incarnation_start(appender, meta, draft.audience).await? {
            match author.head(appender, meta, identity, start).await? {
                Ok(head) => unsigned.push(head),
                Err(error) => return Ok(Err(error)),
            }
        }
        match author.head(appender, meta, identity, draft).await? {
            Ok(head) => unsigned.push(head),
            Err(error) => return Ok(Err(error)),
        }
    }
    // An entry is named by the bytes of its head alone: so all can be decided on before any is signed, and signed
    // while the first are being written.
    let verify = |chunk: Vec<Unsigned>| {
        chunk.into_iter().map(|it| verify_unsigned(it.head, it.body)).collect()
    };
    let checked = spread(unsigned, verify).await;
    let checked = match checked.into_iter().collect::<Result<Vec<Verified>, Refusal>>() {
        Ok(checked) => checked,
        Err(refusal) => return Ok(Err(IngestError::Rule(refusal))),
    };
    let heads = checked.iter().map(|it| it.entry.head.clone()).collect();
    let signing = Signing::begin(identity.clone(), heads);
    appender.append_own(checked, signing).await.map(|written| written.map_err(IngestError::Rule))
}

async fn own_lamport(tx: &mut Tx, meta: &Meta) -> Result<u64, StoreError> {
    let sql = "SELECT COALESCE(MAX(lamport), 0) FROM logs WHERE site = $1";
    match tx.optional(sql, args![meta.site]).await? {
        Some(row) => row.get(0),
        None => Ok(0),
    }
}

/// The bytes of a head and of its body.
struct Unsigned {
    head: Bytes,
    body: Bytes,
}

/// Where this site's logs stand while one plan's drafts become entries.
struct Author {
    lamport: u64,
    tips: Vec<(LogId, u64, Option<Hash>)>,
    /// To whom this life of the data has begun to speak.
    begun: Vec<Audience>,
}

impl Author {
    async fn tip(
        &mut self,
        appender: &mut Appender<'_>,
        log: LogId,
    ) -> Result<Result<(u64, Option<Hash>), IngestError>, StoreError> {
        if let Some((_, seq, tip)) = self.tips.iter().find(|(known, ..)| *known == log) {
            return Ok(Ok((*seq, *tip)));
        }
        let state = appender.log_state(log).await?;
        if state.top > state.height || state.forked {
            return Ok(Err(IngestError::Fenced(
                "this site's own log has a gap or a second branch; sync once, or run `resume`",
            )));
        }
        Ok(Ok((state.height, state.tip)))
    }

    async fn head(
        &mut self,
        appender: &mut Appender<'_>,
        meta: &Meta,
        identity: &Identity,
        draft: Draft,
    ) -> Result<Result<Unsigned, IngestError>, StoreError> {
        let log = LogId {
            site: meta.site,
            incarnation: meta.incarnation,
            audience: draft.audience,
            lane: draft.record.lane(),
        };
        let (seq, previous) = match self.tip(appender, log).await? {
            Ok(tip) => tip,
            Err(error) => return Ok(Err(error)),
        };
        let body = encode_record(&draft.record);
        let head = Head {
            log,
            key: identity.public(),
            seq: seq + 1,
            previous,
            lamport: self.lamport + 1,
            body_hash: Hash::of(&body),
            body_size: body.len() as u64,
            blobs: draft.blobs,
        };
        let bytes = encode_head(&head);
        self.lamport += 1;
        self.tips.retain(|(known, ..)| *known != log);
        self.tips.push((log, head.seq, Some(Hash::of(&bytes))));
        Ok(Ok(Unsigned { head: bytes, body }))
    }

    /// The first word of a new life of the data to an audience that earlier lives wrote to: the heads it
    /// continues. One per audience, so that no audience learns of logs it may not read.
    async fn incarnation_start(
        &mut self,
        appender: &mut Appender<'_>,
        meta: &Meta,
        audience: Audience,
    ) -> Result<Option<Draft>, StoreError> {
        if self.begun.contains(&audience) {
            return Ok(None);
        }
        self.begun.push(audience);
        let control =
            LogId { site: meta.site, incarnation: meta.incarnation, audience, lane: Lane::Control };
        if appender.log_state(control).await?.height > 0 {
            return Ok(None);
        }
        let sql = "SELECT site, incarnation, scope, addressee, lane, height, tip FROM logs \
                   WHERE site = $1 AND incarnation <> $2 AND scope = $3 AND addressee = $4 \
                   AND height > 0 ORDER BY incarnation, lane";
        let values = args![meta.site, meta.incarnation, audience.scope, audience.addressee];
        let mut continues = Vec::new();
        for row in appender.tx.all(sql, values).await? {
            let hash = row
                .get::<Option<Hash>>(6)?
                .ok_or(StoreError::Corrupt("a height without a hash"))?;
            continues.push((log_from_row(&row, 0)?, Height { seq: row.get(5)?, hash }));
        }
        let start = Record::Incarnation(IncarnationStart { continues });
        Ok(match &start {
            Record::Incarnation(it) if it.continues.is_empty() => None,
            _ => Some(Draft::new(audience, start)),
        })
    }
}
