//! What everything shown at this site rests on, in one small value.

use super::meta::{Standing, set_fact};
use crate::args;
use crate::store::{StoreError, Tx};

/// Key in table `meta` of how often what is shown changed without an entry.
const TOUCHES: &str = "touches";

/// A state of the site's data: as long as it stays the same, so does all that is shown of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Last position of the journal.
    pub position: i64,
    /// Whether the site may sign; one that may not shows nothing.
    pub standing: Standing,
    epoch: u64,
    touches: u64,
}

impl Edition {
    /// Reads it, with one statement: it is asked for often.
    pub async fn load(tx: &mut Tx) -> Result<Self, StoreError> {
        let sql = "SELECT key, value, (SELECT MAX(position) FROM entries) FROM meta \
                   WHERE key IN ('standing', 'epoch', 'touches')";
        let mut edition = Self { position: 0, standing: Standing::Restored, epoch: 0, touches: 0 };
        for row in tx.all(sql, args![]).await? {
            let (key, value): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            edition.position = row.get::<Option<i64>>(2)?.unwrap_or(0);
            match key.as_str() {
                "standing" => edition.standing = Standing::parse(&value),
                "epoch" => edition.epoch = number(value)?,
                _ => edition.touches = number(value)?,
            }
        }
        Ok(edition)
    }

    /// The same with a journal that reaches up to `position` at least.
    #[must_use]
    pub fn at_least(self, position: i64) -> Self {
        Self { position: self.position.max(position), ..self }
    }

    /// Says that what is shown changed otherwise than by an entry: a setting, a rebuilt view, a file that came.
    pub async fn touch(tx: &mut Tx) -> Result<(), StoreError> {
        let touches = Self::load(tx).await?.touches.wrapping_add(1);
        set_fact(tx, TOUCHES, &touches.to_be_bytes()).await
    }
}

fn number(value: Vec<u8>) -> Result<u64, StoreError> {
    value.try_into().map(u64::from_be_bytes).map_err(|_| StoreError::Corrupt("table meta"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::SiteId;
    use crate::journal::Meta;
    use crate::store::Store;
    use crate::store::testing::TestDatabase;

    async fn load(store: &Store) -> Edition {
        Edition::load(&mut store.read().await.unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn it_changes_with_the_standing_the_epoch_and_every_touch() {
        for database in TestDatabase::each().await {
            let store = &database.store;
            let empty = load(store).await;
            assert_eq!(empty.standing, Standing::Restored, "an empty database shows nothing");
            let mut meta = Meta::generate(SiteId([1; 16]), &mut rand::rng());
            let mut seen = vec![empty];
            for step in 0..4 {
                let mut tx = store.write().await.unwrap();
                match step {
                    0 => {}
                    1 => meta.standing = Standing::Restored,
                    2 => meta.renew(&mut rand::rng()),
                    _ => Edition::touch(&mut tx).await.unwrap(),
                }
                meta.save(&mut tx).await.unwrap();
                tx.commit().await.unwrap();
                let now = load(store).await;
                assert!(!seen.contains(&now), "step {step}");
                assert_eq!(load(store).await, now);
                seen.push(now);
            }
        }
    }
}
