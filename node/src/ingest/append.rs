//! Inside the transaction: keys, audience, rules, chain; then the journal, the heights, the views.

mod decide;

use std::collections::{BTreeSet, HashMap};

use self::decide::Decision;
use super::sign::Signing;
use super::{IngestError, Origin, Outcome, Refusal, Verified, Written};
use crate::args;
use crate::content::{self, Folding, Record};
use crate::entry::{Hash, Head, LogId};
use crate::heights::{Height, Heights};
use crate::journal::{End, Item, Newest, Pins, log_from_row};
use crate::store::{StoreError, Tx, Value};

/// One transaction's view of the journal and the logs. Lives as long as the transaction.
pub(super) struct Appender<'t> {
    pub(super) tx: &'t mut Tx,
    pins: &'t Pins,
    now: i64,
    end: End,
    logs: HashMap<LogId, LogState>,
    next_log: i64,
    /// What it appended, where somebody wants it.
    appended: Option<Newest>,
}

/// Where a log stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogState {
    id: i64,
    /// Everything up to here is held.
    pub(super) height: u64,
    /// The hash there.
    pub(super) tip: Option<Hash>,
    /// Highest sequence held, gaps or not.
    pub(super) top: u64,
    lamport: u64,
    /// Two branches of it are held, or are known to be.
    pub(super) forked: bool,
}

impl<'t> Appender<'t> {
    pub(super) async fn begin(
        tx: &'t mut Tx,
        pins: &'t Pins,
        now: i64,
        appended: Option<Newest>,
    ) -> Result<Self, StoreError> {
        let end = crate::journal::end(tx).await?;
        let top = tx.optional("SELECT COALESCE(MAX(log), 0) FROM logs", args![]).await?;
        let next_log = top.map_or(Ok(0), |row| row.get::<i64>(0))? + 1;
        Ok(Self { tx, pins, now, end, logs: HashMap::new(), next_log, appended })
    }

    /// The end of the journal as this transaction will leave it.
    pub(super) fn end(&self) -> End {
        self.end
    }

    /// The last of what it appended: nothing where nobody wants it.
    pub(super) fn appended(self) -> Newest {
        self.appended.unwrap_or_default()
    }

    /// Where a log stands, this transaction's entries included.
    pub(super) async fn log_state(&mut self, log: LogId) -> Result<LogState, StoreError> {
        self.load_logs([log].into_iter()).await?;
        Ok(self.logs[&log])
    }

    /// Takes foreign entries.
    pub(super) async fn take(
        &mut self,
        items: Vec<(Verified, Origin)>,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(items.len());
        let mut items = items.into_iter().peekable();
        while let Some(first) = items.next() {
            let mut segment = vec![first];
            // What binds keys is folded before what may be signed with them.
            while let Some(next) = items.peek() {
                let before = binds(segment[segment.len() - 1].0.record.as_ref());
                if before == Binds::OwnKeys || before != binds(next.0.record.as_ref()) {
                    break;
                }
                segment.extend(items.next());
            }
            let decision = self.decide(&segment).await?;
            self.apply(&segment, &decision).await?;
            outcomes.extend(decision.outcomes);
        }
        Ok(outcomes)
    }

    /// Appends own entries, which are being signed: all of them, or none and why.
    pub(super) async fn append_own(
        &mut self,
        unsigned: Vec<Verified>,
        mut signing: Signing,
    ) -> Result<Result<Vec<Written>, Refusal>, IngestError> {
        let mut segment: Vec<_> = unsigned.into_iter().map(|it| (it, Origin::Own)).collect();
        let decision = self.decide(&segment).await?;
        let mut written = Vec::with_capacity(segment.len());
        for ((item, _), outcome) in segment.iter().zip(&decision.outcomes) {
            match outcome {
                Outcome::Refused(refusal) => return Ok(Err(refusal.clone())),
                Outcome::Accepted(position) => written.push(Written {
                    log: item.head.log,
                    seq: item.head.seq,
                    hash: item.hash,
                    position: *position,
                }),
                Outcome::Known => {
                    return Err(StoreError::Corrupt("an own entry before its time").into());
                }
            }
        }
        self.save_logs(&decision).await?;
        let mut folding = Vec::with_capacity(segment.len());
        let mut rest = segment.as_mut_slice();
        while !rest.is_empty() {
            let signatures = signing.next().await?;
            let (signed, unsigned) = rest.split_at_mut(signatures.len());
            for ((item, _), signature) in signed.iter_mut().zip(signatures) {
                item.entry.signature = signature;
            }
            folding.extend(self.insert(signed.iter().map(|(item, _)| item)).await?);
            rest = unsigned;
        }
        self.fold(&decision, &folding).await?;
        Ok(Ok(written))
    }

    /// Heights of logs as this transaction will leave them.
    pub(super) fn heights(&self, logs: &[LogId]) -> Heights {
        let height = |log: &LogId| match self.logs.get(log) {
            Some(LogState { height, tip: Some(tip), .. }) => {
                Some((*log, Height { seq: *height, hash: *tip }))
            }
            _ => None,
        };
        logs.iter().filter_map(height).collect()
    }

    async fn load_logs(&mut self, wanted: impl Iterator<Item = LogId>) -> Result<(), StoreError> {
        let missing: BTreeSet<LogId> = wanted.filter(|log| !self.logs.contains_key(log)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let keys = missing.iter().map(log_values).collect();
        let sql = "SELECT l.site, l.incarnation, l.scope, l.addressee, l.lane, l.log, l.height, l.tip, l.top, \
                   l.lamport, CAST(CASE WHEN EXISTS (SELECT 1 FROM forks f WHERE f.log = l.log) \
                     THEN 1 ELSE 0 END AS BIGINT) \
                   FROM ({keys}) k JOIN logs l ON l.site = k.column1 \
                   AND l.incarnation = k.column2 AND l.scope = k.column3 \
                   AND l.addressee = k.column4 AND l.lane = k.column5";
        for row in self.tx.select_in(sql, keys).await? {
            let state = LogState {
                id: row.get(5)?,
                height: row.get(6)?,
                tip: row.get(7)?,
                top: row.get(8)?,
                lamport: row.get(9)?,
                forked: row.get(10)?,
            };
            self.logs.insert(log_from_row(&row, 0)?, state);
        }
        for log in missing {
            if !self.logs.contains_key(&log) {
                let id = self.next_log;
                self.next_log += 1;
                let fresh =
                    LogState { id, height: 0, tip: None, top: 0, lamport: 0, forked: false };
                self.logs.insert(log, fresh);
            }
        }
        Ok(())
    }

    async fn apply(
        &mut self,
        segment: &[(Verified, Origin)],
        decision: &Decision,
    ) -> Result<(), StoreError> {
        self.save_logs(decision).await?;
        let accepted = decision.accepted.iter().map(|index| &segment[*index].0);
        let mut folding = self.insert(accepted).await?;
        for &(position, received_ms, index) in &decision.filled {
            let item = &segment[index].0;
            let sql = "UPDATE entries SET body = $1, slug = $2 WHERE position = $3";
            let body = item.entry.body.as_ref();
            self.tx.execute(sql, args![body, slug(item), position]).await?;
            // Appended without its body, perhaps a moment ago.
            if let Some(appended) = &mut self.appended {
                appended.forget_upto(position);
            }
            folding.extend(folding_of(position, received_ms, item));
        }
        self.fold(decision, &folding).await
    }

    async fn save_logs(&mut self, decision: &Decision) -> Result<(), StoreError> {
        let mut logs = Vec::with_capacity(decision.logs.len());
        for (log, state) in &decision.logs {
            self.logs.insert(*log, *state);
            let mut row = args![state.id];
            row.extend(log_values(log));
            row.extend(args![state.height, state.tip, state.top, state.lamport]);
            logs.push(row);
        }
        self.tx
            .insert_many(
                "INSERT INTO logs (log, site, incarnation, scope, addressee, lane, height, tip, top, lamport)",
                "ON CONFLICT (log) DO UPDATE SET height = excluded.height, tip = excluded.tip, \
                 top = excluded.top, lamport = excluded.lamport",
                logs,
            )
            .await
    }

    /// Puts entries at the end of the journal; what the views are to get of them.
    async fn insert<'i>(
        &mut self,
        items: impl Iterator<Item = &'i Verified>,
    ) -> Result<Vec<Folding<'i>>, StoreError> {
        let (mut rows, mut folding) = (Vec::new(), Vec::new());
        for item in items {
            self.end = self.end.after(item.hash);
            rows.push(self.entry_values(item));
            folding.extend(folding_of(self.end.position, self.now, item));
            if let Some(appended) = &mut self.appended {
                appended.push(item_of(self.end.position, item));
            }
        }
        self.tx
            .insert_many(
                "INSERT INTO entries (position, log, seq, hash, previous, rolling, received_ms, slug, \
                 head, signature, body)",
                "",
                rows,
            )
            .await?;
        Ok(folding)
    }

    /// The rest of what was decided, once all entries are in the journal.
    async fn fold(
        &mut self,
        decision: &Decision,
        folding: &[Folding<'_>],
    ) -> Result<(), StoreError> {
        let forks = decision.forks.iter().map(|(log, seq)| args![*log, *seq]).collect();
        self.tx
            .insert_many("INSERT INTO forks (log, seq)", "ON CONFLICT DO NOTHING", forks)
            .await?;
        for log in &decision.climbing {
            self.climb(*log).await?;
        }
        content::fold(self.tx, folding).await
    }

    fn entry_values(&self, item: &Verified) -> Vec<Value> {
        args![
            self.end.position,
            self.logs[&item.head.log].id,
            item.head.seq,
            item.hash,
            item.head.previous,
            self.end.rolling,
            self.now,
            slug(item),
            &item.entry.head,
            &item.entry.signature,
            item.entry.body.as_ref(),
        ]
    }

    /// A gap may have closed, or another branch may have become the longest: walks up as far as entries
    /// are held that follow one another. Of branches alike in length the smallest hash is the tip, so that
    /// a log stands alike wherever the same entries are held (rule 4).
    async fn climb(&mut self, log: LogId) -> Result<(), StoreError> {
        let mut state = self.logs[&log];
        // Below its first fork a log has one branch.
        let fork: Option<u64> = if state.forked {
            let sql = "SELECT MIN(seq) FROM forks WHERE log = $1";
            let row = self.tx.optional(sql, args![state.id]).await?;
            row.map_or(Ok(None), |row| row.get::<Option<i64>>(0))?.and_then(|it| it.try_into().ok())
        } else {
            None
        };
        let (mut seq, mut tips) = match fork {
            Some(fork) if fork <= state.height => {
                let sql = "SELECT hash FROM entries WHERE log = $1 AND seq = $2";
                let below = self.tx.optional(sql, args![state.id, fork - 1]).await?;
                (fork - 1, BTreeSet::from([below.map(|row| row.get(0)).transpose()?]))
            }
            _ => (state.height, BTreeSet::from([state.tip])),
        };
        let sql = "SELECT seq, position, hash, previous FROM entries \
                   WHERE log = $1 AND (seq, position) > ($2, $3) ORDER BY seq, position LIMIT 1024";
        let (mut read, mut above) = ((seq, i64::MAX), BTreeSet::new());
        'walk: loop {
            let rows = self.tx.all(sql, args![state.id, read.0, read.1]).await?;
            for row in &rows {
                read = (row.get(0)?, row.get(1)?);
                if read.0 > seq + 1 && !above.is_empty() {
                    (seq, tips) = (seq + 1, std::mem::take(&mut above));
                }
                if read.0 > seq + 1 {
                    break 'walk;
                }
                if tips.contains(&row.get::<Option<Hash>>(3)?) {
                    above.insert(Some(row.get::<Hash>(2)?));
                }
            }
            if rows.len() < 1024 {
                break;
            }
        }
        if !above.is_empty() {
            (seq, tips) = (seq + 1, above);
        }
        let tip = tips.first().copied().flatten();
        if (seq, tip) != (state.height, state.tip) {
            (state.height, state.tip) = (seq, tip);
            let sql = "UPDATE logs SET height = $1, tip = $2 WHERE log = $3";
            self.tx.execute(sql, args![state.height, state.tip, state.id]).await?;
            self.logs.insert(log, state);
        }
        Ok(())
    }
}

/// An entry as the journal has it.
fn item_of(position: i64, item: &Verified) -> Item {
    let Head { log, seq, .. } = item.head;
    Item { position, log, seq, hash: item.hash, slug: slug(item), entry: item.entry.copied() }
}

/// What the views get of an entry.
fn folding_of(position: i64, received_ms: i64, item: &Verified) -> Option<Folding<'_>> {
    let record = item.record.as_ref()?;
    Some(Folding { position, received_ms, hash: item.hash, head: &item.head, record })
}

/// What an entry changes in who may sign with which key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Binds {
    Nothing,
    /// A hub's word on others.
    Members,
    /// A site's word on itself: the next entry may rest on it, be it such a one too.
    OwnKeys,
}

fn binds(record: Option<&Record>) -> Binds {
    match record {
        Some(Record::Enrolment(_) | Record::Revocation(_)) => Binds::Members,
        Some(Record::KeyChange(_)) => Binds::OwnKeys,
        _ => Binds::Nothing,
    }
}

fn slug(item: &Verified) -> Option<String> {
    match &item.record {
        Some(Record::Article(article)) => Some(article.column.clone()),
        Some(Record::Column(column)) => Some(column.slug.clone()),
        _ => None,
    }
}

fn log_values(log: &LogId) -> Vec<Value> {
    args![log.site, log.incarnation, log.audience.scope, log.audience.addressee, log.lane]
}
