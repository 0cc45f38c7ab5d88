//! Fresh databases for tests, one each, gone afterwards.
//!
//! SQLite always; PostgreSQL where `LIANBO_TEST_POSTGRES` names a server on which databases may be created. In CI a
//! missing server is a failure, not a skipped test.

use std::path::PathBuf;

use tempfile::TempDir;

use super::Store;

/// A database of its own for one test. Dropping it removes it.
#[derive(Debug)]
pub struct TestDatabase {
    /// The open store.
    pub store: Store,
    /// Its address, for whoever opens it a second time.
    pub address: String,
    _place: Place,
}

#[derive(Debug)]
enum Place {
    Folder {
        _folder: TempDir,
    },
    #[cfg(feature = "postgres")]
    Server {
        _database: ServerDatabase,
    },
}

impl TestDatabase {
    /// A SQLite database in a temporary folder.
    ///
    /// # Panics
    /// If there is no room for it.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path: PathBuf = folder.path().join("test.db");
        let address = format!("sqlite:{}", path.display());
        let store = Store::open(&address).await.expect("a fresh SQLite database");
        Self { store, address, _place: Place::Folder { _folder: folder } }
    }

    /// A database on the PostgreSQL server for tests; `None` without such a server, or without the `postgres`
    /// feature.
    ///
    /// # Panics
    /// In CI without a server, and if the server refuses.
    pub async fn postgres() -> Option<Self> {
        #[cfg(feature = "postgres")]
        {
            let server = server()?;
            let database = ServerDatabase::create(&server).await;
            let address = database.address.clone();
            let store = Store::open(&address).await.expect("a fresh PostgreSQL database");
            Some(Self { store, address, _place: Place::Server { _database: database } })
        }
        #[cfg(not(feature = "postgres"))]
        None
    }

    /// One on every engine there is.
    pub async fn each() -> Vec<Self> {
        let mut databases = vec![Self::sqlite().await];
        databases.extend(Self::postgres().await);
        databases
    }
}

/// The server for tests.
#[cfg(feature = "postgres")]
#[expect(clippy::disallowed_methods, reason = "the one place where tests ask for their server")]
fn server() -> Option<String> {
    let server = std::env::var("LIANBO_TEST_POSTGRES").ok();
    assert!(
        server.is_some() || std::env::var_os("CI").is_none(),
        "LIANBO_TEST_POSTGRES is not set: in CI every store test runs on PostgreSQL too"
    );
    server
}

#[cfg(feature = "postgres")]
#[derive(Debug)]
struct ServerDatabase {
    server: String,
    name: String,
    address: String,
}

#[cfg(feature = "postgres")]
impl ServerDatabase {
    async fn create(server: &str) -> Self {
        use rand::RngExt as _;

        let name = format!("lianbo_test_{:032x}", rand::rng().random::<u128>());
        command(server, &format!("CREATE DATABASE {name}")).await;
        let mut address = url::Url::parse(server).expect("LIANBO_TEST_POSTGRES is a URL");
        address.set_path(&name);
        Self { server: server.to_owned(), name, address: address.into() }
    }
}

#[cfg(feature = "postgres")]
impl Drop for ServerDatabase {
    fn drop(&mut self) {
        // Dropping cannot wait, and the runtime of the test may be going down: a thread with its own.
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .expect("a runtime")
                .block_on(command(&server, &format!("DROP DATABASE {name} WITH (FORCE)")));
        });
        // A second panic while a failed test unwinds would abort all the others.
        let dropped = dropping.join().is_ok();
        assert!(
            dropped || std::thread::panicking(),
            "the test database {} is left behind",
            self.name
        );
    }
}

#[cfg(feature = "postgres")]
async fn command(server: &str, sql: &str) {
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

    let mut connection =
        sqlx::PgConnection::connect(server).await.expect("the PostgreSQL server for tests");
    connection.execute(AssertSqlSafe(sql.to_owned())).await.expect("the server obeys");
    connection.close().await.expect("the connection closes");
}
