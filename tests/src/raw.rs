//! A client of a hub's services that keeps to no rules: what a stranger's program could send.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lianbo_node::clock::SystemClock;
use lianbo_node::entry::{Entry, Head, Lane, SiteId};
use lianbo_node::heights::Heights;
use lianbo_node::link::connect::{Connector, endpoint};
use lianbo_node::link::tls::{ClientPki, ca_fingerprint, joined_config, joining_config};
use lianbo_node::scope::Scope;
use lianbo_node::wire::{decode_frame, decode_head, encode_frame, heights_to_proto};
use lianbo_proto::v1;
use lianbo_proto::v1::blobs_client::BlobsClient;
use lianbo_proto::v1::enrol_client::EnrolClient;
use lianbo_proto::v1::sync_client::SyncClient;
use rustls::ClientConfig;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::net::{PATIENCE, TestHub};

/// Larger than anything a hub may send.
const LARGEST: usize = 64 * 1024 * 1024;

/// Bytes of a stream on their way, at most.
const SMALL: u32 = 64 * 1024;

/// A connection to one listener of a hub.
#[derive(Clone, Debug)]
pub struct RawClient {
    /// The sync service.
    pub sync: SyncClient<Channel>,
    /// The enrolment service.
    pub enrol: EnrolClient<Channel>,
    /// The service for files.
    pub blobs: BlobsClient<Channel>,
}

impl RawClient {
    /// With a certificate.
    ///
    /// # Panics
    /// If the hub does not let it in, as far as TLS is concerned.
    pub async fn connect(hub: &TestHub, pki: &ClientPki, listener: Scope) -> Self {
        Self::try_connect(hub, pki, listener).await.expect("the hub lets it in")
    }

    /// With a certificate that may be no good.
    pub async fn try_connect(
        hub: &TestHub,
        pki: &ClientPki,
        listener: Scope,
    ) -> Result<Self, tonic::transport::Error> {
        let key = pki.certified_key().expect("key and certificate belong together");
        let clock = Arc::new(SystemClock);
        let config = joined_config(&pki.ca, watch::channel(key).1, clock).expect("TLS settings");
        Self::over(hub, config, Some(hub.identity.site), listener).await
    }

    /// Without a certificate.
    ///
    /// # Panics
    /// If the hub does not let it in, as far as TLS is concerned.
    pub async fn stranger(hub: &TestHub, listener: Scope) -> Self {
        let fingerprint = ca_fingerprint(hub.hub().ca.certificate());
        let (config, _) = joining_config(fingerprint, Arc::new(SystemClock)).expect("settings");
        Self::over(hub, config, None, listener).await.expect("the hub lets it in")
    }

    async fn over(
        hub: &TestHub,
        config: ClientConfig,
        name: Option<SiteId>,
        listener: Scope,
    ) -> Result<Self, tonic::transport::Error> {
        let connector = Connector::new(Arc::new(config), name, None, PATIENCE);
        let host = if name.is_some() { "127.0.0.1" } else { "localhost" };
        let address = format!("https://{host}:{}", hub.grpc(listener).port());
        // Small windows: what is on its way and not yet asked for stays little.
        let endpoint = endpoint(&address).expect("an address").initial_stream_window_size(SMALL);
        let channel = endpoint.connect_with_connector(connector).await?;
        let sync = SyncClient::new(channel.clone())
            .max_decoding_message_size(LARGEST)
            .max_encoding_message_size(LARGEST);
        let blobs = BlobsClient::new(channel.clone());
        Ok(Self { sync, enrol: EnrolClient::new(channel), blobs })
    }

    /// A Hello of `site` that holds nothing yet.
    pub async fn hello(&mut self, site: SiteId) -> Result<v1::HelloResponse, Status> {
        self.sync.hello(hello(site)).await.map(tonic::Response::into_inner)
    }

    /// One batch down, from a cursor.
    pub async fn pull(&mut self, lane: Lane, cursor: Bytes) -> Result<v1::PullResponse, Status> {
        let request = v1::PullRequest { cursor, ..pull(lane) };
        self.sync.pull(request).await.map(tonic::Response::into_inner)
    }

    /// All there is in a lane, by these terms, and the cursor at the end.
    pub async fn pull_all(
        &mut self,
        terms: &v1::PullRequest,
    ) -> Result<(Vec<v1::PullResponse>, Bytes), Status> {
        let mut answers = Vec::new();
        let mut cursor = terms.cursor.clone();
        loop {
            let request = v1::PullRequest { cursor, ..terms.clone() };
            let answer = self.sync.pull(request).await?.into_inner();
            cursor = answer.cursor.clone();
            let more = answer.more;
            answers.push(answer);
            if !more {
                return Ok((answers, cursor));
            }
        }
    }

    /// Pushes one frame and takes the answer to it.
    pub async fn push(&mut self, frame: Bytes) -> Result<v1::PushResponse, Status> {
        let (mut frames, mut answers) = self.push_stream().await?;
        send(&mut frames, v1::PushRequest { frame }).await;
        drop(frames);
        let answer = patient(answers.message()).await?;
        answer.ok_or_else(|| Status::cancelled("the hub ended the call without an answer"))
    }

    /// Pushes entries.
    pub async fn push_entries(&mut self, entries: &[Entry]) -> Result<v1::PushResponse, Status> {
        self.push(encode_frame(entries)).await
    }

    /// A push that stays open.
    pub async fn push_stream(
        &mut self,
    ) -> Result<(mpsc::Sender<v1::PushRequest>, Streaming<v1::PushResponse>), Status> {
        let (frames, outbound) = mpsc::channel(1);
        let answers = self.sync.push(ReceiverStream::new(outbound)).await?.into_inner();
        Ok((frames, answers))
    }

    /// A stream that begins with `open`.
    pub async fn follow(&mut self, open: v1::FollowOpen) -> Result<Following, Status> {
        self.follow_with(v1::follow_request::Message::Open(open)).await
    }

    /// A stream that begins with anything.
    pub async fn follow_with(
        &mut self,
        first: v1::follow_request::Message,
    ) -> Result<Following, Status> {
        let (mut requests, outbound) = mpsc::channel(16);
        send(&mut requests, v1::FollowRequest { message: Some(first) }).await;
        let stream = patient(self.sync.follow(ReceiverStream::new(outbound))).await?.into_inner();
        Ok(Following { requests, stream })
    }
}

/// A Hello of a site that holds nothing yet.
pub fn hello(site: SiteId) -> v1::HelloRequest {
    v1::HelloRequest {
        protocol: 1,
        site: Bytes::copy_from_slice(&site.0),
        incarnation: Bytes::from_static(&[1; 16]),
        ..v1::HelloRequest::default()
    }
}

/// A pull from the beginning.
pub fn pull(lane: Lane) -> v1::PullRequest {
    v1::PullRequest { lane: lane as i32, ..v1::PullRequest::default() }
}

/// An offer of these logs.
pub fn offer(held: &Heights) -> v1::OfferRequest {
    v1::OfferRequest { held: heights_to_proto(held) }
}

/// The entries of a frame with their heads.
///
/// # Panics
/// If it is no frame.
pub fn open_frame(frame: &[u8]) -> Vec<(Head, Entry)> {
    let entries = decode_frame(frame).expect("a frame");
    entries.into_iter().map(|entry| (decode_head(&entry.head).expect("a head"), entry)).collect()
}

async fn send<T>(to: &mut mpsc::Sender<T>, message: T) {
    if to.send(message).await.is_err() {
        // The call has ended; its status tells why.
    }
}

async fn patient<T>(waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, waiting).await.expect("the hub answers")
}

/// An open stream.
#[derive(Debug)]
pub struct Following {
    requests: mpsc::Sender<v1::FollowRequest>,
    stream: Streaming<v1::FollowResponse>,
}

impl Following {
    /// The next batch; `None` where the hub ended the stream.
    pub async fn next(&mut self) -> Result<Option<v1::FollowResponse>, Status> {
        patient(self.stream.message()).await
    }

    /// The next batch.
    ///
    /// # Panics
    /// If the stream ended.
    pub async fn batch(&mut self) -> v1::FollowResponse {
        self.next().await.expect("the stream goes on").expect("the stream goes on")
    }

    /// Whether nothing at all comes within `time`.
    pub async fn silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.stream.message()).await.is_err()
    }

    /// Acknowledges a batch.
    pub async fn ack(&mut self, batch: &v1::FollowResponse) {
        self.ack_cursor(batch.lane, batch.cursor.clone()).await;
    }

    /// Acknowledges anything.
    pub async fn ack_cursor(&mut self, lane: i32, cursor: Bytes) {
        let ack = v1::LaneCursor { lane, cursor };
        self.say(v1::follow_request::Message::Ack(ack)).await;
    }

    /// Says anything.
    pub async fn say(&mut self, message: v1::follow_request::Message) {
        send(&mut self.requests, v1::FollowRequest { message: Some(message) }).await;
    }

    /// Takes and acknowledges batches until both lanes have settled: each has told a cursor with nothing
    /// to carry or has nothing more. Gives what came.
    pub async fn settle(&mut self) -> Vec<v1::FollowResponse> {
        let mut batches = Vec::new();
        let mut quiet = 0;
        while quiet < 2 {
            // The hub is in this process: what is due comes at once.
            let Ok(batch) = tokio::time::timeout(Duration::from_millis(300), self.next()).await
            else {
                quiet += 1;
                continue;
            };
            let batch = batch.expect("the stream goes on").expect("the stream goes on");
            if !batch.cursor.is_empty() {
                self.ack(&batch).await;
            }
            batches.push(batch);
        }
        batches
    }

    /// The status with which the hub ends the stream; everything before it is passed over.
    pub async fn end(&mut self) -> Status {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok("ended"),
                Err(status) => return status,
            }
        }
    }
}
