//! What runs on a simulated host: the real hub or the real node, over the simulated network. There is no
//! TLS inside: the address says who calls, as a certificate would.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use lianbo_hub::enrol::ca::Ca;
use lianbo_hub::hub::{Hub, Parts};
use lianbo_hub::rpc;
use lianbo_node::cores::Share;
use lianbo_node::entry::SiteId;
use lianbo_node::lifecycle::Site;
use lianbo_node::link::tls::{Connections, Limits, Peer, PeerInfo};
use lianbo_node::link::{Dial, LinkError, Uplink};
use lianbo_node::scope::Scope;
use lianbo_node::store::Still;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::transport::server::Connected;
use turmoil::net::{TcpListener, TcpStream};

use super::world::{HUB, World};
use super::writer;

/// As in life (see `link::uplink`).
const KEEPALIVE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(20);

fn port(listener: Scope) -> u16 {
    7000 + u16::try_from(listener.number()).unwrap_or(0)
}

/// Everything that runs on the host of member `index`, until it is crashed.
pub(super) async fn run(world: Arc<World>, index: usize) -> turmoil::Result {
    // Opening takes no simulated time, so that no crash comes between.
    let still = Still::begin();
    let site = open(&world, index).await;
    drop(still);
    // Not in the host's own task: a crash drops that one outside of its runtime.
    let running = tokio::spawn(async move {
        if index == HUB { hub(world, site).await } else { node(world, index, site).await }
    });
    running.await?;
    Ok(())
}

async fn open(world: &World, index: usize) -> Site {
    let member = &world.members[index];
    let store = member.open().await.stilled();
    let site = Site::open_with(&member.folder, store, world.clock.clone()).await;
    site.expect("the site opens")
}

async fn hub(world: Arc<World>, site: Site) {
    let ca = Ca::load(&site.folder).expect("the CA reads").expect("the CA is there");
    let parts = Parts {
        store: site.store.clone(),
        door: site.door.clone(),
        identity: site.identity.clone(),
        name: "测试县".to_owned(),
        clock: site.clock.clone(),
        ca: Arc::new(ca),
        certificate: Duration::from_hours(24),
        connections: Connections::new(Limits::default()),
        pages_url: None,
        blobs: site.blobs.clone(),
        blob_pace: 0,
        tasks: site.tasks.clone(),
        stop: site.stop.clone(),
    };
    let hub = Hub::start(parts).await.expect("the hub starts");
    for scope in Scope::ALL {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port(scope)));
        let listener = TcpListener::bind(address).await.expect("a simulated listener");
        let (accepted, incoming) = tokio::sync::mpsc::channel(16);
        let whose = world.clone();
        site.tasks.spawn(async move {
            while let Ok((stream, addr)) = listener.accept().await {
                let name = turmoil::reverse_lookup(addr.ip());
                let member =
                    whose.members.iter().find(|member| Some(&member.name) == name.as_ref());
                let site = member.map(super::world::Member::site);
                if accepted.send(Ok(Line { stream, addr, site })).await.is_err() {
                    break;
                }
            }
        });
        site.tasks.spawn(rpc::serve(hub.clone(), scope, ReceiverStream::new(incoming)));
    }
    writer::run(world, HUB, site.door.clone(), site.store.clone()).await;
    std::future::pending::<()>().await;
}

async fn node(world: Arc<World>, index: usize, site: Site) {
    let member = &world.members[index];
    let hub = world.members[HUB].site();
    let uplink = Uplink::new(&site, hub, member.ceiling, "https://127.0.0.1:1", None)
        .expect("the link is set up")
        .simulated(dial(port(member.listener)), world.seed ^ index as u64);
    let stop = site.stop.clone();
    let duties = lianbo_node::duties::run(
        site.store.clone(),
        site.door.clone(),
        site.identity.clone(),
        site.clock.clone(),
        stop.clone(),
    );
    site.tasks.spawn(duties);
    site.tasks.spawn(async move { Box::pin(uplink.run(stop)).await });
    let (door, store) = (site.door.clone(), site.store.clone());
    writer::run(world.clone(), index, door, store).await;
    std::future::pending::<()>().await;
}

fn dial(port: u16) -> Dial {
    Dial::new(move || {
        Box::pin(async move {
            let connector = tower::service_fn(move |_| async move {
                Ok::<_, io::Error>(TokioIo::new(TcpStream::connect(("hub", port)).await?))
            });
            let endpoint = Endpoint::from_static("http://hub")
                .http2_keep_alive_interval(KEEPALIVE)
                .keep_alive_timeout(KEEPALIVE)
                .keep_alive_while_idle(true);
            let connecting = endpoint.connect_with_connector(connector);
            let connected = tokio::time::timeout(CONNECT, connecting).await;
            connected.map_err(|_| LinkError::Ended)?.map_err(LinkError::Connect)
        })
    })
}

/// A simulated connection that says who is at its other end.
#[derive(Debug)]
struct Line {
    stream: TcpStream,
    addr: SocketAddr,
    site: Option<SiteId>,
}

impl Connected for Line {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        PeerInfo {
            peer: self.site.map(Peer::Site),
            not_before_ms: Some(0),
            not_after_ms: Some(i64::MAX),
            serial: None,
            addr: self.addr,
            share: Share::nobodys(),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
