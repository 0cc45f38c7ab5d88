//! Reaching a hub: TCP, directly or through an HTTP CONNECT proxy, then TLS. For tonic's
//! `Endpoint::connect_with_connector`.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Endpoint;
use tower::Service;
use url::Url;

use crate::entry::SiteId;
use crate::link::tls::hub_name;

/// Port of a hub whose address names none.
const DEFAULT_PORT: u16 = 443;
/// How long a silent line may stand before the kernel asks whether the other end is still there.
const KEEPALIVE: Duration = Duration::from_mins(1);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a hub cannot be reached. [`TlsProblem::find`](super::tls::TlsProblem::find) looks into it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is not `https://HOST[:PORT]`.
    #[error("\"{0}\" is not a hub's address: write https://HOST or https://HOST:PORT")]
    Address(String),
    /// The proxy's address is not one; the text is left out, a password may be in it.
    #[error("the proxy's address is not one: write http://[USER:PASSWORD@]HOST:PORT")]
    ProxyAddress,
    /// Nobody answers. Trying again may help.
    #[error("cannot reach {to}")]
    Dial {
        /// Host and port.
        to: String,
        /// What happened.
        #[source]
        source: BoxError,
    },
    /// The proxy answers but does not let us through, or does not answer.
    #[error("cannot reach {to} through the proxy {proxy}")]
    Proxy {
        /// Host and port of the hub.
        to: String,
        /// Host and port of the proxy.
        proxy: String,
        /// What happened.
        #[source]
        source: BoxError,
    },
    /// Whoever answers cannot be trusted, or does not trust us.
    #[error("no secure connection to {to}")]
    Tls {
        /// Host and port.
        to: String,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// Nothing came of it in time. Trying again may help.
    #[error("no connection to {to} within {} s", after.as_secs())]
    TimedOut {
        /// Host and port.
        to: String,
        /// How long it was given.
        after: Duration,
    },
}

/// An HTTP proxy that knows CONNECT. Debug hides the password.
#[derive(Clone)]
pub struct Proxy {
    uri: Uri,
    auth: Option<HeaderValue>,
}

impl Proxy {
    /// From `http://[USER:PASSWORD@]HOST[:PORT]`; user and password percent-encoded where need be.
    pub fn parse(text: &str) -> Result<Self, ConnectError> {
        let bad = || ConnectError::ProxyAddress;
        let url = Url::parse(text).map_err(|_| bad())?;
        let host = url.host_str().filter(|_| url.scheme() == "http").ok_or_else(bad)?;
        let port = url.port().unwrap_or(80);
        let uri = format!("http://{host}:{port}").parse().map_err(|_| bad())?;
        let auth = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                let mut pair = percent_decode(user);
                pair.push(b':');
                pair.extend(percent_decode(password.unwrap_or_default()));
                let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
                    .map_err(|_| bad())?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self { uri, auth })
    }

    fn name(&self) -> String {
        self.uri.authority().map(ToString::to_string).unwrap_or_default()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("uri", &self.uri).finish_non_exhaustive()
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%');
        let byte = escaped.and_then(|digits| hex::decode(digits).ok()).map(|bytes| bytes[0]);
        out.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    out
}

/// The address of a hub as a person writes it, as tonic wants it. TLS is this file's, not tonic's, and
/// tonic refuses `https` where it does no TLS itself; so the endpoint says `http`, with the port spelled
/// out, and the name it shows to the server says `https`.
pub fn endpoint(address: &str) -> Result<Endpoint, ConnectError> {
    let bad = || ConnectError::Address(address.to_owned());
    let url = Url::parse(address).map_err(|_| bad())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let host = url
        .host_str()
        .filter(|_| url.scheme() == "https" && plain && url.path() == "/")
        .ok_or_else(bad)?;
    let authority = format!("{host}:{}", url.port().unwrap_or(DEFAULT_PORT));
    let origin: Uri = format!("https://{authority}").parse().map_err(|_| bad())?;
    let endpoint = Endpoint::try_from(format!("http://{authority}")).map_err(|_| bad())?;
    Ok(endpoint.origin(origin))
}

/// Makes connections to a hub. Use with an [`endpoint`]. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    http: HttpConnector,
    tls: TlsConnector,
    name: Option<ServerName<'static>>,
    proxy: Option<Proxy>,
    timeout: Duration,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("name", &self.name)
            .field("proxy", &self.proxy)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// For the hub `hub` with [`joined_config`](super::tls::joined_config), or with `None` for whichever
    /// hub answers, with [`joining_config`](super::tls::joining_config). `timeout` covers everything up
    /// to the end of the handshake.
    pub fn new(
        config: Arc<ClientConfig>,
        hub: Option<SiteId>,
        proxy: Option<Proxy>,
        timeout: Duration,
    ) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE));
        http.set_connect_timeout(Some(timeout));
        // A site's id is hexadecimal, so its name is always a good one.
        let name = hub.and_then(|hub| ServerName::try_from(hub_name(hub)).ok());
        Self { http, tls: TlsConnector::from(config), name, proxy, timeout }
    }

    async fn connect(mut self, uri: Uri) -> Result<TlsStream<TcpStream>, ConnectError> {
        let to = uri.authority().map(ToString::to_string).unwrap_or_default();
        let name = match &self.name {
            Some(name) => name.clone(),
            None => server_name(&uri).ok_or_else(|| ConnectError::Address(uri.to_string()))?,
        };
        let tcp = match self.proxy {
            None => self
                .http
                .call(uri)
                .await
                .map_err(|error| ConnectError::Dial { to: to.clone(), source: error.into() })?,
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri.clone(), self.http);
                if let Some(auth) = &proxy.auth {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                tunnel.call(uri).await.map_err(|error| ConnectError::Proxy {
                    to: to.clone(),
                    proxy: proxy.name(),
                    source: error.into(),
                })?
            }
        };
        self.tls
            .connect(name, tcp.into_inner())
            .await
            .map_err(|source| ConnectError::Tls { to, source })
    }
}

fn server_name(uri: &Uri) -> Option<ServerName<'static>> {
    let host = uri.host()?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned()).ok()
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        // The parts inside are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connector, after) = (self.clone(), self.timeout);
        Box::pin(async move {
            let to = uri.authority().map(ToString::to_string).unwrap_or_default();
            match tokio::time::timeout(after, connector.connect(uri)).await {
                Ok(connected) => connected.map(TokioIo::new),
                Err(_) => Err(ConnectError::TimedOut { to, after }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use lianbo_proto::v1::enrol_client::EnrolClient;
    use lianbo_proto::v1::enrol_server::{Enrol, EnrolServer};
    use lianbo_proto::v1::{JoinRequest, JoinResponse, RenewRequest, RenewResponse};
    use rustls::sign::CertifiedKey;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
    use tokio::net::TcpListener;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;
    use tonic::{Code, Request, Response, Status};

    use super::*;
    use crate::clock::ManualClock;
    use crate::link::tls::peer_uri;
    use crate::link::tls::testing::TestCa;
    use crate::link::tls::{
        Acceptor, Connections, Limits, PeerInfo, TlsProblem, incoming, joined_config,
        joining_config,
    };

    const HUB: SiteId = SiteId([0x1b; 16]);
    const SITE: SiteId = SiteId([0x51; 16]);
    const DAY: i64 = 86_400_000;
    const NOW: i64 = 20_000 * DAY;
    const WAIT: Duration = Duration::from_secs(5);

    /// Answers a join with the caller's name, and never answers a renewal.
    struct Echo;

    #[tonic::async_trait]
    impl Enrol for Echo {
        async fn join(
            &self,
            request: Request<JoinRequest>,
        ) -> Result<Response<JoinResponse>, Status> {
            let peer = request.extensions().get::<PeerInfo>().cloned();
            let peer = peer.ok_or_else(|| Status::internal("no peer"))?;
            let unit_name = peer.peer.map_or_else(|| "nobody".to_owned(), peer_uri);
            Ok(Response::new(JoinResponse { unit_name, ..JoinResponse::default() }))
        }

        async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
            std::future::pending().await
        }
    }

    struct Server {
        addr: SocketAddr,
        connections: Connections,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    async fn serve(ca: &TestCa, key: Arc<CertifiedKey>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let acceptor = Acceptor::new(&ca.der(), watch::channel(key).1, clock).unwrap();
        let connections = Connections::new(Limits::default());
        let stop = CancellationToken::new();
        let stream = incoming(listener, acceptor, connections.clone(), stop.clone());
        let stopped = stop.clone().cancelled_owned();
        let task = TaskTracker::new().spawn(async move {
            tonic::transport::Server::builder()
                .add_service(EnrolServer::new(Echo))
                .serve_with_incoming_shutdown(stream, stopped)
                .await
                .unwrap();
        });
        Server { addr, connections, stop, task }
    }

    impl Server {
        async fn stop(self) {
            self.stop.cancel();
            self.connections.close_all();
            self.task.await.unwrap();
            assert_eq!(self.connections.count(), 0);
        }
    }

    fn own(ca: &TestCa) -> Arc<ClientConfig> {
        let key = ca.site(SITE, NOW - DAY, NOW + DAY).certified_key().unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        Arc::new(joined_config(&ca.der(), watch::channel(key).1, clock).unwrap())
    }

    async fn client(
        addr: SocketAddr,
        connector: Connector,
    ) -> Result<EnrolClient<tonic::transport::Channel>, tonic::transport::Error> {
        let endpoint = endpoint(&format!("https://localhost:{}", addr.port())).unwrap();
        Ok(EnrolClient::new(endpoint.connect_with_connector(connector).await?))
    }

    #[tokio::test]
    async fn a_call_arrives_with_the_callers_name_and_a_revocation_ends_one_that_waits() {
        let ca = TestCa::new("county");
        let server = serve(&ca, ca.server(HUB, NOW - DAY, NOW + DAY)).await;
        let connector = Connector::new(own(&ca), Some(HUB), None, WAIT);
        let mut client = client(server.addr, connector).await.unwrap();
        let answer = client.join(JoinRequest::default()).await.unwrap().into_inner();
        assert_eq!(answer.unit_name, format!("lianbo:site:{SITE}"));

        let mut waiting = client.clone();
        let (status, ()) = tokio::join!(waiting.renew(RenewRequest::default()), async {
            // The call is on its way once a later one on the same connection has been answered.
            client.join(JoinRequest::default()).await.unwrap();
            assert_eq!(server.connections.close(SITE), 1);
        });
        let status = status.unwrap_err();
        assert!(matches!(status.code(), Code::Unknown | Code::Unavailable), "{status:?}");
        drop((client, waiting));
        server.stop().await;
    }

    #[tokio::test]
    async fn a_joining_site_is_nobody_yet_and_learns_the_ca() {
        let ca = TestCa::new("county");
        let server = serve(&ca, ca.server(HUB, NOW - DAY, NOW + DAY)).await;
        let clock = Arc::new(ManualClock::new(NOW));
        let (config, seen) = joining_config(ca.fingerprint(), clock).unwrap();
        let connector = Connector::new(Arc::new(config), None, None, WAIT);
        let mut client = client(server.addr, connector).await.unwrap();
        let answer = client.join(JoinRequest::default()).await.unwrap().into_inner();
        assert_eq!(answer.unit_name, "nobody");
        assert_eq!((seen.ca(), seen.site()), (Some(ca.der()), Some(HUB)));
        drop(client);
        server.stop().await;
    }

    #[tokio::test]
    async fn tonics_errors_tell_what_was_wrong_with_the_certificates() {
        let (ca, other) = (TestCa::new("county"), TestCa::new("county"));
        let server = serve(&ca, ca.server(HUB, NOW - DAY, NOW + DAY)).await;
        let connector = Connector::new(own(&other), Some(HUB), None, WAIT);
        let error = client(server.addr, connector).await.unwrap_err();
        assert_eq!(TlsProblem::find(&error), Some(TlsProblem::WrongCa));

        // What the hub thinks of a certificate arrives only after the handshake, with the first call.
        let key = ca.site(SITE, NOW + DAY, NOW + 2 * DAY).certified_key().unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let config = joined_config(&ca.der(), watch::channel(key).1, clock).unwrap();
        let connector = Connector::new(Arc::new(config), Some(HUB), None, WAIT);
        let found = match client(server.addr, connector).await {
            Ok(mut client) => {
                TlsProblem::find(&client.join(JoinRequest::default()).await.unwrap_err())
            }
            Err(error) => TlsProblem::find(&error),
        };
        assert_eq!(found, Some(TlsProblem::ClockThere));
        server.stop().await;
    }

    /// A proxy for one connection: returns the request it was sent.
    async fn proxy(listener: TcpListener, answer: &'static str, forward: bool) -> String {
        let (mut caller, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(caller.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        caller.write_all(answer.as_bytes()).await.unwrap();
        if forward {
            let to = request.split(' ').nth(1).unwrap().to_owned();
            let mut hub = TcpStream::connect(to).await.unwrap();
            // Ends when either end is gone; how does not matter here.
            drop(copy_bidirectional(&mut caller, &mut hub).await);
        }
        request
    }

    #[tokio::test]
    async fn a_proxy_gets_user_and_password_and_passes_the_rest_through_unread() {
        let ca = TestCa::new("county");
        let server = serve(&ca, ca.server(HUB, NOW - DAY, NOW + DAY)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://unit:p%40ss&+@{}", listener.local_addr().unwrap());
        let through = TaskTracker::new().spawn(proxy(listener, "HTTP/1.1 200 OK\r\n\r\n", true));
        let via = Some(Proxy::parse(&url).unwrap());
        let mut client =
            client(server.addr, Connector::new(own(&ca), Some(HUB), via, WAIT)).await.unwrap();
        let answer = client.join(JoinRequest::default()).await.unwrap().into_inner();
        assert_eq!(answer.unit_name, format!("lianbo:site:{SITE}"));
        drop(client);
        server.stop().await;
        let request = through.await.unwrap().to_lowercase();
        assert!(request.starts_with("connect localhost:"), "{request}");
        let auth = format!("proxy-authorization: basic {}", STANDARD.encode("unit:p@ss&+"));
        assert!(request.contains(&auth.to_lowercase()), "{request}");
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_named_without_its_password() {
        let ca = TestCa::new("county");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://unit:hunter2@{}", listener.local_addr().unwrap());
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
        let refusing = TaskTracker::new().spawn(proxy(listener, answer, false));
        let via = Proxy::parse(&url).unwrap();
        assert!(!format!("{via:?}").contains("hunter2"));
        let uri: Uri = "http://hub.example:443".parse().unwrap();
        let mut connector = Connector::new(own(&ca), Some(HUB), Some(via), WAIT);
        let error = connector.call(uri).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Proxy { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        refusing.await.unwrap();
    }

    #[tokio::test]
    async fn a_hub_that_accepts_and_says_nothing_is_given_up() {
        let ca = TestCa::new("county");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let wait = Duration::from_millis(50);
        let error = Connector::new(own(&ca), Some(HUB), None, wait).call(uri).await.unwrap_err();
        assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
    }

    #[test]
    fn addresses_are_read_strictly() {
        assert_eq!(endpoint("https://hub.example").unwrap().uri().port_u16(), Some(443));
        assert_eq!(endpoint("https://[::1]:7443/").unwrap().uri().port_u16(), Some(7443));
        for bad in ["http://hub.example", "hub.example:443", "https://u:p@hub", "https://hub/x", ""]
        {
            assert!(matches!(endpoint(bad), Err(ConnectError::Address(_))), "{bad}");
        }
        for bad in ["https://proxy:3128", "socks5://proxy", "proxy:3128"] {
            assert!(matches!(Proxy::parse(bad), Err(ConnectError::ProxyAddress)), "{bad}");
        }
    }
}
