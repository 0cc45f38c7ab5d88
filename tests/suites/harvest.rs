//! What harvesters are told of a hub: what is public and by its own word, withdrawals included, and nothing else.

mod callers;
mod cursors;
mod telling;

use lianbo_node::ingest::Draft;
use lianbo_node::link::tls::ClientPki;
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::harvest::admit;
use lianbo_tests::net::TestHub;
use lianbo_tests::raw::RawClient;
use lianbo_tests::{Made, TestAuthor, records};

const ORGANIZATION: Audience = Audience::all(Scope::Organization);
const PUBLIC: Audience = Audience::all(Scope::Public);

/// A hub, a unit beneath it and the province above.
struct County {
    hub: TestHub,
    unit: TestAuthor,
    link: RawClient,
    province: RawClient,
    pki: ClientPki,
}

impl County {
    async fn new(database: TestDatabase) -> Self {
        let hub = TestHub::start(database).await;
        let unit = TestAuthor::new(2);
        let pki = hub.enrol(&unit.identity, "yantian", Scope::Organization).await;
        let link = RawClient::connect(&hub, &pki, Scope::Organization).await;
        let (_, pki) = admit(&hub, "province").await;
        let province = RawClient::connect(&hub, &pki, Scope::Public).await;
        Self { hub, unit, link, province, pki }
    }

    /// The unit writes something, which rises.
    async fn rises(
        &mut self,
        audience: Audience,
        record: impl Into<lianbo_node::content::Record>,
    ) -> Made {
        let made = self.unit.write(audience, record);
        let answer = self.link.push_entries(std::slice::from_ref(&made.entry)).await.unwrap();
        assert_eq!(answer.refused, []);
        made
    }

    /// Article `n` of the unit, released by the hub.
    async fn released(&mut self, n: u8, mark: &str) -> Made {
        let made = self.rises(ORGANIZATION, records::article(n, mark)).await;
        self.release(&made).await;
        made
    }

    async fn release(&self, made: &Made) {
        self.hub
            .write(vec![Draft::new(PUBLIC, records::release(made, Some(records::START_MS), ""))])
            .await;
    }

    /// The unit withdraws an article; the hub's duty withdraws its release.
    async fn withdrawn(&mut self, made: &Made) {
        let mut end = self.hub.hub().door.end();
        let retraction = records::retraction([made], None, "");
        self.rises(made.audience(), retraction).await;
        let own = self.hub.identity.site;
        let until = tokio::time::timeout(lianbo_tests::net::PATIENCE, async {
            loop {
                end.borrow_and_update();
                let mut tx = self.hub.store.read().await.unwrap();
                let stale = lianbo_node::content::release::stale(&mut tx, own, 0, 1).await.unwrap();
                drop(tx);
                if stale.is_empty() {
                    return;
                }
                end.changed().await.unwrap();
            }
        });
        until.await.expect("the hub withdraws its release");
    }

    async fn close(self) {
        drop((self.link, self.province));
        self.hub.close().await;
    }
}
