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
const KEEPALIVE: Duration = Duration::from_secs(60);

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
