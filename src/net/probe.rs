//! What does each step on the way to a server show? For whoever looks for the one that fails.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use tower_service::Service;

use super::address::{Resolver, literal};
use super::certificate::Certificate;
use super::client::Http;
use super::error::{BoxError, ConnectError, Problem};
use super::origin::{bare_host, origin, port};
use super::proxy_url::ProxyProtocol;
use super::tls::Offer;
use super::tls_error::{self, is_interceptor};

/// How long a step may take, whatever `--connect-timeout` says: somebody waits for the report.
const LONGEST_STEP: Duration = Duration::from_secs(4);

/// Why a step fails.
#[derive(Debug, Clone)]
pub struct Unreachable {
    /// The kind of the reason.
    pub problem: Problem,
    /// The reason: a clause.
    pub cause: String,
    /// What the user can do about it.
    pub hint: &'static str,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub enum Route {
    /// Through a socket of this machine.
    Socket(PathBuf),
    /// By its own address.
    Direct,
    /// Through a proxy.
    Proxy {
        /// The proxy's scheme, host and port.
        address: String,
        /// The option or variable that names it.
        named_by: &'static str,
        /// The address of the proxy, to connect to.
        uri: Uri,
        /// Whether this machine looks the server's name up.
        resolves_here: bool,
    },
}

/// What a server shows when TLS begins.
#[derive(Debug, Clone)]
pub struct TlsFacts {
    /// `1.3` or `1.2`.
    pub version: &'static str,
    /// The first name of the certificate.
    pub name: String,
    /// Who has signed it, and who has signed the last certificate of the chain.
    pub issuer: String,
    /// How many days it is still valid.
    pub days_left: i64,
    /// Where the authority stands that makes it trusted.
    pub trusted_by: &'static str,
    /// The authority is one of a program that reads what TLS protects.
    pub is_intercepted: bool,
}

impl From<ConnectError> for Unreachable {
    fn from(error: ConnectError) -> Self {
        Self { problem: error.problem, cause: error.cause, hint: error.hint }
    }
}

impl Http {
    /// How the server at this address is reached.
    pub fn route(&self, server: &Uri) -> Result<Route, Unreachable> {
        let routes = &self.connector.0;
        if let Some(path) = &routes.socket {
            return Ok(Route::Socket(path.clone()));
        }
        Ok(match routes.proxies.for_server(server)? {
            None => Route::Direct,
            Some(proxy) => Route::Proxy {
                address: origin(proxy.url.uri()),
                named_by: proxy.named_by,
                uri: proxy.url.uri().clone(),
                resolves_here: proxy.url.protocol == ProxyProtocol::Socks5,
            },
        })
    }

    /// The addresses of a server, or of the user's proxy.
    pub async fn addresses(&self, of: &Uri, is_proxy: bool) -> Result<Vec<SocketAddr>, Unreachable> {
        let routes = &self.connector.0;
        let admission = if is_proxy { routes.proxy_admission } else { routes.admission };
        let (host, port) = (bare_host(of), port(of));
        admission.check_host(host)?;
        // A name for this machine has two addresses.
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        if let Some(address) = literal(host).filter(|_| is_address) {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let unknown = |cause: String| Unreachable {
            problem: Problem::Name,
            cause: format!("the name {host} is not known: {cause}"),
            hint: "check the spelling, and the network or VPN that knows the name",
        };
        let name = host.parse().map_err(|_| unknown("it is not a valid name".to_owned()))?;
        let looking_up = tokio::time::timeout(self.longest_step(), Resolver::new(admission).call(name));
        let found = looking_up.await.map_err(|_| unknown("no name server answers".to_owned()))?;
        let found = found.map_err(|error| match super::error::find::<ConnectError>(&*error) {
            Some(refused) => refused.clone().into(),
            None => unknown(error.to_string()),
        })?;
        let mut addresses: Vec<_> = found.map(|address| SocketAddr::new(address.ip(), port)).collect();
        addresses.dedup();
        Ok(addresses)
    }

    /// Connects to one address, and closes the connection.
    pub async fn try_tcp(&self, address: SocketAddr) -> Result<(), Unreachable> {
        let connecting = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(self.longest_step(), connecting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(ConnectError::of_system(&error).into()),
            Err(_) => {
                let cause = format!("no answer within {} seconds", self.longest_step().as_secs_f64());
                Err(ConnectError::temporary(cause).of(Problem::TimedOut).into())
            }
        }
    }

    /// Opens a connection as a request would, through the proxy and with TLS, and closes it. `None` without TLS.
    pub async fn try_connection(&self, server: &Uri) -> Result<Option<TlsFacts>, Unreachable> {
        let explain = |error: BoxError| -> Unreachable {
            tls_error::explain(&*error, server, self.connector.identity(server)).into()
        };
        let opening = self.connector.open(server, Offer::Http2);
        let opened = tokio::time::timeout(2 * self.longest_step(), opening).await.unwrap_or_else(|_| {
            let cause = format!("no connection within {} seconds", 2 * self.longest_step().as_secs());
            Err(ConnectError::temporary(cause).of(Problem::TimedOut).into())
        });
        let MaybeHttpsStream::Https(tls) = opened.map_err(explain)? else { return Ok(None) };
        let session = tls.inner().get_ref().1;
        let chain = session.peer_certificates().unwrap_or_default();
        let read = |der: &rustls::pki_types::CertificateDer<'_>| Certificate::read(der);
        let Some(leaf) = chain.first().and_then(read) else { return Ok(None) };
        let above: Vec<_> = chain.iter().skip(1).filter_map(read).map(|above| above.issuer).collect();
        let is_intercepted = above.iter().chain([&leaf.issuer]).any(|issuer| is_interceptor(issuer));
        let top = above.last().filter(|top| **top != leaf.issuer);
        let issuer = top.map_or_else(|| leaf.issuer.clone(), |top| format!("{} under {top}", leaf.issuer));
        Ok(Some(TlsFacts {
            version: match session.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
                _ => "1.2",
            },
            name: leaf.names.first().cloned().or(leaf.common_name).unwrap_or_default(),
            issuer,
            days_left: leaf.days_left,
            trusted_by: self.connector.0.tls.trusted_by(chain, bare_host(server)),
            is_intercepted,
        }))
    }

    fn longest_step(&self) -> Duration {
        self.connector.0.timeout.min(LONGEST_STEP)
    }
}
