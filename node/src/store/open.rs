//! Opening a store, and beginning transactions on it.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};
#[cfg(feature = "postgres")]
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::tx::Inner;
use super::{Still, StoreError, Tx};

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
#[cfg(feature = "postgres")]
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// Serialises everything that appends, so that a reader at a position has seen all below it.
#[cfg(feature = "postgres")]
const APPEND_LOCK: i64 = 0x6c69_616e_626f;

/// What SQLite's writer may keep of the database in memory while it writes: 8 MB. With its own 2 MB, batches of some
/// thousand entries write and read again the pages they touch. [`Store::rest`] hands it back.
const WRITER_CACHE: &str = "-8000";
/// Pages in the write-ahead log, 16 MB, before they are moved to their places. After SQLite's own 1,000, each such batch
/// would move the pages that the next one touches again.
const WAL_PAGES: &str = "4000";
/// Connections for reading, and those for visitors beside them.
const READERS: u32 = 4;
const FOR_VISITORS: u32 = 2;
/// Instructions of SQLite's machine, some tens of microseconds, after which a visitor's question lets others go first: left
/// to itself it goes on until the system's next tick.
const TURN: i32 = 256;

/// A database and its connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    /// Simulated time waits for it.
    still: bool,
    /// Reads over the connections for visitors.
    for_visitors: bool,
}

#[derive(Clone, Debug)]
enum Engine {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        for_visitors: SqlitePool,
    },
    #[cfg(feature = "postgres")]
    Postgres {
        pool: PgPool,
        for_visitors: PgPool,
    },
}

impl Store {
    /// Opens `sqlite:PATH` or `postgres://…`, creates what is missing and brings it up to date.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        if let Some(path) = address.strip_prefix("sqlite:") {
            return Self::open_sqlite(Path::new(path)).await;
        }
        #[cfg(feature = "postgres")]
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            return Self::open_postgres(address).await;
        }
        // The address may hold a password: only its scheme is told.
        let scheme = address.split(':').next().unwrap_or_default();
        Err(StoreError::BadAddress(format!("{scheme}:…")))
    }

    fn of(engine: Engine) -> Self {
        Self { engine, still: false, for_visitors: false }
    }

    /// The same store for those who read pages: it has connections of its own for reading, so that nobody else waits
    /// for one however many visitors come.
    #[must_use]
    pub fn for_visitors(self) -> Self {
        Self { for_visitors: true, ..self }
    }

    /// The same store for a simulation: its clock stands still while a transaction is open.
    #[must_use]
    pub fn stilled(self) -> Self {
        Self { still: true, ..self }
    }

    /// Opens or makes a SQLite database in the file `path`.
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30));
        let writing = options.clone().pragma("cache_size", WRITER_CACHE);
        let writing = writing.pragma("wal_autocheckpoint", WAL_PAGES);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(writing).await?;
        let migrated = migrate(&SQLITE, &mut *writer.acquire().await?).await;
        if let Err(error) = migrated {
            // Closed here and now, so that no file of a refused database stays behind open.
            writer.close().await;
            return Err(error);
        }
        let reading = options.read_only(true);
        let readers = SqlitePoolOptions::new().max_connections(READERS);
        let for_visitors = SqlitePoolOptions::new().max_connections(FOR_VISITORS);
        let for_visitors = for_visitors.after_connect(|connection, _| {
            Box::pin(async {
                connection.lock_handle().await?.set_progress_handler(TURN, end_turn);
                Ok(())
            })
        });
        Ok(Self::of(Engine::Sqlite {
            writer,
            readers: readers.connect_lazy_with(reading.clone()),
            for_visitors: for_visitors.connect_lazy_with(reading),
        }))
    }

    /// A SQLite database in memory, gone when dropped. One connection reads and writes: for simulations.
    pub async fn open_memory() -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:")?.foreign_keys(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        migrate(&SQLITE, &mut *pool.acquire().await?).await?;
        let (writer, readers) = (pool.clone(), pool.clone());
        Ok(Self::of(Engine::Sqlite { writer, readers, for_visitors: pool }))
    }

    #[cfg(feature = "postgres")]
    async fn open_postgres(address: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(address)?
            .application_name("lianbo")
            .options([("synchronous_commit", "on")]);
        let for_visitors =
            PgPoolOptions::new().max_connections(FOR_VISITORS).connect_lazy_with(options.clone());
        let pool = PgPoolOptions::new().max_connections(8).connect_with(options).await?;
        migrate(&POSTGRES, &mut *pool.acquire().await?).await?;
        Ok(Self::of(Engine::Postgres { pool, for_visitors }))
    }

    /// Begins a transaction that writes. One at a time over all processes on this database.
    #[expect(clippy::disallowed_methods, reason = "the one place that begins transactions")]
    pub async fn write(&self) -> Result<Tx, StoreError> {
        let still = self.still.then(Still::begin);
        Ok(match &self.engine {
            Engine::Sqlite { writer, .. } => {
                Tx(Inner::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?), still)
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres { pool, .. } => {
                let mut tx = Tx(Inner::Postgres(pool.begin().await?), still);
                tx.execute("SELECT pg_advisory_xact_lock($1)", crate::args![APPEND_LOCK]).await?;
                tx
            }
        })
    }

    /// Begins a transaction that reads one unmoving state.
    #[expect(clippy::disallowed_methods, reason = "the one place that begins transactions")]
    pub async fn read(&self) -> Result<Tx, StoreError> {
        let still = self.still.then(Still::begin);
        Ok(match &self.engine {
            Engine::Sqlite { readers, for_visitors, .. } => {
                let pool = if self.for_visitors { for_visitors } else { readers };
                Tx(Inner::Sqlite(pool.begin().await?), still)
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres { pool, for_visitors } => {
                let pool = if self.for_visitors { for_visitors } else { pool };
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Tx(Inner::Postgres(pool.begin_with(begin).await?), still)
            }
        })
    }

    /// Hands back the memory that was kept for writing: call it when a burst of that is over.
    pub async fn rest(&self) -> Result<(), StoreError> {
        let _still = self.still.then(Still::begin);
        #[cfg_attr(
            not(feature = "postgres"),
            expect(irrefutable_let_patterns, reason = "one engine")
        )]
        if let Engine::Sqlite { writer, .. } = &self.engine {
            let mut connection = writer.acquire().await?;
            connection.clear_cached_statements().await?;
            sqlx::query("PRAGMA shrink_memory").execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Closes every connection; waits until those in use come back.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers, for_visitors } => {
                for_visitors.close().await;
                readers.close().await;
                writer.close().await;
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres { pool, for_visitors } => {
                for_visitors.close().await;
                pool.close().await;
            }
        }
    }
}

/// Ends a turn of a visitor's question, which goes on.
fn end_turn() -> bool {
    #[cfg(test)]
    tests::TURNS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    std::thread::yield_now();
    true
}

async fn migrate<'c, C>(migrator: &Migrator, connection: C) -> Result<(), StoreError>
where
    C: sqlx::Acquire<'c>,
    <C::Connection as std::ops::Deref>::Target: sqlx::migrate::Migrate,
{
    migrator.run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::Newer {
            found,
            known: migrator.iter().map(|migration| migration.version).max().unwrap_or(0),
        },
        other => StoreError::Migrate(other),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::store::testing::TestDatabase;

    /// How many turns of visitors' questions ended: a test sees at least its own.
    pub(super) static TURNS: AtomicUsize = AtomicUsize::new(0);

    #[tokio::test]
    async fn visitors_take_no_connection_from_others_nor_others_from_them() {
        for database in TestDatabase::each().await {
            let (store, visitors) = (&database.store, database.store.clone().for_visitors());
            let mut held = Vec::new();
            for _ in 0..FOR_VISITORS {
                held.push(visitors.read().await.unwrap());
            }
            let mut waiting = Box::pin(visitors.read());
            for _ in 0..READERS {
                held.push(store.read().await.unwrap());
            }
            assert!(waiting.as_mut().now_or_never().is_none(), "visitors wait for one another");
            held.remove(0);
            waiting.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_long_question_of_a_visitor_lets_others_go_first_again_and_again() {
        let database = TestDatabase::sqlite().await;
        let mut visitor = database.store.clone().for_visitors().read().await.unwrap();
        let before = TURNS.load(Ordering::SeqCst);
        let count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
             SELECT count(*) FROM n";
        let rows = visitor.all(count, vec![]).await.unwrap();
        assert_eq!(rows[0].get::<i64>(0).unwrap(), 100_000);
        let turns = TURNS.load(Ordering::SeqCst) - before;
        assert!(turns >= 1_000, "{turns}");
    }
}
