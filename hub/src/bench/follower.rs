//! A follower as small as can be, so that what is measured is the hub: a connection with mutual TLS, and of HTTP/2
//! (RFC 9113) the few frames that one stream takes, by hand. It decodes what comes and acknowledges it as a node does:
//! once for all that came within a moment. It verifies and keeps nothing, which each real node does on a machine of its
//! own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use lianbo_node::clock::SystemClock;
use lianbo_node::entry::{Entry, Lane, SiteId};
use lianbo_node::link::ack_after;
use lianbo_node::link::connect::Connector;
use lianbo_node::link::tls::joined_config;
use lianbo_node::wire::decode_frame;
use lianbo_proto::v1;
use lianbo_proto::v1::follow_request::Message as Said;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::client::TlsStream;
use tower::ServiceExt;

use super::county::Member;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const STREAM: u32 = 1;
/// What the hub may send before a window is opened again: more than any bench carries.
const WINDOW: u32 = 0x7fff_ffff;
/// What a connection allows before anything is said.
const FIRST_WINDOW: u32 = 65_535;
/// Longest a connection may take: many are made at once.
const PATIENCE: Duration = Duration::from_mins(1);

/// Kinds of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Flags of frames.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// A setting: how much each stream may carry.
const INITIAL_WINDOW_SIZE: u16 = 4;

/// A stream that has caught up.
#[derive(Debug)]
pub(super) struct Follower {
    io: TlsStream<TcpStream>,
    /// What was read of the next frames.
    frames: BytesMut,
    /// What was read of the next message.
    message: BytesMut,
    /// What is on its way out.
    out: BytesMut,
    /// What will be acknowledged, and when.
    due: Option<(Instant, v1::LaneCursor)>,
}

impl Follower {
    /// Connects, follows the column `news` of all siblings, takes all there is.
    pub(super) async fn open(hub: SiteId, at: SocketAddr, member: &Member) -> anyhow::Result<Self> {
        let key = watch::channel(member.pki.certified_key()?).1;
        let config = Arc::new(joined_config(&member.pki.ca, key, Arc::new(SystemClock))?);
        let connector = Connector::new(config, Some(hub), None, PATIENCE);
        let io = connector.oneshot(format!("http://{at}").parse()?).await?.into_inner();
        let [frames, message, out] = [(); 3].map(|()| BytesMut::new());
        let mut follower = Self { io, frames, message, out, due: None };
        follower.begin()?;
        // Content comes last: its cursor says that all is said.
        loop {
            let batch = follower.receive().await?;
            if batch.lane == Lane::Content as i32 && !batch.cursor.is_empty() {
                return Ok(follower);
            }
        }
    }

    /// The entries of the next batch; acknowledges meanwhile what is due.
    pub(super) async fn next(&mut self) -> anyhow::Result<Vec<Entry>> {
        loop {
            let due = self.due.as_ref().map(|(at, _)| *at);
            tokio::select! {
                biased;
                batch = self.receive() => return Ok(decode_frame(&batch?.frame)?),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.acknowledge(),
            }
        }
    }

    fn acknowledge(&mut self) {
        if let Some((_, cursor)) = self.due.take() {
            request(&mut self.out, Said::Ack(cursor));
        }
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        let mut out = BytesMut::from(PREFACE);
        let mut settings = BytesMut::new();
        settings.put_u16(INITIAL_WINDOW_SIZE);
        settings.put_u32(WINDOW);
        frame(&mut out, SETTINGS, 0, 0, &settings);
        frame(&mut out, WINDOW_UPDATE, 0, 0, &(WINDOW - FIRST_WINDOW).to_be_bytes());
        let mut headers = BytesMut::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", "/lianbo.v1.Sync/Follow"),
            (":authority", "hub"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ] {
            // A literal that is in no table (RFC 7541, section 6.2.2).
            headers.put_u8(0);
            for text in [name, value] {
                headers.put_u8(u8::try_from(text.len())?);
                headers.put_slice(text.as_bytes());
            }
        }
        frame(&mut out, HEADERS, END_HEADERS, STREAM, &headers);
        let news = v1::Subscription { site: Bytes::new(), column: "news".to_owned() };
        let open = v1::FollowOpen { subscriptions: vec![news], ..v1::FollowOpen::default() };
        request(&mut out, Said::Open(open));
        self.out = out;
        Ok(())
    }

    /// The next batch, to be acknowledged. May be dropped while it waits: nothing is lost.
    async fn receive(&mut self) -> anyhow::Result<v1::FollowResponse> {
        loop {
            while !self.out.is_empty() {
                self.io.write_buf(&mut self.out).await?;
            }
            if let Some(message) = self.message()? {
                let batch = v1::FollowResponse::decode(message)?;
                if !batch.cursor.is_empty() {
                    let cursor = v1::LaneCursor { lane: batch.lane, cursor: batch.cursor.clone() };
                    let at =
                        self.due.take().map_or_else(|| Instant::now() + ack_after(), |(at, _)| at);
                    self.due = Some((at, cursor));
                }
                return Ok(batch);
            }
            while !self.frame()? {
                let read = self.io.fill_buf().await?;
                anyhow::ensure!(!read.is_empty(), "the hub closed a follower's connection");
                self.frames.put_slice(read);
                let read = read.len();
                self.io.consume(read);
            }
        }
    }

    /// A whole gRPC message, if there is one.
    fn message(&mut self) -> anyhow::Result<Option<Bytes>> {
        let Some(prefix) = self.message.get(..5) else { return Ok(None) };
        anyhow::ensure!(prefix[0] == 0, "the hub compressed a message nobody asked it to");
        let length = usize::try_from((&prefix[1..]).get_u32())?;
        if self.message.len() < 5 + length {
            return Ok(None);
        }
        self.message.advance(5);
        Ok(Some(take(&mut self.message, length).freeze()))
    }

    /// Takes one frame; `false` where it is not whole yet.
    fn frame(&mut self) -> anyhow::Result<bool> {
        let Some(mut head) = self.frames.get(..9) else { return Ok(false) };
        let length = usize::try_from(head.get_uint(3))?;
        let (kind, flags) = (head.get_u8(), head.get_u8());
        if self.frames.len() < 9 + length {
            return Ok(false);
        }
        self.frames.advance(9);
        let payload = take(&mut self.frames, length);
        match kind {
            // Most messages are one frame: nothing to copy.
            DATA if self.message.is_empty() => self.message = payload,
            DATA => self.message.put_slice(&payload),
            SETTINGS if flags & ACK == 0 => frame(&mut self.out, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(&mut self.out, PING, ACK, 0, &payload),
            HEADERS if flags & END_STREAM != 0 => {
                anyhow::bail!("the hub ended a follower's stream")
            }
            RST_STREAM | GOAWAY => anyhow::bail!("the hub broke a follower's connection off"),
            _ => {}
        }
        Ok(true)
    }
}

/// The first bytes of a buffer; with the last of them goes its room. A thousand followers at rest hold none.
fn take(buffer: &mut BytesMut, bytes: usize) -> BytesMut {
    if buffer.len() == bytes { std::mem::take(buffer) } else { buffer.split_to(bytes) }
}

/// A gRPC message in a frame.
fn request(out: &mut BytesMut, said: Said) {
    let message = v1::FollowRequest { message: Some(said) }.encode_to_vec();
    let mut prefixed = BytesMut::with_capacity(5 + message.len());
    prefixed.put_u8(0);
    prefixed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    prefixed.put_slice(&message);
    frame(out, DATA, 0, STREAM, &prefixed);
}

fn frame(out: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.put_uint(payload.len() as u64, 3);
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u32(stream);
    out.put_slice(payload);
}
