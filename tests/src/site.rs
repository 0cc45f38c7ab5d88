//! A site on a throw-away database, with a clock that stands still. Closing it fails the test if anything of
//! it is left behind.

use std::path::Path;
use std::sync::Arc;

use lianbo_node::clock::ManualClock;
use lianbo_node::content::{self, Record};
use lianbo_node::entry::{Entry, Hash, SiteId};
use lianbo_node::heights::Heights;
use lianbo_node::ingest::{
    Damage, Draft, IngestError, Origin, Outcome, Rebuilt, Taken, Written, rebuild_views,
    verify_journal,
};
use lianbo_node::journal::{self, End, Meta, Standing};
use lianbo_node::lifecycle::{KEY_FILE, Site, set_up};
use lianbo_node::scope::{Audience, Reader, Scope};
use lianbo_node::store::testing::TestDatabase;
use lianbo_node::store::{Store, Tx};
use tempfile::TempDir;

use crate::author::{Made, TestAuthor, entries};
use crate::records::{START_MS, enrolment};

/// From the hub's own data: whoever pushes may send anything, as when a site refills its hub.
pub const REFILL: Origin =
    Origin::Below { site: SiteId([0xee; 16]), ceiling: Scope::Internal, refill: true };

/// A running site. Call [`TestSite::close`] at the end of the test.
#[derive(Debug)]
pub struct TestSite {
    site: Option<Site>,
    /// Its clock, at [`START_MS`].
    pub clock: Arc<ManualClock>,
    /// The hub it belongs to, as an author whose key is pinned; for a hub, itself. A hub's own door and
    /// this author write the same site in different lives, so that they never meet in a log.
    pub hub: TestAuthor,
    database: TestDatabase,
    folder: TempDir,
}

impl TestSite {
    /// A hub that is the site of `TestAuthor::new(1)`.
    pub async fn hub(database: TestDatabase) -> Self {
        let hub = TestAuthor::new(1);
        Self::open(database, hub.clone(), hub).await
    }

    /// A node that is the site of `TestAuthor::new(2)` beneath the hub `TestAuthor::new(1)`.
    pub async fn node(database: TestDatabase) -> Self {
        Self::open(database, TestAuthor::new(2), TestAuthor::new(1)).await
    }

    /// The site of `own` beneath `hub`, both pinned.
    ///
    /// # Panics
    /// If it cannot be set up; so does everything here.
    pub async fn open(database: TestDatabase, own: TestAuthor, hub: TestAuthor) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(ManualClock::new(START_MS));
        let mut rng = rand::rng();
        let meta = Meta::generate(own.site(), &mut rng);
        let above = (hub.site(), hub.identity.public());
        set_up(&database.store, &meta, own.identity.public(), above)
            .await
            .expect("a fresh database takes a site");
        let key = folder.path().join(KEY_FILE);
        std::fs::write(key, own.identity.to_pem().as_bytes()).expect("the key is kept");
        let site = Site::open_with(folder.path(), database.store.clone(), clock.clone())
            .await
            .expect("the site opens");
        Self { site: Some(site), clock, hub, database, folder }
    }

    /// The running site.
    pub fn site(&self) -> &Site {
        self.site.as_ref().expect("the site is open until it is closed")
    }

    /// Which site it is.
    pub fn id(&self) -> SiteId {
        self.site().identity.site
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.site().store
    }

    /// The address of its database.
    pub fn address(&self) -> &str {
        &self.database.address
    }

    /// A reading transaction.
    pub async fn read(&self) -> Tx {
        self.store().read().await.expect("a transaction")
    }

    /// Runs a statement behind the program's back, as damage does. Says how many rows it touched.
    pub async fn damage(&self, sql: &str) -> u64 {
        let mut tx = self.store().write().await.expect("a transaction");
        let touched = tx.execute(sql, Vec::new()).await.expect("the statement runs");
        tx.commit().await.expect("it commits");
        touched
    }

    /// Takes entries.
    pub async fn take(&self, entries: Vec<Entry>, origin: Origin) -> Taken {
        self.site().door.take(entries, origin).await.expect("the door answers")
    }

    /// Takes entries from anybody, and says what became of each.
    pub async fn outcomes(&self, made: &[Made]) -> Vec<Outcome> {
        self.take(entries(made), REFILL).await.outcomes
    }

    /// Takes entries from anybody; each has to be new.
    pub async fn accept<'a>(&self, made: impl IntoIterator<Item = &'a Made>) {
        let entries = entries(made);
        let count = entries.len();
        let taken = self.take(entries, REFILL).await;
        assert_eq!(taken.accepted(), count, "not all accepted: {:?}", taken.outcomes);
    }

    /// Writes own entries.
    pub async fn write(
        &self,
        drafts: Vec<(Audience, Record)>,
    ) -> Result<Vec<Written>, IngestError> {
        let drafts = drafts.into_iter().map(|(audience, it)| Draft::new(audience, it)).collect();
        self.site().door.write(drafts).await
    }

    /// Has the hub enrol an author's site with its present key, in the hub author's log.
    pub async fn enrol(&mut self, author: &TestAuthor, code: &str, ceiling: Scope) -> Made {
        let record = enrolment(&author.identity, code, ceiling, false, "");
        let made = self.hub.write(record.audience(), Record::Enrolment(record));
        self.accept([&made]).await;
        made
    }

    /// Enrols the authors 2 and 3 with ceilings `internal` and `organization`, and hands them back.
    pub async fn with_units(&mut self) -> [TestAuthor; 2] {
        let units = [TestAuthor::new(2), TestAuthor::new(3)];
        self.enrol(&units[0], "zuzhibu", Scope::Internal).await;
        self.enrol(&units[1], "yantian", Scope::Organization).await;
        units
    }

    /// Sets whether it may sign.
    pub async fn stand(&self, standing: Standing) {
        let mut tx = self.store().write().await.expect("a transaction");
        let mut meta = Meta::load(&mut tx).await.expect("meta reads").expect("meta is there");
        meta.standing = standing;
        meta.save(&mut tx).await.expect("meta is kept");
        tx.commit().await.expect("it commits");
    }

    /// Everything it holds, in order.
    pub async fn journal(&self) -> Vec<journal::Item> {
        let mut tx = self.read().await;
        let (mut items, mut after) = (Vec::new(), 0);
        loop {
            let (page, end) = journal::all_after(&mut tx, after, 1 << 20).await.expect("a page");
            if page.is_empty() {
                return items;
            }
            items.extend(page);
            after = end.position;
        }
    }

    /// Checks that positions are dense, and the rolling hash and the announced end right.
    pub async fn assert_sound_journal(&self) {
        let mut end = End::START;
        for item in self.journal().await {
            assert_eq!(item.hash, item.entry.hash(), "the hash of a kept entry");
            end = end.after(item.hash);
            assert_eq!(item.position, end.position, "positions are dense");
        }
        assert_eq!(journal::end(&mut self.read().await).await.expect("the end"), end);
        let announced = *self.site().door.end().borrow();
        assert!(announced <= end.position, "what is announced is kept");
    }

    /// How much it holds of every log.
    pub async fn heights(&self) -> Heights {
        journal::heights_of_all(&mut self.read().await).await.expect("heights")
    }

    /// Where it holds two branches.
    pub async fn forks(&self) -> Vec<(lianbo_node::entry::LogId, u64)> {
        let mut forks = journal::forks(&mut self.read().await).await.expect("forks");
        forks.sort_unstable();
        forks
    }

    /// Digests of what replicas share.
    pub async fn digests(&self) -> std::collections::BTreeMap<&'static str, Hash> {
        content::digests(&mut self.read().await, false).await.expect("digests")
    }

    /// Folds everything anew.
    pub async fn rebuild(&self) -> Rebuilt {
        rebuild_views(self.store(), &mut |_, _| {}).await.expect("the views are rebuilt")
    }

    /// What is damaged.
    pub async fn verify(&self) -> Vec<Damage> {
        verify_journal(self.store(), &mut |_, _| {}).await.expect("the journal reads")
    }

    /// This site as its own reader: sees all that is not addressed to others.
    pub fn reader(&self) -> Reader {
        Reader::site(self.id(), Scope::Internal, Scope::Internal)
    }

    /// Stops the site and checks that it leaves no task and no file behind.
    ///
    /// # Panics
    /// If it does.
    pub async fn close(mut self) {
        let site = self.site.take().expect("the site is closed once");
        let tasks = site.tasks.clone();
        site.close().await;
        assert!(tasks.is_empty(), "tasks are left behind");
        let left = files(self.folder.path());
        assert_eq!(left, [KEY_FILE], "the data folder");
        if let Some(path) = self.database.address.strip_prefix("sqlite:") {
            let path = Path::new(path);
            let left = files(path.parent().unwrap_or(path));
            assert_eq!(left, ["test.db"], "the folder of the database");
        }
    }
}

impl Drop for TestSite {
    fn drop(&mut self) {
        assert!(
            self.site.is_none() || std::thread::panicking(),
            "a TestSite was dropped without being closed: its tasks are left behind"
        );
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|file| file.expect("its entries read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}
