//! How is a connection made?
//!
//! To a socket of this machine, or to a host: directly, or through a proxy. An https server gets TLS over whichever it
//! is.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::address::{Admission, Resolver};
use super::error::{BoxError, ConnectError};
use super::network::{AddressScope, Network, NetworkError};
use super::proxy::{Proxies, ProxyProtocol, Server};
use super::stream::Stream;
use super::tls::Tls;
use super::tunnel::{self, Target};
use super::{port, socket};

/// Idle time after which TCP asks whether the other side is still there, and how often it asks again: a laptop that
/// slept, or a router that forgot, is noticed within a minute and a half.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 4;

/// Happy eyeballs over the addresses that are admitted.
type Tcp = HttpConnector<Resolver>;

/// The ways to servers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector(Arc<Ways>);

struct Ways {
    timeout: Duration,
    socket: Option<PathBuf>,
    proxies: Proxies,
    admission: Admission,
    direct: Tcp,
    /// The user has named the proxy, so it may be anywhere.
    to_proxies: Tcp,
    tls: Tls,
}

impl Connector {
    pub(super) fn new(network: &Network) -> Result<Self, NetworkError> {
        if let Some(path) = &network.unix_socket {
            socket::check(path)?;
        }
        let admission = Admission { family: network.family, address_scope: network.address_scope };
        Ok(Self(Arc::new(Ways {
            timeout: network.connect_timeout,
            socket: network.unix_socket.clone(),
            proxies: Proxies::new(&network.proxy),
            admission,
            direct: tcp(admission, network.connect_timeout),
            to_proxies: tcp(Admission { address_scope: AddressScope::Any, ..admission }, network.connect_timeout),
            tls: Tls::new(network)?,
        })))
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.0.tls
    }

    /// The proxy to which requests to this address are sent whole: not where there is a tunnel.
    pub(super) fn forward_proxy(&self, uri: &Uri) -> Option<Server> {
        if uri.scheme() == Some(&Scheme::HTTPS) || self.0.socket.is_some() {
            return None;
        }
        self.0.proxies.before(uri).ok()?.filter(|server| server.url.speech == ProxyProtocol::Http)
    }
}

fn tcp(admission: Admission, timeout: Duration) -> Tcp {
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new(admission));
    tcp.enforce_http(false);
    // Off by default in hyper-util, and a small request would wait for the last one's acknowledgement.
    tcp.set_nodelay(true);
    // Shared among the addresses of a name, so that one that is dead leaves time for the next.
    tcp.set_connect_timeout(Some(timeout));
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEP_ALIVE_PROBES));
    tcp
}

impl Ways {
    /// To the server at this address, TLS and all.
    async fn connect(self: Arc<Self>, uri: Uri) -> Result<MaybeHttpsStream<Stream>, BoxError> {
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Ok(MaybeHttpsStream::Http(self.open(&uri).await?));
        }
        let config = self.tls.config().await?;
        HttpsConnector::from((Opener(self), config)).call(uri).await
    }

    /// A stream on which the server is spoken to: in TLS if its address says so, in plain HTTP if not.
    async fn open(&self, uri: &Uri) -> Result<Stream, BoxError> {
        if let Some(path) = &self.socket {
            return socket::connect(path).await.map_err(|error| self.out_of_reach(&path.display(), error, uri).into());
        }
        let Some(proxy) = self.proxies.before(uri)? else {
            self.admission.check_literal(uri.host().unwrap_or_default())?;
            return Ok(Stream::direct(self.direct.clone().call(uri.clone()).await?));
        };
        let stream = self.reach(&proxy).await.map_err(|error| self.out_of_reach(&proxy, error, proxy.url.uri()))?;
        if proxy.url.speech == ProxyProtocol::Http && uri.scheme() != Some(&Scheme::HTTPS) {
            return Ok(stream.proxied());
        }
        let mut stream = TokioIo::new(stream);
        let target = Target { host: uri.host().unwrap_or_default().to_owned(), port: port(uri) };
        match proxy.url.speech {
            ProxyProtocol::Http => tunnel::connect(&mut stream, &proxy, &target).await?,
            ProxyProtocol::Socks5h => tunnel::socks5(&mut stream, &proxy, &target).await?,
            ProxyProtocol::Socks5 => tunnel::socks5(&mut stream, &proxy, &self.resolved(target).await).await?,
        }
        Ok(stream.into_inner())
    }

    /// TCP to a proxy, and TLS if its own address says https.
    async fn reach(&self, proxy: &Server) -> Result<Stream, BoxError> {
        let uri = proxy.url.uri().clone();
        self.admission_of_proxies().check_literal(uri.host().unwrap_or_default())?;
        let mut tcp = self.to_proxies.clone();
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Stream::direct(tcp.call(uri).await?));
        }
        let config = self.tls.config().await?;
        let stream: MaybeHttpsStream<TokioIo<TcpStream>> = HttpsConnector::from((tcp, config)).call(uri).await?;
        Ok(Stream::direct(stream))
    }

    fn admission_of_proxies(&self) -> Admission {
        Admission { address_scope: AddressScope::Any, ..self.admission }
    }

    /// A name that is not known here may still be known to the proxy.
    async fn resolved(&self, target: Target) -> Target {
        let Ok(name) = target.host.parse::<Name>() else { return target };
        let addresses = Resolver::new(self.admission_of_proxies()).call(name).await;
        match addresses.ok().and_then(|mut addresses| addresses.next()) {
            Some(address) => Target { host: address.ip().to_string(), ..target },
            None => target,
        }
    }

    fn out_of_reach(&self, who: &impl std::fmt::Display, error: BoxError, uri: &Uri) -> ConnectError {
        ConnectError::on_the_way_to(who, error, uri, &self.tls)
    }
}

fn too_slow(proxy: Option<&Server>, timeout: Duration) -> ConnectError {
    let by = proxy.map(|proxy| format!(" by {proxy}")).unwrap_or_default();
    ConnectError::passing(format!("no connection{by} within the {} seconds for it", timeout.as_secs_f64()))
}

/// [`Ways::open`] as TLS wants it.
struct Opener(Arc<Ways>);

type Future<T> = Pin<Box<dyn std::future::Future<Output = Result<T, BoxError>> + Send>>;

impl Service<Uri> for Opener {
    type Response = Stream;
    type Error = BoxError;
    type Future = Future<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let ways = Arc::clone(&self.0);
        Box::pin(async move { ways.open(&uri).await })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Stream>;
    type Error = BoxError;
    type Future = Future<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Each connection is made by a fresh clone, which has nothing to be unready about.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let ways = Arc::clone(&self.0);
        Box::pin(async move {
            let timeout = ways.timeout;
            let proxy = ways.proxies.before(&uri).ok().flatten().filter(|_| ways.socket.is_none());
            // For all of it: an accepted connection may say nothing, and so may a proxy.
            match tokio::time::timeout(timeout, ways.connect(uri)).await {
                Ok(connected) => connected,
                Err(_) => Err(too_slow(proxy.as_ref(), timeout).into()),
            }
        })
    }
}
