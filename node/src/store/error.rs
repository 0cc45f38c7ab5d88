//! What can go wrong with a store.

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database was written by a newer program.
    #[error(
        "the database is at version {found}, newer than this program (version {known}): run the newer program, or restore the data folder it was upgraded from"
    )]
    Newer {
        /// Version of the database.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
    /// A stored value is not what this program writes.
    #[error("the database holds a value this program never writes: {0}; run `verify`")]
    Corrupt(&'static str),
    /// The address of the database makes no sense.
    #[error("{0:?} is not a database address: use sqlite:PATH or postgres://USER@HOST/NAME")]
    BadAddress(String),
    /// The migration failed.
    #[error("the database could not be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The database said no.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

impl StoreError {
    /// Whether the same call may pass later: the database was busy, away or full.
    pub fn may_pass_later(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => matches!(
                error.code().as_deref(),
                // SQLite: busy, locked, full, I/O error; PostgreSQL: serialization, deadlock, shutdown, full.
                Some(
                    "5" | "6"
                        | "13"
                        | "10"
                        | "517"
                        | "40001"
                        | "40P01"
                        | "57P01"
                        | "57P03"
                        | "53100"
                )
            ),
            Self::Database(error) => matches!(
                error,
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_)
            ),
            _ => false,
        }
    }
}
