//! How are requests sent to an authorization server? With headers of their own: the user's headers and credentials for
//! the MCP server are not in them.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Map, Value, json};
use url::Url;

use super::web_url::{UnsafeUrl, check_url};
use crate::log::{self, foreign};
use crate::net::{AddressScope, Http, HttpError, PRODUCT, at_own_origin, read, retry_after, to_utf8};

const TIME_LIMIT: Duration = Duration::from_secs(30);

/// No document or token should be larger.
const SIZE_LIMIT: usize = 1024 * 1024;

const REDIRECTS: usize = 3;

/// How the description of a response by a bot protection begins.
pub(super) const BLOCKED: &str = "blocked by bot protection";

/// The HTTP client for authorization servers and for protected resource metadata.
#[derive(Clone)]
pub(super) struct Fetch {
    http: Http,
    allow_http: bool,
    address_scope: AddressScope,
    /// Redirects to another origin are not followed.
    within_origin: bool,
    limit: Option<Limit>,
}

/// What a series of requests may cost.
#[derive(Clone)]
struct Limit {
    /// How many more requests may be sent. Clones share it.
    requests_left: Arc<AtomicU32>,
    end: Instant,
}

/// Why a request was not sent, or has no response.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    UrlNotAllowed(#[from] UnsafeUrl),
    /// The connection is not allowed, now or later: the address is in a network that the server must not name, or the
    /// certificate is not valid.
    #[error("{cause}")]
    Barred { cause: String, hint: &'static str },
    #[error("servers lead from address to address, and none of them leads to the authorization server")]
    TooMany,
    /// There is no connection; nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// There is no complete response; the server may have received the request and acted on it.
    #[error("{0}")]
    NoResponse(String),
}

impl FetchError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UrlNotAllowed(_) => "an authorization server must have an https address, or be on this machine",
            Self::Barred { hint, .. } => hint,
            Self::TooMany => "only the server's operator can fix this; --issuer URL names the authorization server",
            Self::Unreachable(_) | Self::NoResponse(_) => "the next request tries it again",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// The URL of the response, after redirects.
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// As UTF-8, without a byte order mark.
    pub body: Vec<u8>,
}

impl Fetch {
    /// `allow_http`: the user allows http to the MCP server, so its authorization server may use http too. `Http`
    /// checks which network addresses a name may lead to, by the scope that it was made for.
    pub(super) fn new(http: Http, allow_http: bool, address_scope: AddressScope) -> Self {
        Self { http, allow_http, address_scope, within_origin: false, limit: None }
    }

    /// Checks an address that a browser is to be sent to. The browser is inside the network that this machine is in, and
    /// holds the user's cookies: it gets no address that a request of ours would not be sent to, and for a public server
    /// none without TLS.
    pub(super) async fn check_for_browser(&self, url: &str) -> Result<(), FetchError> {
        let url = self.check_url(url)?;
        if self.address_scope == AddressScope::Public && url.scheme() != "https" {
            return Err(UnsafeUrl::new(&url, "a public server must not send a browser there without https").into());
        }
        let uri: Uri = url.as_str().parse().map_err(|_| UnsafeUrl::new(&url, "it is not a valid request URL"))?;
        self.http.check_for_browser(&uri).await.map_err(|error| match error {
            HttpError::Connect { host, cause, hint, .. } => {
                FetchError::Barred { cause: format!("no browser is sent to {host}: {cause}"), hint }
            }
            error => FetchError::NoResponse(error.to_string()),
        })
    }

    /// The same client for a series of so many requests in so long a time.
    pub(in crate::auth) fn limited(&self, requests: u32, time: Duration) -> Self {
        let limit = Limit { requests_left: Arc::new(AtomicU32::new(requests)), end: Instant::now() + time };
        Self { limit: Some(limit), ..self.clone() }
    }

    /// The same client, which asks only the server that it is told to ask.
    pub(in crate::auth) fn within_origin(&self) -> Self {
        Self { within_origin: true, ..self.clone() }
    }

    /// How long the series of requests may still take.
    pub(in crate::auth) fn time_left(&self) -> Duration {
        self.limit.as_ref().map_or(TIME_LIMIT, |limit| limit.end.saturating_duration_since(Instant::now()))
    }

    fn count_request(&self) -> Result<(), FetchError> {
        let Some(limit) = &self.limit else { return Ok(()) };
        let counted = limit.requests_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        counted.map(drop).map_err(|_| FetchError::TooMany)
    }

    pub(in crate::auth) fn check_url(&self, url: &str) -> Result<Url, FetchError> {
        Ok(check_url(url, self.allow_http)?)
    }

    /// Gets a document, following redirects to URLs that are allowed themselves.
    pub(super) async fn get(&self, url: &str, extra: &[(HeaderName, String)]) -> Result<Reply, FetchError> {
        let mut url = self.check_url(url)?;
        let started_with_https = url.scheme() == "https";
        for _ in 0..=REDIRECTS {
            let from = url.origin();
            let reply = self.send(Method::GET, url, headers(extra)?, Bytes::new()).await?;
            let Some(next) = redirect(&reply) else { return Ok(reply) };
            url = self.check_url(&next)?;
            if self.within_origin && url.origin() != from {
                return Err(UnsafeUrl::new(&url, "a redirect from another server leads there").into());
            }
            if started_with_https && url.scheme() != "https" {
                return Err(UnsafeUrl::new(&url, "a redirect from https leads there").into());
            }
        }
        Err(UnsafeUrl::new(&url, &format!("more than {REDIRECTS} redirects lead there")).into())
    }

    /// Gets the response of this URL itself, even if it is a redirect.
    pub(super) async fn get_without_redirects(&self, url: &str) -> Result<Reply, FetchError> {
        let url = self.check_url(url)?;
        self.send(Method::GET, url, headers(&[])?, Bytes::new()).await
    }

    /// Posts a form. `extra` makes the headers for the URL, and for the URL that a redirect leads to.
    pub(super) async fn post_form<E: From<FetchError>>(
        &self,
        url: &str,
        form: &[(&str, &str)],
        extra: impl Fn(&Url) -> Result<Vec<(HeaderName, String)>, E>,
    ) -> Result<Reply, E> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.post(url, "application/x-www-form-urlencoded", body, extra).await
    }

    pub(super) async fn post_json(&self, url: &str, document: &Map<String, Value>) -> Result<Reply, FetchError> {
        self.post(url, "application/json", json!(document).to_string(), |_| Ok(Vec::new())).await
    }

    /// Follows redirects as [`Reply::moved_post`] allows. Any other redirect is returned like any response, because
    /// credentials must not go to another URL.
    async fn post<E: From<FetchError>>(
        &self,
        url: &str,
        kind: &'static str,
        body: String,
        extra: impl Fn(&Url) -> Result<Vec<(HeaderName, String)>, E>,
    ) -> Result<Reply, E> {
        let (mut url, body) = (self.check_url(url)?, Bytes::from(body));
        let mut redirects_left = REDIRECTS;
        loop {
            let mut headers = headers(&extra(&url)?)?;
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let reply = self.send(Method::POST, url, headers, body.clone()).await?;
            match reply.moved_post() {
                Some(next) if redirects_left > 0 => url = next,
                _ => return Ok(reply),
            }
            redirects_left -= 1;
        }
    }

    async fn send(&self, method: Method, url: Url, headers: HeaderMap, body: Bytes) -> Result<Reply, FetchError> {
        self.count_request()?;
        let uri: Uri = url.as_str().parse().map_err(|_| UnsafeUrl::new(&url, "it is not a valid request URL"))?;
        let host = crate::net::origin(&uri);
        log::debug!("{method} {host}{}", log::foreign(url.path()));
        let exchange = async {
            let response = self.http.request(&method, &uri, headers, body).await.map_err(|error| match error {
                HttpError::Connect { permanent: true, hint, .. } => {
                    FetchError::Barred { cause: error.to_string(), hint }
                }
                HttpError::Connect { .. } => FetchError::Unreachable(error.to_string()),
                _ => FetchError::NoResponse(error.to_string()),
            })?;
            let (head, body) = response.into_parts();
            let body = read(&head.headers, body, SIZE_LIMIT, None).await;
            let body = body
                .map_err(|cause| FetchError::NoResponse(format!("the response of {host} is not complete: {cause}")))?;
            let body = to_utf8(&head.headers, body).into();
            Ok(Reply { url, status: head.status, headers: head.headers, body })
        };
        // After a timeout, the server may have received the request.
        tokio::time::timeout(TIME_LIMIT, exchange).await.unwrap_or_else(|_| {
            Err(FetchError::NoResponse(format!("{host} did not answer within {} seconds", TIME_LIMIT.as_secs())))
        })
    }
}

/// The headers of every request: firewalls refuse requests without a user agent.
fn headers(extra: &[(HeaderName, String)]) -> Result<HeaderMap, FetchError> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"));
    for (name, value) in extra {
        let mut value = HeaderValue::try_from(value).map_err(|_| UnsafeUrl {
            url: format!("the header {name}"),
            why: "its value has characters that a header cannot hold".to_owned(),
        })?;
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    Ok(headers)
}

fn redirect(reply: &Reply) -> Option<String> {
    reply.redirect_url().map(String::from)
}

impl Reply {
    /// The JSON object in the body; `None` for anything else, such as the page of a web application that answers every
    /// path.
    pub(super) fn json(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(self.text()).ok()
    }

    /// The body without a byte order mark, which JSON does not allow (RFC 8259 section 8.1).
    pub(super) fn text(&self) -> &[u8] {
        self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body)
    }

    /// Where a redirect leads.
    fn redirect_url(&self) -> Option<Url> {
        let location = self.status.is_redirection().then(|| self.headers.get(LOCATION))??;
        // Some servers write it in UTF-8; the parser of addresses encodes that.
        let next = self.url.join(std::str::from_utf8(location.as_bytes()).ok()?).ok()?;
        Some(at_own_origin(&self.url, next))
    }

    /// Where to send the same request again: redirects with 307 and 308 ask for that. Credentials stay at their origin.
    fn moved_post(&self) -> Option<Url> {
        let is_for_posts = matches!(self.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let is_same = |next: &Url| next.origin() == self.url.origin() && next.username().is_empty();
        self.redirect_url().filter(|next| is_for_posts && is_same(next))
    }

    /// Describes a redirect that was not followed; `None` if this is no redirect.
    pub(super) fn refused_redirect(&self) -> Option<String> {
        let place = || match self.redirect_url() {
            Some(_) if self.moved_post().is_some() => "again and again".to_owned(),
            Some(next) if next.origin() == self.url.origin() => format!("to {}", foreign(next.path())),
            Some(next) => format!("to another origin, {}", foreign(&next.origin().ascii_serialization())),
            None => "to an address that cannot be read".to_owned(),
        };
        self.status.is_redirection().then(|| {
            format!(
                "{} redirects {} (status {}), which is not followed",
                foreign(self.url.path()),
                place(),
                self.status
            )
        })
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// Scheme and host.
    pub(super) fn host(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// A description, if this is the page of a bot protection and not the server's own response.
    pub(super) fn bot_protection(&self) -> Option<String> {
        let refused = matches!(self.status.as_u16(), 401 | 403 | 405 | 429 | 503);
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let marked = header("cf-mitigated") == "challenge" || !header("x-amzn-waf-action").is_empty();
        let page = header("content-type").starts_with("text/html") && {
            let text = String::from_utf8_lossy(&self.body);
            ["cf-chl", "challenge-platform", "Just a moment", "Attention Required", "captcha", "_Incapsula_"]
                .iter()
                .any(|mark| text.contains(mark))
        };
        // Nothing of the page is quoted: the request may have met something else than an authorization server.
        (refused && (marked || page)).then(|| format!("{BLOCKED} at {} (status {})", self.host(), self.status.as_u16()))
    }
}
