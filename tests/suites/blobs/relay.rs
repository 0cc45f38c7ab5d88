//! A wire between a node and its hub that counts what goes over it, and that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One direction.
#[derive(Default)]
struct Way {
    passed: AtomicU64,
    /// After so many bytes the wire is cut; 0 for never.
    cut_after: AtomicU64,
}

/// The wire.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    ways: Arc<[Way; 2]>,
    task: JoinHandle<()>,
}

impl Relay {
    pub(super) async fn to(hub: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ways: Arc<[Way; 2]> = Arc::default();
        let counted = ways.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(hub).await.unwrap();
                let ((near_read, near_write), (far_read, far_write)) =
                    (near.into_split(), far.into_split());
                let ways = counted.clone();
                // Either end of the wire takes the other with it.
                tokio::select! {
                    () = carry(near_read, far_write, &ways[0]) => {}
                    () = carry(far_read, near_write, &ways[1]) => {}
                }
            }
        });
        Self { address, ways, task }
    }

    /// Counts from nothing; cuts the wire after so many bytes up and down, where that is not 0.
    pub(super) fn set(&self, up: u64, down: u64) {
        for (way, cut_after) in self.ways.iter().zip([up, down]) {
            way.passed.store(0, Ordering::SeqCst);
            way.cut_after.store(cut_after, Ordering::SeqCst);
        }
    }

    /// Bytes that went up and down.
    pub(super) fn passed(&self) -> [u64; 2] {
        [0, 1].map(|way| self.ways[way].passed.load(Ordering::SeqCst))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    way: &Way,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let passed = way.passed.fetch_add(read as u64, Ordering::SeqCst) + read as u64;
        let cut_after = way.cut_after.load(Ordering::SeqCst);
        if to.write_all(&buffer[..read]).await.is_err() || (cut_after > 0 && passed > cut_after) {
            return;
        }
    }
}
