//! A hub without TLS, to set beside what has none: a connection begins with the caller's site id and nothing proves it.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use lianbo_hub::enrol::ca::Ca;
use lianbo_hub::hub::{Hub, Parts};
use lianbo_hub::rpc;
use lianbo_node::cli::print;
use lianbo_node::entry::SiteId;
use lianbo_node::lifecycle::Site;
use lianbo_node::link::tls::{Connections, Limits, PeerInfo};
use lianbo_node::ops;
use lianbo_node::scope::Scope;
use lianbo_proto::v1::sync_client::SyncClient;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};

use crate::county::address;

/// Connects as `site`.
pub(super) async fn connect(at: SocketAddr, site: SiteId) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&site.0).await?;
    Ok(stream)
}

/// A client that speaks as `site`.
pub(super) async fn client(at: SocketAddr, site: SiteId) -> anyhow::Result<SyncClient<Channel>> {
    let connector =
        tower::service_fn(move |_| async move { connect(at, site).await.map(TokioIo::new) });
    let channel = Endpoint::from_static("http://hub").connect_with_connector(connector).await?;
    Ok(SyncClient::new(channel))
}

/// Serves the hub in `folder` until the end of stdin.
pub(crate) async fn serve(folder: &Path) -> anyhow::Result<()> {
    let site = Site::open(folder, &address(folder)).await?;
    let ca = Ca::load(folder)?.ok_or_else(|| anyhow::anyhow!("no CA"))?;
    let hub = Hub::start(Parts {
        store: site.store.clone(),
        door: site.door.clone(),
        identity: site.identity.clone(),
        name: "测试县".to_owned(),
        clock: site.clock.clone(),
        ca: Arc::new(ca),
        certificate: Duration::from_hours(24),
        connections: Connections::new(Limits::default()),
        tasks: site.tasks.clone(),
        stop: site.stop.clone(),
    })
    .await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    print::text(&format!(
        "serving organization grpc https://{}\nserving metrics none\n",
        listener.local_addr()?
    ))?;
    let (accepted, incoming) = mpsc::channel(16);
    site.tasks.spawn(async move {
        while let Ok((mut stream, addr)) = listener.accept().await {
            let mut site = [0; 16];
            if stream.set_nodelay(true).is_err() || stream.read_exact(&mut site).await.is_err() {
                continue;
            }
            if accepted.send(Ok(Line { stream, addr, site: SiteId(site) })).await.is_err() {
                break;
            }
        }
    });
    let serving = rpc::serve(hub, Scope::Organization, ReceiverStream::new(incoming));
    tokio::select! {
        served = serving => served?,
        signal = ops::stop_signal(true) => drop(signal?),
    }
    Ok(())
}

/// A connection that says who is at its other end.
struct Line {
    stream: TcpStream,
    addr: SocketAddr,
    site: SiteId,
}

impl Connected for Line {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        PeerInfo {
            site: Some(self.site),
            not_before_ms: Some(0),
            not_after_ms: Some(i64::MAX),
            serial: None,
            addr: self.addr,
            closed: CancellationToken::new(),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
