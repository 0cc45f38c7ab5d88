//! Files that come with articles: on their way between sites, on pages, and at the doors that keep them.

mod doors;
mod due;
mod relay;
mod resume;
mod s3;
mod travel;
mod withdrawn;

use std::net::SocketAddr;

use lianbo_node::args;
use lianbo_node::blobs::Blobs;
use lianbo_node::clock::{Clock as _, SystemClock};
use lianbo_node::content::Record;
use lianbo_node::content::article::Attachment;
use lianbo_node::entry::{BlobRef, Hash, RecordId, SiteId};
use lianbo_node::ingest::{Door, Draft, Written};
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::store::Store;
use lianbo_proto::v1;
use lianbo_tests::net::{PATIENCE, TestHub, TestNode};
use lianbo_tests::records;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ORGANIZATION: Audience = Audience::all(Scope::Organization);
const NAME: &str = "银杏.png";

/// What begins like a PNG and is like no other.
fn picture(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    let mut rest = vec![0; size - bytes.len()];
    rand::rngs::StdRng::seed_from_u64(seed).fill(&mut rest[..]);
    bytes.extend(rest);
    bytes
}

fn blob(bytes: &[u8]) -> BlobRef {
    BlobRef {
        hash: Hash::of(bytes),
        size: bytes.len() as u64,
        media_type: lianbo_node::blobs::sniff(bytes).to_owned(),
    }
}

/// What a site writes and keeps with.
struct Desk {
    door: Door,
    store: Store,
    blobs: Blobs,
    site: SiteId,
}

impl From<&TestNode> for Desk {
    fn from(node: &TestNode) -> Self {
        let site = node.site();
        Self {
            door: site.door.clone(),
            store: site.store.clone(),
            blobs: site.blobs.clone(),
            site: node.identity.site,
        }
    }
}

impl From<&TestHub> for Desk {
    fn from(hub: &TestHub) -> Self {
        Self {
            door: hub.hub().door.clone(),
            store: hub.store.clone(),
            blobs: hub.hub().blobs.clone(),
            site: hub.identity.site,
        }
    }
}

impl Desk {
    /// Takes a file in, as `article add --attach` does. Now, by the clock its site lives by: a file that nobody wrote
    /// about for a day goes.
    async fn attach(&self, bytes: &[u8]) -> BlobRef {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let now = SystemClock.now();
        self.blobs.attach(&self.store, file.path(), self.site, now).await.unwrap()
    }

    /// An article whose text shows the picture, which need not be here.
    async fn write(&self, audience: Audience, n: u8, blob: BlobRef) -> Written {
        let Record::Article(mut article) = records::article(n, "pictured") else { unreachable!() };
        article.text = format!("村口的银杏黄了。\n\n![古树]({NAME})\n");
        article.attachments = vec![Attachment { hash: blob.hash, name: NAME.into() }];
        let record = Record::Article(article);
        let hash = blob.hash;
        let written = self.door.write(vec![Draft { audience, record, blobs: vec![blob] }]).await;
        let mut tx = self.store.write().await.unwrap();
        lianbo_node::blobs::unpin(&mut tx, &[hash], self.site).await.unwrap();
        tx.commit().await.unwrap();
        written.unwrap()[0]
    }

    /// Both.
    async fn publish(&self, audience: Audience, n: u8, bytes: &[u8]) -> Written {
        let blob = self.attach(bytes).await;
        self.write(audience, n, blob).await
    }
}

/// Whatever waits to be tried again is due now.
async fn all_due(store: &Store) {
    let mut tx = store.write().await.unwrap();
    for table in ["blob_wants", "blob_gifts"] {
        tx.execute(&format!("UPDATE {table} SET next_ms = 0"), args![]).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// A village that reads its siblings' news.
async fn village(hub: &TestHub, code: &str) -> TestNode {
    let node = TestNode::join(hub, code, Scope::Organization, Scope::Organization).await;
    node.subscribe(None, "news").await;
    node
}

fn article_path(site: SiteId, n: u8) -> String {
    format!("/article/{site}/{}", records::id(n))
}

fn file_path(site: SiteId, id: RecordId) -> String {
    format!("/article/{site}/{id}/%E9%93%B6%E6%9D%8F.png")
}

/// An answer: its head, and its body.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn is(&self, status: u16) -> bool {
        self.head.starts_with(&format!("HTTP/1.1 {status} "))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (told, value) = line.split_once(": ")?;
            told.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Everything but the time of day.
    fn timeless(&self) -> (Vec<&str>, &[u8]) {
        let lines = self.head.lines().filter(|it| !it.to_lowercase().starts_with("date:"));
        (lines.collect(), &self.body)
    }
}

/// Asks a page or a file, with further lines in the head of the request.
async fn ask(address: SocketAddr, method: &str, path: &str, lines: &str) -> Answer {
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{lines}Connection: close\r\n\r\n");
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, asked).await.expect("an answer");
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("a head") + 4;
    let body = answer[end..].to_vec();
    Answer { head: String::from_utf8_lossy(&answer[..end]).into_owned(), body }
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "").await
}

fn name(written: &Written, blob: Hash) -> v1::BlobName {
    let slice = bytes::Bytes::copy_from_slice;
    v1::BlobName {
        site: slice(&written.log.site.0),
        entry: slice(&written.hash.0),
        blob: slice(&blob.0),
    }
}
