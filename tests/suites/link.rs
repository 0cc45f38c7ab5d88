//! The link between a hub and its nodes, over real TLS on loopback.

mod alike;
mod basics;
mod canaries;
mod certificates;
mod hello;
mod hostile;
mod keys;
mod lanes;
mod losses;
mod proxy;
mod stopping;
mod subscriptions;
mod window;

use lianbo_node::content::article::{self, ArticleFilter};
use lianbo_node::ingest::Draft;
use lianbo_node::scope::{Audience, Reader, Scope};
use lianbo_node::store::Tx;
use lianbo_tests::net::{TestHub, TestNode};
use lianbo_tests::records;

const ORGANIZATION: Audience = Audience::all(Scope::Organization);

/// Titles of all articles a reader sees, sorted.
async fn titles_for(tx: &mut Tx, reader: Reader) -> Vec<String> {
    let filter = ArticleFilter { limit: 10_000, ..ArticleFilter::default() };
    let lines = article::list(tx, reader, &filter).await.unwrap();
    let mut titles: Vec<_> = lines.into_iter().map(|line| line.title).collect();
    titles.sort();
    titles
}

/// Titles of all articles held for everybody.
async fn titles(tx: &mut Tx) -> Vec<String> {
    titles_for(tx, Reader::anonymous(Scope::Internal)).await
}

/// Whether the titles hold exactly these marks, each once.
fn are(titles: &[String], marks: &[&str]) -> bool {
    titles.len() == marks.len()
        && marks.iter().all(|mark| titles.iter().any(|title| title.ends_with(&format!(" {mark}"))))
}

/// An article of the hub's own for the private network.
async fn hub_writes(hub: &TestHub, n: u8, mark: &str) {
    hub.write(vec![Draft::new(ORGANIZATION, records::article(n, mark))]).await;
}

/// An article of a node's own for the private network.
async fn node_writes(node: &TestNode, n: u8, mark: &str) -> lianbo_node::ingest::Written {
    node.write(ORGANIZATION, records::article(n, mark)).await
}

/// A node on the private network.
async fn village(hub: &TestHub, code: &str) -> TestNode {
    TestNode::join(hub, code, Scope::Organization, Scope::Organization).await
}
