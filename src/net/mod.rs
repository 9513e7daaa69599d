//! The one HTTP client: pool, ways to a server, cookies, redirects. It knows no MCP.

mod address;
mod body;
mod certificate;
mod connector;
mod cookies;
mod error;
mod network;
mod pem;
mod proxy;
mod socket;
mod sse;
mod stream;
mod tls;
mod tls_error;
mod tunnel;
mod verifier;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RETRY_AFTER};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::log::trace;
use connector::Connector;
use cookies::Jar;
use proxy::Server;

pub use body::{BodyError, read, snippet};
pub use error::HttpError;
pub use network::{AddressScope, Family, Network, NetworkError, Proxy, socket_url};
pub use proxy::ProxyUrl;
pub use sse::{Event, Events, SseError};

/// What we call ourselves (RFC 9110 section 10.1.5).
pub const PRODUCT: &str = concat!("mcp-ferry/", env!("CARGO_PKG_VERSION"));

/// How long an idle connection is kept for the next request. Node's and uvicorn's servers close theirs after five
/// seconds, and a request that crosses such a close is lost.
const IDLE: Duration = Duration::from_secs(4);

/// A pool of connections, and a jar of cookies. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
    /// `None`: cookies are not wanted.
    jar: Option<Arc<Jar>>,
}

/// What a request was answered with.
#[derive(Debug)]
pub enum Answer {
    /// Status, headers, and a body still to be read.
    Response(Response<Incoming>),
    /// A redirect to this address, of the same origin: the same request is wanted there.
    Moved(Uri),
}

impl Http {
    /// For any address. Reads the environment's proxies, and the files that the settings name; connects to nothing.
    pub fn new(network: &Network) -> Result<Self, NetworkError> {
        let connector = Connector::new(network)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector.clone());
        Ok(Self { client, connector, jar: network.cookies.then(Arc::default) })
    }

    /// Says that this address will be asked: what TLS needs is read in the meantime, if it is an https address.
    pub fn prepare(&self, uri: &Uri) {
        if uri.scheme() == Some(&Scheme::HTTPS) {
            self.connector.tls().prepare();
        }
    }

    /// Sends a request and waits for the answer's head, however long it takes. A redirect to another origin is an
    /// error, because the headers belong to this origin alone.
    pub async fn send(&self, method: Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Result<Answer, HttpError> {
        let response = self.once(&method, uri, headers, body).await?;
        Ok(match redirect(&method, uri, &response)? {
            Some(next) => Answer::Moved(next),
            None => Answer::Response(response),
        })
    }

    /// Sends a request and returns the head of whatever answers it, a redirect too.
    pub async fn once(
        &self,
        method: &Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, HttpError> {
        if let Some(jar) = &self.jar {
            jar.add_to(uri, &mut headers);
        }
        let proxy = self.connector.forward_proxy(uri);
        if let Some(proxy) = &proxy {
            // Some such proxies end every connection after one answer without saying so: a request that is on its way
            // then is lost, and nobody can tell whether it was carried out.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            if let Some(value) = proxy.url.authorization() {
                headers.insert(PROXY_AUTHORIZATION, value.clone());
            }
        }
        let exchange = trace::request(method, uri, &headers, &body);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        let sent = self.client.request(request).await;
        let sent = sent.map_err(|error| HttpError::new(uri, &error, self.connector.tls()));
        let mut response = sent.inspect_err(|error| trace::failed(exchange, error))?;
        trace::response(exchange, &mut response);
        if let Some(proxy) = proxy {
            passed_on(uri, &proxy, &response)?;
        }
        if let Some(cause) = tls_error::in_page(uri, &response, self.connector.tls()) {
            return Err(HttpError::refused(uri, cause));
        }
        if let Some(jar) = &self.jar {
            jar.keep_from(uri, response.headers());
        }
        Ok(response)
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http")
    }
}

/// A proxy that passes requests on may also keep one for want of a login.
fn passed_on(uri: &Uri, proxy: &Server, response: &Response<Incoming>) -> Result<(), HttpError> {
    if response.status() != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Ok(());
    }
    let offered = response.headers().get_all(PROXY_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    Err(HttpError::refused(uri, tunnel::refusal(proxy, response.status(), offered)))
}

/// The port of an address: the scheme's own if none is given.
fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(usual_port(uri))
}

fn usual_port(uri: &Uri) -> u16 {
    if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 }
}

/// What the `Host` header says of an address (RFC 9110 section 7.2).
pub fn host_header(uri: &Uri) -> Option<HeaderValue> {
    let (host, port) = (uri.host()?, port(uri));
    HeaderValue::try_from(if port == usual_port(uri) { host.to_owned() } else { format!("{host}:{port}") }).ok()
}

/// Scheme and host, and the port if it is given: what may be shown of an address whose path may hold a secret.
pub fn host(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", http::uri::Authority::as_str))
}

/// Where a same-origin redirect leads; `None` for any other answer. 303 asks for a GET, which only a GET can become.
fn redirect(method: &Method, from: &Uri, response: &Response<Incoming>) -> Result<Option<Uri>, HttpError> {
    let followed = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let see_other = response.status() == StatusCode::SEE_OTHER && method == Method::GET;
    if !followed.contains(&response.status()) && !see_other {
        return Ok(None);
    }
    let refuse = |why: String| HttpError::Redirect { host: host(from), why };
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| refuse("it redirects without saying where".to_owned()))?;
    let base = url::Url::parse(&from.to_string()).map_err(|error| refuse(error.to_string()))?;
    let next = base.join(location).map_err(|error| refuse(format!("it redirects to no address: {error}")))?;
    if next.origin() != base.origin() {
        let there = next.origin().ascii_serialization();
        return Err(refuse(format!("it redirects to {there}, which must not get this origin's credentials")));
    }
    next.as_str().parse().map(Some).map_err(|_| refuse("it redirects to no address".to_owned()))
}

/// What a `Retry-After` header says, as seconds or as a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}
