//! A site that only pushes, in this process, over real TLS: it loads a hub and counts what is acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lianbo_node::clock::SystemClock;
use lianbo_node::content::Record;
use lianbo_node::entry::SiteId;
use lianbo_node::identity::Identity;
use lianbo_node::link::connect::{Connector, endpoint};
use lianbo_node::link::join::join;
use lianbo_node::link::tls::{ClientPki, joined_config};
use lianbo_node::scope::{Audience, Scope};
use lianbo_node::wire::{encode_frame, heights_from_proto};
use lianbo_proto::v1;
use lianbo_proto::v1::sync_client::SyncClient;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::author::{Made, TestAuthor, entries};

const PATIENCE: Duration = Duration::from_secs(20);

/// A joined site with its own history.
#[derive(Debug)]
pub struct Pusher {
    author: TestAuthor,
    pki: ClientPki,
    hub: SiteId,
    url: String,
    /// Everything it wrote, in order.
    pub made: Vec<Made>,
    /// How many of these, from the start, the hub has acknowledged.
    pub acked: usize,
}

/// A connection with a push under way.
#[derive(Debug)]
pub struct Pushing {
    frames: mpsc::Sender<v1::PushRequest>,
    answers: Streaming<v1::PushResponse>,
}

impl Pusher {
    /// Joins the hub at `url` with a token.
    pub async fn join(url: &str, token: &str) -> Self {
        let token = token.trim().parse().expect("a token");
        let identity = Identity::generate(&mut rand::rng());
        let joined = join(url, &token, identity, None, Arc::new(SystemClock)).await;
        let joined = joined.expect("the hub takes it in");
        Self {
            author: TestAuthor::of(joined.identity),
            pki: joined.pki,
            hub: joined.hub_site,
            url: url.to_owned(),
            made: Vec::new(),
            acked: 0,
        }
    }

    /// Which site it is.
    pub fn site(&self) -> SiteId {
        self.author.site()
    }

    /// Its certificate and key.
    pub fn pki(&self) -> &ClientPki {
        &self.pki
    }

    /// The hub it belongs to.
    pub fn hub(&self) -> SiteId {
        self.hub
    }

    /// Writes these records for the private network; nothing is sent.
    pub fn write(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            let made = self.author.write(Audience::all(Scope::Organization), record);
            self.made.push(made);
        }
    }

    /// A connection; `None` where the hub is away.
    pub async fn connect(&self) -> Option<SyncClient<Channel>> {
        let key = self.pki.certified_key().expect("a key");
        let (_sender, key) = watch::channel(key);
        let clock = Arc::new(SystemClock);
        let config = joined_config(&self.pki.ca, key, clock).expect("a TLS configuration");
        let connector = Connector::new(Arc::new(config), Some(self.hub), None, PATIENCE);
        let endpoint = endpoint(&self.url).expect("an address");
        endpoint.connect_with_connector(connector).await.ok().map(SyncClient::new)
    }

    /// Opens a push; `None` where the hub is away.
    pub async fn open(&self) -> Option<Pushing> {
        let mut client = self.connect().await?;
        let (frames, outbound) = mpsc::channel(4);
        let answers = client.push(ReceiverStream::new(outbound)).await.ok()?.into_inner();
        Some(Pushing { frames, answers })
    }

    /// Sends the next `count` entries that are not acknowledged in one frame and waits for the answer.
    /// `None` where the line breaks.
    ///
    /// # Panics
    /// If the hub refuses any of it.
    pub async fn push(&mut self, pushing: &mut Pushing, count: usize) -> Option<()> {
        let upto = (self.acked + count).min(self.made.len());
        let frame = encode_frame(&entries(&self.made[self.acked..upto]));
        pushing.frames.send(v1::PushRequest { frame }).await.ok()?;
        let answer = pushing.answers.message().await.ok()??;
        assert!(answer.refused.is_empty(), "refused: {:?}", answer.refused);
        let heights: BTreeMap<_, _> = heights_from_proto(answer.acked).expect("heights");
        let acked = self.made.iter().take_while(|made| {
            heights.get(&made.head.log).is_some_and(|height| height.seq >= made.head.seq)
        });
        self.acked = self.acked.max(acked.count());
        assert!(self.acked >= upto, "an answer means that everything it answers is kept");
        Some(())
    }
}
