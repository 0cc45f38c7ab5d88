//! A relay that counts what goes over the wire; for the run that is counted, never for the one that is timed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A relay to a hub, until dropped.
#[derive(Debug)]
pub(super) struct Relay {
    /// Where to connect.
    pub(super) address: SocketAddr,
    passed: Arc<AtomicU64>,
    _accepting: JoinSet<()>,
}

impl Relay {
    /// Begins to relay to `hub`.
    pub(super) async fn start(hub: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let passed = Arc::<AtomicU64>::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, hub, passed.clone()));
        Ok(Self { address, passed, _accepting: accepting })
    }

    /// Bytes of all connections so far, both ways.
    pub(super) fn bytes(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, hub: SocketAddr, passed: Arc<AtomicU64>) {
    let mut passing = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let passed = passed.clone();
        passing.spawn(async move {
            let Ok(far) = TcpStream::connect(hub).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            // However either way ends, what went is counted.
            let ways = (pass(near_in, far_out, &passed), pass(far_in, near_out, &passed));
            drop(tokio::join!(ways.0, ways.1));
        });
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    passed: &AtomicU64,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        passed.fetch_add(read as u64, Ordering::Relaxed);
        to.write_all(&bytes[..read]).await?;
    }
}
