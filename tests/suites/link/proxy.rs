//! An HTTP CONNECT proxy on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{are, hub_writes, node_writes, titles, village};
use lianbo_node::store::testing::TestDatabase;
use lianbo_tests::net::TestHub;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// One connection: the head, the tunnel, the bytes.
async fn tunnel(stream: TcpStream, tunnels: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let to = lines[0].strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    // user:secret
    let known = lines.iter().any(|line| {
        line.to_ascii_lowercase().starts_with("proxy-authorization:")
            && line.ends_with("Basic dXNlcjpzZWNyZXQ=")
    });
    let (Some(to), true) = (to, known) else {
        return stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    };
    let mut hub = TcpStream::connect(to).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    tunnels.fetch_add(1, Ordering::SeqCst);
    copy_bidirectional(&mut stream, &mut hub).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_links_and_follows_through_a_proxy() {
    let hub = TestHub::start(TestDatabase::sqlite().await).await;
    let mut node = village(&hub, "village").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counted = tunnels.clone();
    let proxy = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(tunnel(stream, counted.clone()));
        }
    });
    node.config.hub.proxy = Some(format!("http://user:wrong@{address}"));
    let error = lianbo_node::serve::sync_once(node.site(), &node.config).await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("proxy") && !told.contains("wrong"), "{told}");
    assert_eq!(tunnels.load(Ordering::SeqCst), 0);

    node.config.hub.proxy = Some(format!("http://user:secret@{address}"));
    node_writes(&node, 1, "up").await;
    hub_writes(&hub, 2, "down").await;
    let drained = node.sync().await;
    assert_eq!(drained.pushed, 1);
    assert!(are(&titles(&mut node.read().await).await, &["up", "down"]));
    node.serve().await;
    hub_writes(&hub, 3, "live").await;
    node.until("it follows", async |tx| titles(tx).await.len() == 3).await;
    assert_eq!(tunnels.load(Ordering::SeqCst), 2, "every connection went through the proxy");
    node.close().await;
    hub.close().await;
    proxy.abort();
}
