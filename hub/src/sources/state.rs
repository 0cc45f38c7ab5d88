//! What the hub remembers of its sources: plain tables of its own. The only module of sources that speaks SQL;
//! none of it is an entry, and none of it is ever sent.

use std::collections::HashMap;

use lianbo_node::args;
use lianbo_node::entry::{Hash, RecordId};
use lianbo_node::store::{Row, Store, StoreError, Tx};
use serde::Serialize;

use super::schedule::{Poll, Standing};
use super::source::Source;

const SOURCES: &str =
    "s.source, s.name, s.url, s.slug, s.scope, s.every_ms, s.paused, s.created_ms";
const POLLS: &str = "p.url, p.due_ms, p.polled_ms, p.good_ms, p.new_ms, p.etag, p.modified, p.body, \
     p.standing, p.error, p.failures, p.items, p.usual";
const BOTH: &str = "feed_sources s JOIN feed_polls p ON p.source = s.source";

/// A source and its last poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// The source.
    #[serde(flatten)]
    pub source: Source,
    /// Its last poll.
    #[serde(flatten)]
    pub poll: Poll,
}

/// What a source says of one item: the article, and a hash of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) source: String,
    pub(super) article: RecordId,
    pub(super) content: Hash,
}

/// The tables. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry(Store);

impl Registry {
    /// Those in this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Adds a source, or with `replace` describes it anew; `false` if there is one of that name and it was not to
    /// be replaced. It is due at once, and what was usual for it is forgotten; what it said of its items is not.
    pub async fn add(&self, source: &Source, replace: bool) -> Result<bool, StoreError> {
        let mut tx = self.0.write().await?;
        if find(&mut tx, &source.source).await?.is_some() {
            if !replace {
                return Ok(false);
            }
            forget(&mut tx, &source.source).await?;
        }
        let insert = "INSERT INTO feed_sources (source, name, url, slug, scope, every_ms, paused, created_ms) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = args![
            &source.source,
            &source.name,
            &source.url,
            &source.column,
            source.scope,
            source.every_ms,
            source.paused,
            source.created_ms,
        ];
        tx.execute(insert, values).await?;
        save(&mut tx, &[(source.source.clone(), Poll::new(&source.url))]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Forgets a source and all about it, but not its articles; `false` if there is none.
    pub async fn remove(&self, source: &str) -> Result<bool, StoreError> {
        let mut tx = self.0.write().await?;
        if find(&mut tx, source).await?.is_none() {
            return Ok(false);
        }
        forget(&mut tx, source).await?;
        tx.execute("DELETE FROM feed_items WHERE source = $1", args![source]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Pauses a source or ends that, which makes it due at once; `false` if there is none.
    pub async fn pause(&self, source: &str, paused: bool) -> Result<bool, StoreError> {
        let mut tx = self.0.write().await?;
        let sql = "UPDATE feed_sources SET paused = $2 WHERE source = $1";
        let found = tx.execute(sql, args![source, paused]).await? > 0;
        if found && !paused {
            let sql = "UPDATE feed_polls SET due_ms = 0 WHERE source = $1";
            tx.execute(sql, args![source]).await?;
        }
        tx.commit().await?;
        Ok(found)
    }

    /// Every source, by name.
    pub async fn list(&self) -> Result<Vec<Watched>, StoreError> {
        let sql = format!("SELECT {SOURCES}, {POLLS} FROM {BOTH} ORDER BY s.source");
        self.0.read().await?.all(&sql, args![]).await?.iter().map(watched).collect()
    }

    /// One source.
    pub async fn get(&self, source: &str) -> Result<Option<Watched>, StoreError> {
        find(&mut self.0.read().await?, source).await
    }

    /// How many sources stand how; those that are paused stand nowhere.
    pub async fn standings(&self) -> Result<Vec<(Standing, i64)>, StoreError> {
        let sql = format!(
            "SELECT p.standing, COUNT(*) FROM {BOTH} WHERE s.paused = 0 GROUP BY p.standing"
        );
        let mut counts = Standing::ALL.map(|standing| (standing, 0)).to_vec();
        for row in self.0.read().await?.all(&sql, args![]).await? {
            let number: i64 = row.get(0)?;
            for count in counts.iter_mut().filter(|(standing, _)| standing.number() == number) {
                count.1 = row.get(1)?;
            }
        }
        Ok(counts)
    }

    /// When the next source is due.
    pub async fn next_due(&self) -> Result<Option<i64>, StoreError> {
        let sql =
            format!("SELECT p.due_ms FROM {BOTH} WHERE s.paused = 0 ORDER BY p.due_ms LIMIT 1");
        let row = self.0.read().await?.optional(&sql, args![]).await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Takes at most `limit` sources that are due at `now`: for everybody else they are due at `until` only. Whoever
    /// ends before polling them leaves them to the others then.
    pub async fn claim(
        &self,
        now: i64,
        until: i64,
        limit: i64,
    ) -> Result<Vec<Watched>, StoreError> {
        let mut tx = self.0.write().await?;
        let sql = format!(
            "SELECT {SOURCES}, {POLLS} FROM {BOTH} \
             WHERE s.paused = 0 AND p.due_ms <= $1 ORDER BY p.due_ms LIMIT $2"
        );
        let due: Vec<Watched> =
            tx.all(&sql, args![now, limit]).await?.iter().map(watched).collect::<Result<_, _>>()?;
        let rows: Vec<(String, Poll)> = due
            .iter()
            .map(|it| (it.source.source.clone(), Poll { due_ms: until, ..it.poll.clone() }))
            .collect();
        save(&mut tx, &rows).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// Remembers polls that brought nothing to write.
    pub(super) async fn save(&self, polls: &[(String, Poll)]) -> Result<(), StoreError> {
        let mut tx = self.0.write().await?;
        save(&mut tx, polls).await?;
        tx.commit().await
    }
}

async fn find(tx: &mut Tx, source: &str) -> Result<Option<Watched>, StoreError> {
    let sql = format!("SELECT {SOURCES}, {POLLS} FROM {BOTH} WHERE s.source = $1");
    tx.optional(&sql, args![source]).await?.as_ref().map(watched).transpose()
}

/// Forgets a source, but for what it said of its items.
async fn forget(tx: &mut Tx, source: &str) -> Result<(), StoreError> {
    for table in ["feed_sources", "feed_polls"] {
        tx.execute(&format!("DELETE FROM {table} WHERE source = $1"), args![source]).await?;
    }
    Ok(())
}

/// What these sources said last of these items.
pub(super) async fn seen(
    tx: &mut Tx,
    items: impl Iterator<Item = (&str, RecordId)>,
) -> Result<HashMap<RecordId, Hash>, StoreError> {
    let keys = items.map(|(source, article)| args![source, article]).collect();
    let sql = "SELECT i.article, i.content FROM ({keys}) k \
               JOIN feed_items i ON i.source = k.column1 AND i.article = k.column2";
    let rows = tx.select_in(sql, keys).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Remembers, beside the entries that were written of them, what sources said and how they were polled.
pub(super) async fn note(
    tx: &mut Tx,
    seen: &[Seen],
    polls: &[(String, Poll)],
) -> Result<(), StoreError> {
    let rows = seen.iter().map(|it| args![&it.source, it.article, it.content]).collect();
    tx.insert_many(
        "INSERT INTO feed_items (source, article, content)",
        "ON CONFLICT (source, article) DO UPDATE SET content = excluded.content",
        rows,
    )
    .await?;
    save(tx, polls).await
}

async fn save(tx: &mut Tx, polls: &[(String, Poll)]) -> Result<(), StoreError> {
    let row = |(source, it): &(String, Poll)| {
        args![
            source,
            &it.url,
            it.due_ms,
            it.polled_ms,
            it.good_ms,
            it.new_ms,
            it.etag.clone(),
            it.modified.clone(),
            it.body,
            it.standing.number(),
            &it.error,
            it.failures,
            it.items,
            it.usual,
        ]
    };
    tx.insert_many(
        "INSERT INTO feed_polls (source, url, due_ms, polled_ms, good_ms, new_ms, etag, modified, body, \
         standing, error, failures, items, usual)",
        "ON CONFLICT (source) DO UPDATE SET url = excluded.url, due_ms = excluded.due_ms, \
         polled_ms = excluded.polled_ms, good_ms = excluded.good_ms, new_ms = excluded.new_ms, \
         etag = excluded.etag, modified = excluded.modified, body = excluded.body, \
         standing = excluded.standing, error = excluded.error, failures = excluded.failures, \
         items = excluded.items, usual = excluded.usual",
        polls.iter().map(row).collect(),
    )
    .await
}

fn watched(row: &Row) -> Result<Watched, StoreError> {
    let source = Source {
        source: row.get(0)?,
        name: row.get(1)?,
        url: row.get(2)?,
        column: row.get(3)?,
        scope: row.get(4)?,
        every_ms: row.get(5)?,
        paused: row.get(6)?,
        created_ms: row.get(7)?,
    };
    let poll = Poll {
        url: row.get(8)?,
        due_ms: row.get(9)?,
        polled_ms: row.get(10)?,
        good_ms: row.get(11)?,
        new_ms: row.get(12)?,
        etag: row.get(13)?,
        modified: row.get(14)?,
        body: row.get(15)?,
        standing: Standing::from_number(row.get(16)?).ok_or(StoreError::Corrupt("a standing"))?,
        error: row.get(17)?,
        failures: row.get(18)?,
        items: row.get(19)?,
        usual: row.get(20)?,
    };
    Ok(Watched { source, poll })
}
