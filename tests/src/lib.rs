//! The harness of the suites that cross crates: authors that build valid and hostile history purely, sites on
//! throw-away databases, random history, and the decoders as fuzz targets.
#![expect(clippy::missing_panics_doc, reason = "a harness panics where a test fails")]

pub mod author;
pub mod feeds;
pub mod fuzz;
pub mod ledger;
pub mod net;
pub mod process;
pub mod pusher;
pub mod random;
pub mod raw;
pub mod records;
pub mod sim;
pub mod site;

pub use author::{Made, TestAuthor};
pub use site::TestSite;

/// Makes two tests of one body, which gets a fresh [`TestDatabase`] of each engine by name. The PostgreSQL one
/// passes where there is no server, but never in CI.
///
/// [`TestDatabase`]: lianbo_node::store::testing::TestDatabase
#[macro_export]
macro_rules! on_both {
    ($(async fn $name:ident($database:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body($database: lianbo_node::store::testing::TestDatabase) $body

            #[tokio::test]
            async fn sqlite() {
                body(lianbo_node::store::testing::TestDatabase::sqlite().await).await;
            }

            #[tokio::test]
            async fn postgres() {
                if let Some(database) = lianbo_node::store::testing::TestDatabase::postgres().await {
                    body(database).await;
                }
            }
        }
    )*};
}
