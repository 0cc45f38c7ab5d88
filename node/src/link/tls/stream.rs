//! A connection that knows who is at its other end and can be cut off.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::connections::Registration;
use super::cut::cut_off;
use super::{BadCertificate, CertInfo, Connections, Peer, certificate_info};
use crate::cores::Share;
use crate::cores::turn::poll_spend;

/// How long a connection without a certificate may stand: its places are few.
const ANONYMOUS_FOR: Duration = Duration::from_mins(2);

/// What one read costs of a turn, so that a turn has one: a flood of the smallest frames is a thousand frames a read. A
/// write is one answer, as a rule.
const READ: usize = 96;
const WRITE: usize = 8;
/// Most that one read gives of a peer whose work is done apart: a hundred of the smallest frames. Who wakes beside a turn
/// may have to wait until it ends, although it goes first.
const PART: usize = 1024;

/// Who is at the other end; found in the extensions of every request.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Whom its certificate was issued to; `None` without a certificate.
    pub peer: Option<Peer>,
    /// Start of the certificate's validity, milliseconds since 1970-01-01 UTC.
    pub not_before_ms: Option<i64>,
    /// End of it, likewise. It may be past, or pass while the connection stands: compare it with the
    /// clock at every call.
    pub not_after_ms: Option<i64>,
    /// The certificate's serial number, big-endian.
    pub serial: Option<Vec<u8>>,
    /// The caller's address.
    pub addr: SocketAddr,
    /// What its work is charged to.
    pub share: Share,
}

/// A TLS connection of a listener. Every read and write fails once the registry has closed it.
pub struct ServerStream {
    tls: TlsStream<TcpStream>,
    peer: PeerInfo,
    /// All that came was read: nothing to look for in `tls`, and no turn to spend, until more comes.
    drained: bool,
    // Nobody needs long to join.
    leaves: Option<Pin<Box<Sleep>>>,
    // Dropped with the stream: leaves the registry.
    registration: Registration,
}

impl std::fmt::Debug for ServerStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerStream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Why a connection is dropped although its handshake succeeded.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    #[error("the certificate names neither a site nor a harvester")]
    Nobody,
    #[error("too many connections")]
    TooMany,
}

impl ServerStream {
    /// Enters a connection whose handshake is done into the registry.
    pub(super) fn new(
        tls: TlsStream<TcpStream>,
        addr: SocketAddr,
        connections: &Connections,
    ) -> Result<Self, NotTaken> {
        let info = match tls.get_ref().1.peer_certificates().and_then(<[_]>::first) {
            Some(leaf) => Some(certificate_info(leaf)?),
            None => None,
        };
        let named = info.as_ref().and_then(CertInfo::peer);
        if info.is_some() && named.is_none() {
            return Err(NotTaken::Nobody);
        }
        let registration = connections.register(named).ok_or(NotTaken::TooMany)?;
        let peer = PeerInfo {
            peer: named,
            not_before_ms: info.as_ref().map(|info| info.not_before_ms),
            not_after_ms: info.as_ref().map(|info| info.not_after_ms),
            serial: info.map(|CertInfo { serial, .. }| serial),
            addr,
            share: registration.share.clone(),
        };
        let leaves = named.is_none().then(|| Box::pin(sleep(ANONYMOUS_FOR)));
        Ok(Self { tls, peer, drained: false, leaves, registration })
    }

    /// Reads, but no more than a part.
    fn poll_part(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let most = buf.remaining().min(PART);
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.tls).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
        Poll::Ready(Ok(()))
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }
}

impl Connected for ServerStream {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.peer.clone()
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.registration.cut.check_read(cx)?;
        if self.leaves.as_mut().is_some_and(|leaves| leaves.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Err(cut_off()));
        }
        if self.drained {
            ready!(self.tls.get_ref().0.poll_read_ready(cx))?;
        }
        ready!(poll_spend(cx, READ));
        let read = if self.peer.share.apart(Instant::now()) {
            self.poll_part(cx, buf)
        } else {
            Pin::new(&mut self.tls).poll_read(cx, buf)
        };
        self.drained = read.is_pending();
        read
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.registration.cut.check_write(cx)?;
        ready!(poll_spend(cx, WRITE));
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.cut.check_write(cx)?;
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Once cut off, saying goodbye would wait on a peer that may not be reading.
        self.registration.cut.check_write(cx)?;
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.registration.cut.check_write(cx)?;
        ready!(poll_spend(cx, WRITE));
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}
