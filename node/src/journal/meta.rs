//! Small facts about this site, kept in table `meta`.

use std::collections::BTreeSet;

use rand::{CryptoRng, RngExt};

use crate::args;
use crate::entry::{Incarnation, PublicKey, RecordId, SiteId};
use crate::store::{StoreError, Tx};

/// Whether this site may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All is well.
    Ready,
    /// The data may be older than what others hold of us: nothing is signed until a new incarnation begins.
    Restored,
}

impl Standing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Restored => "restored",
        }
    }

    /// What is not certain to be ready is not.
    pub(super) fn parse(kept: &[u8]) -> Self {
        if kept == Self::Ready.as_str().as_bytes() { Self::Ready } else { Self::Restored }
    }
}

/// Who this site is and which life of its data this is.
#[derive(Clone, Debug)]
pub struct Meta {
    /// The site.
    pub site: SiteId,
    /// The incarnation it writes under.
    pub incarnation: Incarnation,
    /// Names its journal; cursors carry it.
    pub journal: RecordId,
    /// Counts the restarts of the journal after a restore; cursors carry it.
    pub epoch: u64,
    /// Seals cursors, so that they tell a peer nothing.
    pub cursor_key: [u8; 32],
    /// Whether it may sign.
    pub standing: Standing,
}

impl Meta {
    /// Facts for a new data folder of `site`.
    pub fn generate(site: SiteId, rng: &mut impl CryptoRng) -> Self {
        Self {
            site,
            incarnation: Incarnation(rng.random()),
            journal: RecordId(rng.random()),
            epoch: 1,
            cursor_key: rng.random(),
            standing: Standing::Ready,
        }
    }

    /// Begins a new life of the data: new incarnation, next epoch, ready to sign again.
    pub fn renew(&mut self, rng: &mut impl CryptoRng) {
        self.incarnation = Incarnation(rng.random());
        self.epoch += 1;
        self.standing = Standing::Ready;
    }

    /// Reads the facts; `None` in a database where nothing was set up yet.
    pub async fn load(tx: &mut Tx) -> Result<Option<Self>, StoreError> {
        let rows = tx.all("SELECT key, value FROM meta", args![]).await?;
        let mut facts = std::collections::HashMap::new();
        for row in rows {
            facts.insert(row.get::<String>(0)?, row.get::<Vec<u8>>(1)?);
        }
        let Some(site) = facts.get("site") else { return Ok(None) };
        let get = |key: &str| facts.get(key).map_or(&[][..], Vec::as_slice);
        let corrupt = StoreError::Corrupt("table meta");
        let epoch = get("epoch").try_into().map(u64::from_be_bytes);
        let cursor_key = get("cursor_key").try_into();
        let (Some(site), Some(incarnation), Some(journal), Ok(epoch), Ok(cursor_key)) = (
            SiteId::from_slice(site),
            Incarnation::from_slice(get("incarnation")),
            RecordId::from_slice(get("journal")),
            epoch,
            cursor_key,
        ) else {
            return Err(corrupt);
        };
        let standing = Standing::parse(get("standing"));
        Ok(Some(Self { site, incarnation, journal, epoch, cursor_key, standing }))
    }

    /// Writes the facts.
    pub async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let facts: [(&str, Vec<u8>); 6] = [
            ("site", self.site.0.to_vec()),
            ("incarnation", self.incarnation.0.to_vec()),
            ("journal", self.journal.0.to_vec()),
            ("epoch", self.epoch.to_be_bytes().to_vec()),
            ("cursor_key", self.cursor_key.to_vec()),
            ("standing", self.standing.as_str().as_bytes().to_vec()),
        ];
        let rows = facts.into_iter().map(|(key, value)| args![key, value]).collect();
        let tail = "ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        tx.insert_many("INSERT INTO meta (key, value)", tail, rows).await
    }
}

/// Keys trusted without an entry that says so.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    /// Every pinned key with its site: this site itself, and its hub.
    pub keys: BTreeSet<(SiteId, PublicKey)>,
    /// The hubs among the sites: they say who belongs.
    pub hubs: BTreeSet<SiteId>,
}

impl Pins {
    /// Reads them.
    pub async fn load(tx: &mut Tx) -> Result<Self, StoreError> {
        let mut pins = Self::default();
        for row in tx.all("SELECT site, key, hub FROM pins", args![]).await? {
            let site = row.get(0)?;
            pins.keys.insert((site, row.get(1)?));
            if row.get(2)? {
                pins.hubs.insert(site);
            }
        }
        Ok(pins)
    }

    /// Pins one key.
    pub async fn add(
        tx: &mut Tx,
        site: SiteId,
        key: PublicKey,
        hub: bool,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO pins (site, key, hub) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        tx.execute(sql, args![site, key, hub]).await?;
        Ok(())
    }
}

/// One fact of table `meta`.
pub async fn fact(tx: &mut Tx, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let row = tx.optional("SELECT value FROM meta WHERE key = $1", args![key]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// Writes one fact.
pub async fn set_fact(tx: &mut Tx, key: &str, value: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) \
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.execute(sql, args![key, value]).await?;
    Ok(())
}
