//! How is a connection to a server opened?
//!
//! [`Connector`] is what the pools call. From top to bottom: `connect` opens a byte stream to the server and puts TLS
//! on it if the server's scheme is https; `open` connects that byte stream, through a socket of this machine, directly,
//! or through a proxy; `connect_to_proxy` does the first half of the last.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
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
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tower_service::Service;

use super::address::{AddressScope, Admission, Family, Resolver};
use super::error::{BoxError, ConnectError, Problem, find};
use super::identity::ClientIdentity;
use super::network::{Network, NetworkError};
use super::origin::{bare_host, is_https, port};
use super::proxy::{NamedProxy, Proxies};
use super::proxy_url::ProxyProtocol;
use super::spares::Spares;
use super::stream::{Stream, check_socket, connect_socket};
use super::tls::{Offer, Tls};
use super::{tls_error, tunnel};

/// The time without traffic after which TCP checks whether the peer is still there, and how often it checks again: a
/// connection that was lost while a laptop slept, or in a router, is noticed within a minute and a half.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 4;

/// For the request that opens a session, the stream of the server's messages, and a request beside them.
const MOST_SPARES: usize = 3;

/// Happy eyeballs (RFC 8305) over the addresses that are admitted.
type Tcp = HttpConnector<Resolver>;

type Future<T> = Pin<Box<dyn std::future::Future<Output = Result<T, BoxError>> + Send>>;

/// Opens connections for the pools. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector(pub(super) Arc<Routes>);

impl Connector {
    /// Reads the environment's proxies, and the files that the settings name; connects to nothing.
    pub(super) fn new(network: &Network) -> Result<Self, NetworkError> {
        if let Some(path) = &network.unix_socket {
            check_socket(path)?;
        }
        let admission = Admission { family: network.family, address_scope: Some(network.address_scope) };
        let proxy_admission = Admission { address_scope: None, ..admission };
        Ok(Self(Arc::new(Routes {
            timeout: network.connect_timeout,
            socket: network.unix_socket.clone(),
            proxies: Proxies::new(&network.proxy),
            admission,
            tcp: tcp(admission, network.connect_timeout),
            proxy_admission,
            proxy_tcp: tcp(proxy_admission, network.connect_timeout),
            tls: Tls::new(network)?,
            reached: Mutex::default(),
            spares: Spares::default(),
        })))
    }

    /// The scope for addresses that the server at this address names: that of the last connection to it. Before the
    /// first connection the addresses of its name decide, and of those the one with the smallest scope.
    pub(super) async fn scope_around(&self, server: &Uri) -> AddressScope {
        if let Some(reached) = *self.0.reached.lock() {
            return reached;
        }
        if self.0.socket.is_some() {
            return AddressScope::Any;
        }
        match self.0.look_up(server).await {
            Some(addresses) => {
                let scopes = addresses.iter().map(|address| AddressScope::around(address.ip()));
                scopes.max().unwrap_or(AddressScope::Public)
            }
            None => AddressScope::around_host(server.host().unwrap_or_default()),
        }
    }

    /// Whether a browser may be sent to this address in place of a request of ours. Names that only the proxy or the
    /// browser can resolve are admitted.
    pub(super) async fn check_for_browser(&self, uri: &Uri) -> Result<(), ConnectError> {
        let (routes, host) = (&self.0, uri.host().unwrap_or_default());
        routes.admission.check_host(host)?;
        // The browser has its own choice of families.
        let admission = Admission { family: Family::Any, ..routes.admission };
        admission.check_each(host, &routes.look_up(uri).await.unwrap_or_default())
    }

    /// Begins to read what TLS needs, if this address needs TLS.
    pub(super) fn prepare(&self, uri: &Uri) {
        if is_https(uri) {
            self.0.tls.prepare();
        }
    }

    /// Opens a connection: all steps together have `--connect-timeout`, because a server or a proxy may accept a
    /// connection and then stay silent.
    pub(super) async fn open(&self, uri: &Uri, offer: Offer) -> Result<MaybeHttpsStream<Stream>, BoxError> {
        let routes = &self.0;
        let timeout = routes.timeout;
        let connecting = Arc::clone(routes).connect(uri.clone(), offer);
        let connected = tokio::time::timeout(timeout, connecting).await.unwrap_or_else(|_| {
            let proxy = routes.proxies.for_server(uri).ok().flatten().filter(|_| routes.socket.is_none());
            let through = proxy.map(|proxy| format!(" through {proxy}")).unwrap_or_default();
            let seconds = timeout.as_secs_f64();
            let cause = format!("no connection{through} within {seconds} seconds");
            Err(ConnectError::temporary(cause).of(Problem::TimedOut).into())
        });
        if let Ok(connection) = &connected {
            *routes.reached.lock() = Some(scope_around_peer(connection));
        }
        connected
    }

    /// Begins to open a connection of HTTP/1.1 that a request will need soon.
    pub(super) fn open_spare(&self, uri: &Uri) {
        let (connector, server) = (self.clone(), uri.clone());
        self.0.spares.add_pending(uri, async move { connector.open(&server, Offer::Http1).await });
    }

    /// Begins to open as many connections of HTTP/1.1 as several requests that come together will need.
    pub(super) fn open_spares(&self, uri: &Uri) {
        for _ in self.0.spares.len(uri)..MOST_SPARES {
            self.open_spare(uri);
        }
    }

    /// Connections that no request has been sent on.
    pub(super) fn spares(&self) -> &Spares {
        &self.0.spares
    }

    /// Whether requests to this address go through a socket of this machine.
    pub(super) fn has_socket(&self) -> bool {
        self.0.socket.is_some()
    }

    /// What the server at this address sees of us.
    pub(super) fn identity(&self, uri: &Uri) -> &ClientIdentity {
        self.0.tls.identity(uri)
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

    /// The connection of HTTP/1.1 that is open already, or a new one.
    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            match connector.0.spares.take(&uri) {
                Some(spare) => match spare.await {
                    Ok(connected) => connected,
                    Err(_) => connector.open(&uri, Offer::Http1).await,
                },
                None => connector.open(&uri, Offer::Http1).await,
            }
        })
    }
}

/// The ways to servers.
pub(super) struct Routes {
    pub(super) timeout: Duration,
    pub(super) socket: Option<PathBuf>,
    pub(super) proxies: Proxies,
    pub(super) admission: Admission,
    tcp: Tcp,
    /// The user has named the proxy, so it may have any address.
    pub(super) proxy_admission: Admission,
    proxy_tcp: Tcp,
    pub(super) tls: Tls,
    /// The scope for addresses that the server names. Each connection sets it once the server has shown its certificate
    /// there; logins read it.
    reached: Mutex<Option<AddressScope>>,
    spares: Spares,
}

impl Routes {
    /// A connection to the server at this address, with TLS if its scheme is https.
    async fn connect(self: Arc<Self>, uri: Uri, offer: Offer) -> Result<MaybeHttpsStream<Stream>, BoxError> {
        if !is_https(&uri) {
            return Ok(MaybeHttpsStream::Http(self.open(&uri).await?));
        }
        // What TLS needs may still be being read.
        let config = async { Ok::<_, BoxError>(self.tls.config(&uri, offer).await?) };
        let (stream, config) = tokio::try_join!(self.open(&uri), config)?;
        HttpsConnector::from((Opened(Some(stream)), config)).call(uri).await
    }

    /// A byte stream to the server, still without TLS; or to a proxy that forwards plain HTTP to it.
    async fn open(&self, uri: &Uri) -> Result<Stream, BoxError> {
        if let Some(path) = &self.socket {
            return connect_socket(path).await.map_err(|error| self.unreachable(&path.display(), &*error, uri));
        }
        let (host, port) = (uri.host().unwrap_or_default(), port(uri));
        self.admission.check_host(host)?;
        let Some(proxy) = self.proxies.for_server(uri)? else {
            let stream = self.tcp.clone().call(uri.clone()).await?;
            let scope = stream.inner().peer_addr().map_or(AddressScope::Public, |peer| AddressScope::around(peer.ip()));
            return Ok(Stream::direct(stream, scope));
        };
        let scope = AddressScope::around_host(host);
        // Before the proxy is asked for it.
        let resolved = match proxy.url.protocol {
            ProxyProtocol::Socks5 => self.resolve(host).await?,
            ProxyProtocol::Http | ProxyProtocol::Socks5h => None,
        };
        let stream = self.connect_to_proxy(proxy.url.uri()).await;
        let stream = stream.map_err(|error| self.unreachable(&proxy, &*error, proxy.url.uri()))?;
        if proxy.url.protocol == ProxyProtocol::Http && !is_https(uri) {
            return Ok(stream.forwarded(scope));
        }
        let mut stream = TokioIo::new(stream);
        match (proxy.url.protocol, resolved) {
            (ProxyProtocol::Http, _) => tunnel::http_connect(&mut stream, &proxy, host, port).await?,
            (_, None) => tunnel::socks5(&mut stream, &proxy, host, port).await?,
            (_, Some(address)) => {
                tunnel::socks5(&mut stream, &proxy, &address.to_string(), port).await?;
                return Ok(stream.into_inner().tunnelled(AddressScope::around(address)));
            }
        }
        Ok(stream.into_inner().tunnelled(scope))
    }

    /// TCP to a proxy, with TLS if the scheme of its own address is https.
    async fn connect_to_proxy(&self, uri: &Uri) -> Result<Stream, BoxError> {
        self.proxy_admission.check_host(uri.host().unwrap_or_default())?;
        let stream = async { Ok::<_, BoxError>(self.proxy_tcp.clone().call(uri.clone()).await?) };
        if !is_https(uri) {
            return Ok(Stream::direct(stream.await?, AddressScope::Public));
        }
        let config = async { Ok::<_, BoxError>(self.tls.config(uri, Offer::Http1).await?) };
        let (stream, config) = tokio::try_join!(stream, config)?;
        let mut tls = HttpsConnector::from((Opened(Some(stream)), config));
        let stream: MaybeHttpsStream<TokioIo<TcpStream>> = tls.call(uri.clone()).await?;
        Ok(Stream::direct(stream, AddressScope::Public))
    }

    /// Resolves the server's name for a SOCKS proxy. The proxy may still know a name that is unknown here; a name whose
    /// addresses are all refused is not left to the proxy.
    async fn resolve(&self, host: &str) -> Result<Option<IpAddr>, ConnectError> {
        let Ok(name) = host.parse::<Name>() else { return Ok(None) };
        match Resolver::new(self.admission).call(name).await {
            Ok(mut addresses) => Ok(addresses.next().map(|address| address.ip())),
            Err(error) => find::<ConnectError>(&*error).map_or(Ok(None), |refused| Err(refused.clone())),
        }
    }

    /// All addresses of a host that this machine resolves; `None` for a name that is left to a proxy.
    async fn look_up(&self, uri: &Uri) -> Option<Vec<SocketAddr>> {
        let is_resolved_here = match self.proxies.for_server(uri) {
            Ok(Some(proxy)) => proxy.url.protocol == ProxyProtocol::Socks5,
            Ok(None) | Err(_) => true,
        };
        if !is_resolved_here {
            return None;
        }
        let looking_up = tokio::net::lookup_host((bare_host(uri), port(uri)));
        let addresses = tokio::time::timeout(self.timeout, looking_up).await.ok()?.ok()?;
        Some(addresses.collect())
    }

    fn unreachable(&self, peer: &impl Display, error: &(dyn std::error::Error + 'static), uri: &Uri) -> BoxError {
        let error = tls_error::explain(error, uri, self.tls.identity(uri));
        let problem = if self.socket.is_some() { error.problem } else { Problem::Proxy };
        ConnectError { cause: format!("{peer} cannot be reached: {}", error.cause), problem, ..error }.into()
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

/// The scope for addresses that the server at the other end of this connection names.
fn scope_around_peer(connection: &MaybeHttpsStream<Stream>) -> AddressScope {
    match connection {
        MaybeHttpsStream::Http(stream) => stream.scope(),
        MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().scope(),
    }
}

/// Whether the server at the other end has agreed to HTTP/2.
pub(super) fn speaks_http2(connection: &MaybeHttpsStream<Stream>) -> bool {
    match connection {
        MaybeHttpsStream::Http(_) => false,
        MaybeHttpsStream::Https(tls) => tls.inner().get_ref().1.alpn_protocol() == Some(b"h2"),
    }
}

/// A connection that is open, in the shape that [`HttpsConnector`] puts TLS on.
struct Opened<S>(Option<S>);

impl<S> Service<Uri> for Opened<S> {
    type Response = S;
    type Error = BoxError;
    type Future = Ready<Result<S, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| ConnectError::temporary("the connection is in use").into()))
    }
}
