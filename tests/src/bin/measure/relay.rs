//! A relay that counts what goes over the wire; for the run that is counted, never for the one that is timed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Bytes of TLS records, both ways, over all connections.
pub(crate) type Count = Arc<AtomicU64>;

/// Relays to `hub` for as long as the runtime lives; where to connect, and the bytes up and down so far.
pub(crate) async fn start(hub: SocketAddr) -> std::io::Result<(SocketAddr, [Count; 2])> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let counts = [Count::default(), Count::default()];
    let counted = counts.clone();
    drop(tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let counts = counted.clone();
            drop(tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(hub).await else { return };
                // However it ends, what went is counted.
                if let Ok((up, down)) = copy_bidirectional(&mut near, &mut far).await {
                    counts[0].fetch_add(up, Ordering::Relaxed);
                    counts[1].fetch_add(down, Ordering::Relaxed);
                }
            }));
        }
    }));
    Ok((address, counts))
}
