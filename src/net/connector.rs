//! How is a connection to a server opened?
//!
//! [`Connector`] is what the pool calls. From top to bottom: `connect` opens a byte stream to the server and puts TLS
//! on it if the server's scheme is https; `open` connects that byte stream, through a socket of this machine, directly,
//! or through a proxy; `connect_to_proxy` does the first half of the last.

use std::fmt::Display;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::address::{AddressScope, Admission, Resolver};
use super::error::{BoxError, ConnectError};
use super::identity::ClientIdentity;
use super::network::{Network, NetworkError};
use super::origin::{is_https, port};
use super::proxy::{NamedProxy, Proxies};
use super::proxy_url::ProxyProtocol;
use super::stream::{Stream, check_socket, connect_socket};
use super::tls::Tls;
use super::{tls_error, tunnel};

/// The time without traffic after which TCP checks whether the peer is still there, and how often it checks again: a
/// connection that was lost while a laptop slept, or in a router, is noticed within a minute and a half.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 4;

/// Happy eyeballs (RFC 8305) over the addresses that are admitted.
type Tcp = HttpConnector<Resolver>;

type Future<T> = Pin<Box<dyn std::future::Future<Output = Result<T, BoxError>> + Send>>;

/// Opens connections for the pool. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector(Arc<Routes>);

impl Connector {
    /// Reads the environment's proxies, and the files that the settings name; connects to nothing.
    pub(super) fn new(network: &Network) -> Result<Self, NetworkError> {
        if let Some(path) = &network.unix_socket {
            check_socket(path)?;
        }
        let admission = Admission { family: network.family, address_scope: network.address_scope };
        let proxy_admission = Admission { address_scope: AddressScope::Any, ..admission };
        Ok(Self(Arc::new(Routes {
            timeout: network.connect_timeout,
            socket: network.unix_socket.clone(),
            proxies: Proxies::new(&network.proxy),
            admission,
            tcp: tcp(admission, network.connect_timeout),
            proxy_admission,
            proxy_tcp: tcp(proxy_admission, network.connect_timeout),
            tls: Tls::new(network)?,
        })))
    }

    /// Begins to read what TLS needs, if this address needs TLS.
    pub(super) fn prepare(&self, uri: &Uri) {
        if is_https(uri) {
            self.0.tls.prepare();
        }
    }

    pub(super) fn identity(&self) -> &ClientIdentity {
        self.0.tls.identity()
    }

    /// The HTTP proxy that gets requests to this address itself and forwards them. `None` where there is no proxy, or a
    /// tunnel through it.
    pub(super) fn forward_proxy(&self, uri: &Uri) -> Option<NamedProxy> {
        if is_https(uri) || self.0.socket.is_some() {
            return None;
        }
        self.0.proxies.for_server(uri).ok()?.filter(|proxy| proxy.url.protocol == ProxyProtocol::Http)
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Stream>;
    type Error = BoxError;
    type Future = Future<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    /// Opens a connection: all steps together have `--connect-timeout`, because a server or a proxy may accept a
    /// connection and then stay silent.
    fn call(&mut self, uri: Uri) -> Self::Future {
        let routes = Arc::clone(&self.0);
        Box::pin(async move {
            let timeout = routes.timeout;
            let proxy = routes.proxies.for_server(&uri).ok().flatten().filter(|_| routes.socket.is_none());
            tokio::time::timeout(timeout, routes.connect(uri)).await.unwrap_or_else(|_| {
                let through = proxy.map(|proxy| format!(" through {proxy}")).unwrap_or_default();
                let seconds = timeout.as_secs_f64();
                Err(ConnectError::temporary(format!("no connection{through} within {seconds} seconds")).into())
            })
        })
    }
}

/// The ways to servers.
struct Routes {
    timeout: Duration,
    socket: Option<PathBuf>,
    proxies: Proxies,
    admission: Admission,
    tcp: Tcp,
    /// The user has named the proxy, so it may have any address.
    proxy_admission: Admission,
    proxy_tcp: Tcp,
    tls: Tls,
}

impl Routes {
    /// A connection to the server at this address, with TLS if its scheme is https.
    async fn connect(self: Arc<Self>, uri: Uri) -> Result<MaybeHttpsStream<Stream>, BoxError> {
        if !is_https(&uri) {
            return Ok(MaybeHttpsStream::Http(self.open(&uri).await?));
        }
        let config = self.tls.config().await?;
        HttpsConnector::from((Opener(self), config)).call(uri).await
    }

    /// A byte stream to the server, still without TLS; or to a proxy that forwards plain HTTP to it.
    async fn open(&self, uri: &Uri) -> Result<Stream, BoxError> {
        if let Some(path) = &self.socket {
            return connect_socket(path).await.map_err(|error| self.unreachable(&path.display(), &*error, uri));
        }
        let Some(proxy) = self.proxies.for_server(uri)? else {
            self.admission.check_literal(uri.host().unwrap_or_default())?;
            return Ok(Stream::direct(self.tcp.clone().call(uri.clone()).await?));
        };
        let stream = self.connect_to_proxy(proxy.url.uri()).await;
        let stream = stream.map_err(|error| self.unreachable(&proxy, &*error, proxy.url.uri()))?;
        if proxy.url.protocol == ProxyProtocol::Http && !is_https(uri) {
            return Ok(stream.forwarded());
        }
        let mut stream = TokioIo::new(stream);
        let (host, port) = (uri.host().unwrap_or_default(), port(uri));
        match proxy.url.protocol {
            ProxyProtocol::Http => tunnel::http_connect(&mut stream, &proxy, host, port).await?,
            ProxyProtocol::Socks5h => tunnel::socks5(&mut stream, &proxy, host, port).await?,
            ProxyProtocol::Socks5 => tunnel::socks5(&mut stream, &proxy, &self.resolve(host).await, port).await?,
        }
        Ok(stream.into_inner())
    }

    /// TCP to a proxy, with TLS if the scheme of its own address is https.
    async fn connect_to_proxy(&self, uri: &Uri) -> Result<Stream, BoxError> {
        self.proxy_admission.check_literal(uri.host().unwrap_or_default())?;
        let mut tcp = self.proxy_tcp.clone();
        if !is_https(uri) {
            return Ok(Stream::direct(tcp.call(uri.clone()).await?));
        }
        let config = self.tls.config().await?;
        let mut tls = HttpsConnector::from((tcp, config));
        let stream: MaybeHttpsStream<TokioIo<TcpStream>> = tls.call(uri.clone()).await?;
        Ok(Stream::direct(stream))
    }

    /// Resolves the server's name for a SOCKS proxy. The proxy may still know a name that is unknown here.
    async fn resolve(&self, host: &str) -> String {
        let Ok(name) = host.parse::<Name>() else { return host.to_owned() };
        let addresses = Resolver::new(self.proxy_admission).call(name).await;
        let address = addresses.ok().and_then(|mut addresses| addresses.next());
        address.map_or_else(|| host.to_owned(), |address| address.ip().to_string())
    }

    fn unreachable(&self, peer: &impl Display, error: &(dyn std::error::Error + 'static), uri: &Uri) -> BoxError {
        let error = tls_error::explain(error, uri, self.tls.identity());
        ConnectError { cause: format!("{peer} cannot be reached: {}", error.cause), ..error }.into()
    }
}

fn tcp(admission: Admission, timeout: Duration) -> Tcp {
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new(admission));
    tcp.enforce_http(false);
    // Off by default in hyper-util; a small request would wait until the one before it is acknowledged.
    tcp.set_nodelay(true);
    // Shared among the addresses of a name, so that a dead one leaves time for the next.
    tcp.set_connect_timeout(Some(timeout));
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEP_ALIVE_PROBES));
    tcp
}

/// [`Routes::open`] in the shape that [`HttpsConnector`] puts TLS on.
struct Opener(Arc<Routes>);

impl Service<Uri> for Opener {
    type Response = Stream;
    type Error = BoxError;
    type Future = Future<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let routes = Arc::clone(&self.0);
        Box::pin(async move { routes.open(&uri).await })
    }
}
