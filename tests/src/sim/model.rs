//! The independent model: what the sites must hold and show in the end, from the signed entries alone.
//!
//! It reads the journals' rows and decodes bytes; who may hold and see what is stated here anew.

use std::collections::{BTreeMap, BTreeSet};

use lianbo_node::clock::ManualClock;
use lianbo_node::content::article::{self, ArticleFilter};
use lianbo_node::content::{self, Record};
use lianbo_node::entry::{Entry, Hash, Lane, LogId, RecordId, SiteId};
use lianbo_node::identity::Identity;
use lianbo_node::ingest::{Door, Origin, Outcome};
use lianbo_node::journal::{self, Meta};
use lianbo_node::lifecycle::set_up;
use lianbo_node::scope::{Reader, Scope};
use lianbo_node::store::Store;
use lianbo_node::wire::{decode_head, decode_record};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio_util::sync::CancellationToken;

use super::world::{HUB, Member, NEWS, World};
use crate::ledger::{Ledger, Name, name};
use crate::records::START_MS;

/// An article.
type Piece = (SiteId, RecordId);

/// One site's data as they are on its disk.
pub(super) struct Replica {
    entries: Vec<Entry>,
    names: BTreeSet<Name>,
    shown: BTreeMap<Piece, String>,
    risen: Vec<(LogId, u64)>,
    link: String,
    digests: BTreeMap<&'static str, Hash>,
}

impl Replica {
    /// Reads a site's disk.
    pub(super) async fn read(member: &Member) -> Self {
        let store = member.open().await;
        let Ledger { entries, names } = Ledger::read(&store, &member.name).await;
        let mut tx = store.read().await.expect("the store reads");
        let filter = ArticleFilter { limit: 100_000, ..ArticleFilter::default() };
        let lines = article::list(&mut tx, Reader::anonymous(Scope::Internal), &filter).await;
        let shown = lines.expect("the articles").into_iter().map(|it| ((it.site, it.id), it.title));
        let replica = Self {
            names,
            shown: shown.collect(),
            risen: journal::risen(&mut tx).await.expect("what has risen"),
            link: journal::link_state(&mut tx)
                .await
                .expect("the link")
                .map_or_else(String::new, |it| it.state),
            digests: content::digests(&mut tx, false).await.expect("digests"),
            entries,
        };
        drop(tx);
        store.close().await;
        replica
    }

    /// Whether it holds this entry.
    pub(super) fn holds(&self, log: LogId, seq: u64, hash: Hash) -> bool {
        self.names.contains(&(log, seq, hash))
    }
}

fn record(entry: &Entry) -> Option<Record> {
    decode_record(entry.body.as_ref()?).expect("a kept body decodes")
}

/// What is wrong, if anything. Cheap enough to ask while waiting for it to come right.
pub(super) fn judge(world: &World, replicas: &[Replica]) -> Result<(), String> {
    let hub = &replicas[HUB];
    // Everything that exists anywhere, and the columns of what is in one.
    let mut all: BTreeSet<Name> = BTreeSet::new();
    let mut slugs: BTreeMap<Hash, String> = BTreeMap::new();
    for entry in replicas.iter().flat_map(|replica| &replica.entries) {
        let name = name(entry);
        all.insert(name);
        match record(entry) {
            Some(Record::Article(it)) => drop(slugs.insert(name.2, it.column)),
            Some(Record::Column(it)) => drop(slugs.insert(name.2, it.slug)),
            _ => {}
        }
    }
    let told = world.told();
    for acked in &told.acked {
        let author = world.members.iter().position(|it| it.site() == acked.log.site);
        let replica = &replicas[author.ok_or("an author nobody knows")?];
        if !replica.holds(acked.log, acked.seq, acked.hash) {
            let holders: Vec<_> = world
                .members
                .iter()
                .zip(replicas)
                .filter(|(_, it)| it.holds(acked.log, acked.seq, acked.hash))
                .map(|(member, _)| &member.name)
                .collect();
            return Err(format!(
                "acknowledged and lost by its author, but held by {holders:?}: {acked:?}"
            ));
        }
    }
    for (index, (member, replica)) in world.members.iter().zip(replicas).enumerate() {
        let expected: BTreeSet<Name> = all
            .iter()
            .filter(|(log, _, hash)| {
                let author = world.members.iter().find(|it| it.site() == log.site);
                let Some(author) = author else { return false };
                let slug = slugs.get(hash).map(String::as_str);
                author.site() == member.site()
                    || (rises(world, author, log)
                        && (index == HUB || descends(world, member, log, slug)))
            })
            .copied()
            .collect();
        differ(&member.name, "holds", &replica.names, &expected)?;
        let shown = articles(replica);
        if shown != replica.shown {
            return Err(format!("{} shows {:?}, not {shown:?}", member.name, replica.shown));
        }
        let withdrawn = told.acked.iter().filter_map(|it| Some((it.log.site, it.withdraws?)));
        if let Some(piece) = withdrawn.into_iter().find(|it| replica.shown.contains_key(it)) {
            return Err(format!("{} shows the withdrawn {piece:?}", member.name));
        }
        for (log, _, _) in replica.names.iter().filter(|(log, ..)| log.site == member.site()) {
            let top = replica.names.iter().filter(|it| it.0 == *log).map(|it| it.1).max();
            let risen = replica.risen.iter().find(|it| it.0 == *log).map(|it| it.1);
            if index != HUB && rises(world, member, log) && risen != top {
                return Err(format!(
                    "{}: risen to {risen:?} of {top:?} in {log:?}; link {}",
                    member.name, replica.link
                ));
            }
        }
    }
    duties(world, hub, replicas)
}

/// Whether an entry comes to the hub.
fn rises(world: &World, author: &Member, log: &LogId) -> bool {
    author.site() == world.members[HUB].site() || log.audience.scope >= author.link_ceiling()
}

/// Whether an entry that the hub holds comes down to a node.
fn descends(world: &World, node: &Member, log: &LogId, slug: Option<&str>) -> bool {
    let hubs = log.site == world.members[HUB].site();
    // Units are known by name within the private network only; beyond it their keys are not.
    let known = hubs || node.link_ceiling() <= Scope::Organization;
    let meant = log.audience.addressee.is_none_or(|addressee| addressee == node.site());
    let wanted = hubs
        || log.lane == Lane::Control
        || log.audience.addressee == Some(node.site())
        || (node.subscribed && slug == Some(NEWS));
    known && meant && wanted && log.audience.scope >= node.link_ceiling()
}

fn differ(
    who: &str,
    what: &str,
    got: &BTreeSet<Name>,
    expected: &BTreeSet<Name>,
) -> Result<(), String> {
    if got == expected {
        return Ok(());
    }
    let missing: Vec<_> = expected.difference(got).take(3).collect();
    let extra: Vec<_> = got.difference(expected).take(3).collect();
    Err(format!(
        "{who} {what} {} instead of {}; missing such as {missing:?}; beyond such as {extra:?}",
        got.len(),
        expected.len()
    ))
}

/// What a site must show of what it holds.
fn articles(replica: &Replica) -> BTreeMap<Piece, String> {
    let (mut entries, mut records) = (BTreeSet::new(), BTreeSet::new());
    for entry in &replica.entries {
        let (log, ..) = name(entry);
        if let Some(Record::Retraction(it)) = record(entry) {
            entries.extend(it.targets.iter().map(|target| (log.site, target.hash)));
            records.extend(it.record.map(|id| (log.site, id)));
        }
    }
    let mut current: BTreeMap<Piece, ((u64, Hash), String)> = BTreeMap::new();
    for entry in &replica.entries {
        let (log, _, hash) = name(entry);
        if log.audience.addressee.is_some() || entries.contains(&(log.site, hash)) {
            continue;
        }
        let carried = match record(entry) {
            Some(Record::Article(it)) => (decode_head(&entry.head).expect("a head"), hash, it),
            Some(Record::Release(release)) => match release.record {
                Record::Article(it) => (release.head, release.original.hash(), it),
                _ => continue,
            },
            _ => continue,
        };
        let (head, hash, article) = carried;
        let piece = (head.log.site, article.id);
        if records.contains(&piece) || entries.contains(&(piece.0, hash)) {
            continue;
        }
        let rank = (head.lamport, hash);
        let known = current.get(&piece);
        if known.is_none_or(|known| known.0 < rank) {
            current.insert(piece, (rank, article.title));
        }
    }
    current.into_iter().map(|(piece, (_, title))| (piece, title)).collect()
}

/// What hub and nodes sign by themselves is signed.
fn duties(world: &World, hub: &Replica, replicas: &[Replica]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut answered = BTreeSet::new();
    for entry in &hub.entries {
        let (log, ..) = name(entry);
        match record(entry) {
            Some(Record::FirstSeen(it)) => {
                seen.extend(it.sightings.iter().map(|sighting| (sighting.site, sighting.hash)));
            }
            Some(Record::Receipt(it)) => drop(answered.insert((log.site, it.site, it.notice))),
            _ => {}
        }
    }
    let hub_site = world.members[HUB].site();
    for entry in &hub.entries {
        let (log, _, hash) = name(entry);
        let article = matches!(record(entry), Some(Record::Article(_)));
        if article && log.site != hub_site && !seen.contains(&(log.site, hash)) {
            // What was withdrawn before the hub looked is of no interest any more.
            let Some(Record::Article(it)) = record(entry) else { continue };
            if hub.shown.contains_key(&(log.site, it.id)) {
                return Err(format!("the hub did not say when it first saw {log:?} {hash}"));
            }
        }
    }
    for (member, replica) in world.members.iter().zip(replicas).skip(1) {
        for entry in &replica.entries {
            let (log, ..) = name(entry);
            let Some(Record::Notice(it)) = record(entry) else { continue };
            let owed = (member.site(), log.site, it.id);
            if log.site == hub_site && !answered.contains(&owed) {
                return Err(format!("{} did not say that notice {} came", member.name, it.id));
            }
        }
    }
    Ok(())
}

/// Whether a fresh store that gets the same entries in another order shows the same.
pub(super) async fn refold(world: &World, index: usize, replica: &Replica) -> Result<(), String> {
    let member = &world.members[index];
    let mut rng = StdRng::seed_from_u64(world.seed);
    let store = Store::open_memory().await.expect("a store in memory");
    let hub = &world.members[HUB];
    let meta = Meta::generate(member.site(), &mut rng);
    set_up(&store, &meta, member.identity.public(), (hub.site(), hub.identity.public()))
        .await
        .expect("set up");
    let identity = Identity::from_pem(member.site(), &member.identity.to_pem()).expect("a key");
    let clock = std::sync::Arc::new(ManualClock::new(START_MS));
    let (door, task) = Door::new(store.clone(), identity.into(), clock);
    let stop = CancellationToken::new();
    let running = tokio::spawn(task.run(stop.clone()));
    let mut waiting = replica.entries.clone();
    waiting.shuffle(&mut rng);
    let origin = Origin::Below { site: member.site(), ceiling: Scope::Internal, refill: true };
    // An entry whose key is not bound yet is refused and comes again.
    for _ in 0..8 {
        let mut refused = Vec::new();
        for chunk in waiting.chunks(64) {
            let taken = door.take(chunk.to_vec(), origin).await.expect("the door answers");
            let outcomes = chunk.iter().zip(&taken.outcomes);
            let again = outcomes.filter(|(_, outcome)| matches!(outcome, Outcome::Refused(_)));
            refused.extend(again.map(|(entry, _)| entry.clone()));
        }
        waiting = refused;
    }
    let digests = content::digests(&mut store.read().await.expect("a read"), false).await;
    let digests = digests.expect("digests");
    stop.cancel();
    running.await.expect("the door ends");
    store.close().await;
    if !waiting.is_empty() {
        return Err(format!("{}: {} entries are refused elsewhere", member.name, waiting.len()));
    }
    let differing: Vec<_> = replica
        .digests
        .iter()
        .filter(|(table, digest)| digests.get(*table) != Some(digest))
        .map(|(table, _)| table)
        .collect();
    if !differing.is_empty() {
        return Err(format!("{}: another order gives other tables {differing:?}", member.name));
    }
    Ok(())
}
