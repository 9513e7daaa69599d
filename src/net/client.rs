//! How is a request sent, and what comes back?

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;

use super::address::AddressScope;
use super::connector::Connector;
use super::cookies::CookieJar;
use super::encoding::{ResponseBody, decoded};
use super::error::{HttpError, chain};
use super::http1::{Http1, Http1Error};
use super::http2::{Carrier, Http2, SendError};
use super::network::{Network, NetworkError};
use super::origin::{at_own_origin, is_https, is_loopback, origin};
use super::{tls_error, tunnel};
use crate::log::{self, trace};

/// The value of our `User-Agent` header (RFC 9110, section 10.1.5).
pub const PRODUCT: &str = concat!("mcp-ferry/", env!("CARGO_PKG_VERSION"));

/// How often a request that the server has not processed is sent again at once.
const MOST_RESENDS: u32 = 3;

/// How long a request that was lost waits for another connection: its client has waited for seconds already.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Connections, and a cookie jar. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    http1: Http1,
    /// `None` with `--http1`, and where all requests go through a socket of this machine.
    http2: Option<Http2>,
    /// The pools' own connector: it knows the proxies and our certificate.
    pub(super) connector: Connector,
    /// `None` with `--disable-cookies`. Shared by all clones: each response adds cookies, each request reads them.
    cookies: Option<Arc<CookieJar>>,
}

/// What a server returned.
#[derive(Debug)]
pub enum ResponseOrRedirect {
    /// Status, headers, and a body that is still to be read.
    Response(Response<ResponseBody>),
    /// A redirect to this address on the same origin, or from http to https of the same host. The caller sends the request there.
    Redirect(Uri),
}

impl Http {
    /// A client for any address. Reads the environment's proxies, and the files that the settings name; connects to
    /// nothing.
    pub fn new(network: &Network) -> Result<Self, NetworkError> {
        let connector = Connector::new(network)?;
        let http1 = Http1::new(connector.clone());
        let uses_http2 = !network.http1 && !connector.has_socket();
        let http2 = uses_http2.then(|| Http2::new(connector.clone()));
        Ok(Self { http1, http2, connector, cookies: network.cookies.then(Arc::default) })
    }

    /// Prepares for a request to this address: what TLS needs is read in the meantime.
    pub fn prepare(&self, uri: &Uri) {
        self.connector.prepare(uri);
    }

    /// Begins to open the connection for the first request to this address.
    pub fn connect(&self, uri: &Uri) {
        match &self.http2 {
            Some(http2) if is_https(uri) => http2.prepare(uri),
            _ => self.connector.open_spare(uri),
        }
    }

    /// Several requests to this address will soon be sent together. A connection of HTTP/1.1 carries one at a time, so more
    /// of them are opened at once. On this machine that is as quick when they are needed, and most proxies that forward
    /// requests close a connection after each.
    pub fn expect_requests(&self, uri: &Uri) {
        let is_quick = !is_https(uri) && is_loopback(uri.host().unwrap_or_default());
        if is_quick || self.connector.has_socket() || self.connector.forward_proxy(uri).is_some() {
            return;
        }
        match &self.http2 {
            Some(http2) if is_https(uri) => http2.expect_requests(uri),
            _ => self.connector.open_spares(uri),
        }
    }

    /// Whether there is a connection to this address, or one can be opened at once: the way to it may have been lost.
    pub async fn can_connect(&self, uri: &Uri) -> bool {
        let Some(http2) = &self.http2 else { return true };
        tokio::time::timeout(AT_ONCE, http2.carrier(uri)).await.is_ok_and(|carrier| carrier.is_ok())
    }

    /// Whether requests to this address travel on one connection, in the order in which they are sent.
    pub fn is_shared(&self, uri: &Uri) -> bool {
        self.http2.as_ref().is_some_and(|http2| http2.is_shared(uri))
    }

    /// How long the way to the server at this address and back takes, where that was measured.
    pub fn round_trip(&self, uri: &Uri) -> Option<Duration> {
        self.http2.as_ref()?.round_trip(uri)
    }

    /// The scope for addresses that the server at this address names. It is the server that this client connects to.
    pub async fn scope_around(&self, server: &Uri) -> AddressScope {
        self.connector.scope_around(server).await
    }

    /// Whether a browser may be sent to this address: it gets the same addresses as this client.
    pub async fn check_for_browser(&self, uri: &Uri) -> Result<(), HttpError> {
        self.connector.check_for_browser(uri).await.map_err(|error| HttpError::connect(uri, error))
    }

    /// Sends a request and waits for the head of the response, without a time limit. A redirect to another origin is an
    /// error, because the request's headers are meant for this origin alone; one from http to https of its host is not.
    pub async fn send(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<ResponseOrRedirect, HttpError> {
        let response = self.request(&method, uri, headers, body).await?;
        Ok(match redirect(&method, uri, &response)? {
            Some(next) => ResponseOrRedirect::Redirect(next),
            None => ResponseOrRedirect::Response(response),
        })
    }

    /// Sends a request and waits for the head of the response. A redirect is a response like any other.
    pub async fn request(
        &self,
        method: &Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<ResponseBody>, HttpError> {
        // Without this header a server may use any encoding. What it encodes all the same is decoded.
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        if let Some(cookies) = &self.cookies {
            cookies.add_to(uri, &mut headers);
        }
        let forward_proxy = self.connector.forward_proxy(uri);
        if let Some(proxy) = &forward_proxy {
            // Some such proxies close the connection after each response without announcing it. A request that is sent
            // at that moment is lost, and it is unknown whether it was carried out.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            if let Some(value) = proxy.url.authorization() {
                headers.insert(PROXY_AUTHORIZATION, value.clone());
            }
        }
        let exchange = trace::request(method, uri, &headers, &body);
        let response = self.exchange(method, uri, headers, body).await;
        let mut response = response.inspect_err(|error| trace::failed(exchange, error))?;
        trace::response(exchange, &mut response);
        if let (Some(proxy), StatusCode::PROXY_AUTHENTICATION_REQUIRED) = (&forward_proxy, response.status()) {
            let challenges = response.headers().get_all(PROXY_AUTHENTICATE).iter();
            let challenges = challenges.filter_map(|value| value.to_str().ok());
            return Err(HttpError::connect(uri, tunnel::http_refusal(proxy, response.status(), challenges)));
        }
        if let Some(error) = tls_error::refused_in_page(uri, &response, self.connector.identity(uri)) {
            return Err(HttpError::connect(uri, error));
        }
        if let Some(cookies) = &self.cookies {
            cookies.store(uri, response.headers());
        }
        Ok(response)
    }

    /// Sends a request on the connection that it gets.
    async fn exchange(
        &self,
        method: &Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<ResponseBody>, HttpError> {
        if let Some(http2) = self.http2.as_ref().filter(|_| is_https(uri))
            && let Some(response) = self.exchange_http2(http2, method, uri, &headers, &body).await?
        {
            return Ok(response);
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        self.http1.send(request).await.map(decoded).map_err(|error| self.explain(uri, &error))
    }

    /// `None`: the server speaks HTTP/1.1.
    async fn exchange_http2(
        &self,
        http2: &Http2,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Option<Response<ResponseBody>>, HttpError> {
        let mut resends = 0;
        loop {
            let carrier = http2.carrier(uri).await.map_err(|error| HttpError::connect(uri, error))?;
            let Carrier::Http2(slot) = carrier else { return Ok(None) };
            let reused = slot.is_reused;
            match slot.send(method, uri, headers.clone(), body.clone()).await {
                Ok(response) => return Ok(Some(decoded(response))),
                Err(SendError::RequiresHttp1) => http2.require_http1(uri),
                Err(SendError::Unprocessed(cause)) if resends == MOST_RESENDS => {
                    return Err(HttpError::Unprocessed { host: origin(uri), cause });
                }
                Err(SendError::Unprocessed(_)) => resends += 1,
                Err(SendError::Broken { cause, tls_error }) => {
                    let identity = self.connector.identity(uri);
                    return Err(match tls_error {
                        Some(error) if tls_error::is_about_client_certificate(&error, identity) => {
                            HttpError::connect(uri, tls_error::explain(&error, uri, identity))
                        }
                        _ => HttpError::Broken { host: origin(uri), cause, reused },
                    });
                }
            }
        }
    }

    fn explain(&self, uri: &Uri, error: &Http1Error) -> HttpError {
        let identity = self.connector.identity(uri);
        match error {
            Http1Error::Connect(error) => HttpError::connect(uri, tls_error::explain(&**error, uri, identity)),
            Http1Error::Broken { error, .. } if tls_error::is_about_client_certificate(error, identity) => {
                HttpError::connect(uri, tls_error::explain(error, uri, identity))
            }
            Http1Error::Broken { error, reused } => {
                HttpError::Broken { host: origin(uri), cause: chain(error), reused: *reused }
            }
        }
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http")
    }
}

/// The address of a same-origin redirect; `None` for any other response. 303 demands a GET, so it is followed only from
/// a GET.
fn redirect<T>(method: &Method, from: &Uri, response: &Response<T>) -> Result<Option<Uri>, HttpError> {
    match response.status().as_u16() {
        301 | 302 | 307 | 308 => {}
        303 if method == Method::GET => {}
        _ => return Ok(None),
    }
    let refuse = |why: String| HttpError::Redirect { host: origin(from), why };
    // Some servers write it in UTF-8; the parser of addresses encodes that.
    let location = response.headers().get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let location = location.ok_or_else(|| refuse("it has no readable Location header".to_owned()))?;
    let base = url::Url::parse(&from.to_string()).map_err(|error| refuse(error.to_string()))?;
    let next = base.join(location).map_err(|error| refuse(format!("its Location is not an address: {error}")))?;
    let next = at_own_origin(&base, next);
    if is_upgrade(&base, &next) {
        let (from, to) = (base.origin().ascii_serialization(), next.origin().ascii_serialization());
        log::warn!(
            "{from} redirects to {to}; use the https address, or each start sends its first request unencrypted"
        );
    } else if next.origin() != base.origin() {
        let other =
            if next.has_host() { next.origin().ascii_serialization() } else { format!("{}:…", next.scheme()) };
        let other = log::foreign(&other);
        return Err(refuse(format!("it leads to {other}, which must not get the credentials for this server")));
    }
    next.as_str().parse().map(Some).map_err(|_| refuse("its Location is not an address".to_owned()))
}

/// Whether a redirect leads from http to https of the same host. Whoever answers for the host in plain text has got the
/// credentials already.
fn is_upgrade(from: &url::Url, to: &url::Url) -> bool {
    from.scheme() == "http" && to.scheme() == "https" && from.host() == to.host()
}

/// The delay in a `Retry-After` header, which holds seconds or a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}
