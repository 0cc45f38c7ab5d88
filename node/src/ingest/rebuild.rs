//! Going over the whole journal: folding every view anew, and checking every signature, hash and chain.

use std::collections::{HashMap, HashSet};

use super::verify::verify_one;
use crate::args;
use crate::content::{self, Folding};
use crate::entry::{Entry, Hash, Lane, LogId};
use crate::journal::{self, Edition, End, Pins, log_from_row};
use crate::store::{Store, StoreError, Tx};
use crate::wire::{decode_head, decode_record};

/// Told how far it is: (position, last position).
pub type Progress<'p> = &'p mut (dyn FnMut(i64, i64) + Send);

/// What a rebuild did.
#[derive(Clone, Copy, Debug)]
pub struct Rebuilt {
    /// Entries gone over.
    pub entries: i64,
    /// Whether every view came out as it was.
    pub unchanged: bool,
}

/// Something in the journal that is not as it was written.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Damage {
    /// Place in the journal.
    pub position: i64,
    /// Author of the entry, as far as it can be told.
    pub site: Option<crate::entry::SiteId>,
    /// Its place in the log.
    pub seq: u64,
    /// What is wrong.
    pub what: String,
}

/// One stored entry with what the journal says about it. Hashes are read as they are, whatever their length.
struct Stored {
    position: i64,
    log: LogId,
    seq: u64,
    hash: Vec<u8>,
    previous: Option<Vec<u8>>,
    rolling: Vec<u8>,
    received_ms: i64,
    entry: Entry,
}

/// Entries read at a time; at most 128 MiB, usually half a MiB.
const PAGE: i64 = 128;

async fn stored(tx: &mut Tx, after: i64) -> Result<Vec<Stored>, StoreError> {
    let sql = "SELECT e.position, l.site, l.incarnation, l.scope, l.addressee, l.lane, e.seq, e.hash, \
               e.previous, e.rolling, e.received_ms, e.head, e.signature, e.body \
               FROM entries e JOIN logs l ON l.log = e.log \
               WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position";
    let rows = tx.all(sql, args![after, after + PAGE]).await?;
    rows.iter()
        .map(|row| {
            Ok(Stored {
                position: row.get(0)?,
                log: log_from_row(row, 1)?,
                seq: row.get(6)?,
                hash: row.get(7)?,
                previous: row.get(8)?,
                rolling: row.get(9)?,
                received_ms: row.get(10)?,
                entry: Entry { head: row.get(11)?, signature: row.get(12)?, body: row.get(13)? },
            })
        })
        .collect()
}

/// Empties every view and folds the journal anew, in one transaction: readers see the old views until
/// the new ones stand.
pub async fn rebuild_views(store: &Store, progress: Progress<'_>) -> Result<Rebuilt, StoreError> {
    let mut tx = store.write().await?;
    let last = journal::end(&mut tx).await?.position;
    let pins = Pins::load(&mut tx).await?;
    let before = content::digests(&mut tx, true).await?;
    content::clear(&mut tx).await?;
    let mut position = 0;
    while position < last {
        let page = stored(&mut tx, position).await?;
        let corrupt = StoreError::Corrupt("an entry that does not decode");
        let mut decoded = Vec::with_capacity(page.len());
        for item in &page {
            let Some(body) = &item.entry.body else { continue };
            let (Ok(head), Ok(record)) = (decode_head(&item.entry.head), decode_record(body))
            else {
                return Err(corrupt);
            };
            let Some(hash) = Hash::from_slice(&item.hash) else { return Err(corrupt) };
            // A kind that was unknown when the entry came was kept unchecked: its rules are asked now.
            let record = record.filter(|record| content::check(&head, record).is_ok());
            decoded.extend(record.map(|record| (item, hash, head, record)));
        }
        let records: Vec<_> = decoded.iter().map(|(_, _, head, record)| (head, record)).collect();
        let broken = content::check_known(&mut tx, &pins.hubs, &records).await?;
        let folding: Vec<_> = decoded
            .iter()
            .zip(broken)
            .filter(|(_, broken)| broken.is_none())
            .map(|((item, hash, head, record), _)| Folding {
                position: item.position,
                received_ms: item.received_ms,
                hash: *hash,
                head,
                record,
            })
            .collect();
        content::fold(&mut tx, &folding).await?;
        position += PAGE;
        progress(position.min(last), last);
    }
    Edition::touch(&mut tx).await?;
    let unchanged = content::digests(&mut tx, true).await? == before;
    tx.commit().await?;
    Ok(Rebuilt { entries: last, unchanged })
}

/// Checks every signature, hash and chain of the journal and names what is damaged.
pub async fn verify_journal(
    store: &Store,
    progress: Progress<'_>,
) -> Result<Vec<Damage>, StoreError> {
    let mut tx = store.read().await?;
    let last = journal::end(&mut tx).await?.position;
    let mut damage = Vec::new();
    let mut end = End::START;
    let mut seen: HashMap<(LogId, u64), Vec<Hash>> = HashMap::new();
    let mut wanted: Vec<(LogId, u64, Hash, i64)> = Vec::new();
    let mut bodiless = Vec::new();
    let mut after = 0;
    while after < last {
        let page = stored(&mut tx, after).await?;
        for item in page {
            let mut report = |what: &str| {
                damage.push(Damage {
                    position: item.position,
                    site: Some(item.log.site),
                    seq: item.seq,
                    what: what.to_owned(),
                });
            };
            if item.position != end.position + 1 {
                report("entries before this one are missing from the journal");
            }
            let hash = Hash::of(&item.entry.head);
            if item.hash != hash.0 {
                report("the hash is not the head's");
            }
            let kept = Hash::from_slice(&item.hash).unwrap_or(hash);
            end = End { position: item.position - 1, ..end }.after(kept);
            if item.rolling != end.rolling.0 {
                report("the rolling hash does not follow from the entries before");
                end.rolling = Hash::from_slice(&item.rolling).unwrap_or(end.rolling);
            }
            if item.entry.body.is_none() && item.log.lane == Lane::Content {
                bodiless.push((item.position, item.log.site, item.seq, hash));
            }
            match verify_one(item.entry) {
                Err(refusal) => report(&refusal.message),
                Ok(verified) => {
                    let head = verified.head;
                    let previous = head.previous.map(|hash| hash.0.to_vec());
                    if (head.log, head.seq, &previous) != (item.log, item.seq, &item.previous) {
                        report("the log, sequence or hash before are not the head's");
                    }
                    if let Some(previous) = head.previous {
                        wanted.push((item.log, item.seq, previous, item.position));
                    }
                }
            }
            seen.entry((item.log, item.seq)).or_default().push(hash);
        }
        after += PAGE;
        progress(after.min(last), last);
    }
    // A body is dropped on its way where its entry is withdrawn, and nowhere else.
    let held: Vec<_> =
        bodiless.iter().map(|&(position, site, _, hash)| (site, hash, position)).collect();
    let withdrawn = content::retraction::withdrawn(&mut tx, &held).await?;
    for (position, site, seq, hash) in bodiless {
        if !withdrawn.contains(&(site, hash)) {
            let what = "the body is missing, and nothing withdrew the entry".to_owned();
            damage.push(Damage { position, site: Some(site), seq, what });
        }
    }
    // A gap is no damage (another column, a live entry ahead); another entry in the place is a fork if
    // it is known as one.
    let forks: HashSet<(LogId, u64)> = journal::forks(&mut tx).await?.into_iter().collect();
    for (log, seq, previous, position) in wanted {
        let below = (log, seq - 1);
        let other = seen.get(&below).is_some_and(|held| !held.contains(&previous));
        if other && !forks.contains(&below) {
            let what = "the entry before is not the one this one follows".to_owned();
            damage.push(Damage { position, site: Some(log.site), seq, what });
        }
    }
    // The end of the journal has no entry after it to miss it; its logs do.
    for (log, height) in journal::heights_of_all(&mut tx).await? {
        if !seen.get(&(log, height.seq)).is_some_and(|held| held.contains(&height.hash)) {
            let what = "the entry its log ends with is missing from the journal".to_owned();
            let (position, site) = (last, Some(log.site));
            damage.push(Damage { position, site, seq: height.seq, what });
        }
    }
    Ok(damage)
}
