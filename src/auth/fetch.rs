//! How do we ask an authorization server something? Its own requests, its own headers: nothing that the user gave for
//! the MCP server comes near here.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_METHODS, ALLOW, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::log;
use crate::net::{Http, HttpError, PRODUCT, read, retry_after};

/// For one request with its answer.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Longer than any document or token ought to be.
const SIZE_LIMIT: usize = 1024 * 1024;

/// Redirects of one document.
const REDIRECTS: usize = 3;

/// How much of a page that stands in the way is shown.
const SHOWN: usize = 200;

/// The client towards authorization servers, and for the metadata of resources.
#[derive(Clone)]
pub struct Fetch {
    http: Http,
    plain_http: bool,
}

/// A request of ours that is not to be made, or has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// Not an address we send anything to.
    #[error("{url} is not used: {why}")]
    Refused {
        /// Without query and user.
        url: String,
        /// A clause.
        why: String,
    },
    /// Nothing was sent, nor will be: a server has named a network that is none of its business, or nobody vouches for
    /// who answers there.
    #[error("{cause}")]
    Barred {
        /// What stands in the way.
        cause: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// Nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// It may have been received, and acted on.
    #[error("{0}")]
    Unknown(String),
}

impl FetchError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "authorization servers are used over https alone, or on this machine",
            Self::Barred { hint, .. } => hint,
            Self::Unreachable(_) | Self::Unknown(_) => "it is tried again with the next request",
        }
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Where it came from, after redirects.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body.
    pub body: Vec<u8>,
}

impl Fetch {
    /// `plain_http`: the MCP server itself is reached over http, and the user allows it; then its authorization server
    /// may be too. Which addresses a name may lead to is the affair of the `Http`.
    pub fn new(http: Http, plain_http: bool) -> Self {
        Self { http, plain_http }
    }

    /// Whether something may be sent to this address: https, or http where nothing crosses a network (RFC 9700 section
    /// 2.6).
    pub fn permits(&self, url: &str) -> Result<Url, FetchError> {
        let refuse = |shown: String, why: &str| FetchError::Refused { url: shown, why: why.to_owned() };
        let url = Url::parse(url).map_err(|error| refuse(format!("{url:?}"), &error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse(shown(&url), "it has a user name or password in it"));
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.plain_http || is_loopback(&url) => Ok(url),
            "http" => Err(refuse(shown(&url), "it is not https")),
            _ => Err(refuse(shown(&url), "it is no web address")),
        }
    }

    /// Gets a document. Redirects are followed three times, to addresses that are themselves allowed.
    pub async fn get(&self, url: &str, extra: &[(HeaderName, String)]) -> Result<Reply, FetchError> {
        let mut url = self.permits(url)?;
        let begun_secure = url.scheme() == "https";
        for _ in 0..=REDIRECTS {
            let reply = self.send(Method::GET, url, headers(extra)?, Bytes::new()).await?;
            let Some(next) = redirect(&reply) else { return Ok(reply) };
            url = self.permits(&next)?;
            if begun_secure && url.scheme() != "https" {
                return Err(FetchError::Refused {
                    url: shown(&url),
                    why: "a redirect leads there from https".to_owned(),
                });
            }
        }
        Err(FetchError::Refused { url: shown(&url), why: format!("more than {REDIRECTS} redirects lead there") })
    }

    /// Gets what is at this address itself, a redirect too.
    pub async fn look(&self, url: &str) -> Result<Reply, FetchError> {
        let url = self.permits(url)?;
        self.send(Method::GET, url, headers(&[])?, Bytes::new()).await
    }

    /// Whether something at this address says what may be asked of it: nothing is asked by that.
    pub async fn is_served(&self, url: &str) -> bool {
        let (Ok(url), Ok(headers)) = (self.permits(url), headers(&[])) else { return false };
        let Ok(reply) = self.send(Method::OPTIONS, url, headers, Bytes::new()).await else { return false };
        let says = [ALLOW, ACCESS_CONTROL_ALLOW_METHODS].iter().any(|name| reply.headers.contains_key(name));
        reply.status == StatusCode::METHOD_NOT_ALLOWED || (reply.status.is_success() && says)
    }

    /// Posts a form. A redirect is an answer like any other: credentials do not follow it.
    pub async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        extra: &[(HeaderName, String)],
    ) -> Result<Reply, FetchError> {
        let url = self.permits(url)?;
        // Not kept any longer: it could not go from thread to thread with the request.
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut headers = headers(extra)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.send(Method::POST, url, headers, Bytes::from(body)).await
    }

    /// Posts a JSON object.
    pub async fn post_json(&self, url: &str, document: &Map<String, Value>) -> Result<Reply, FetchError> {
        let url = self.permits(url)?;
        let mut headers = headers(&[])?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Value::Object(document.clone()).to_string();
        self.send(Method::POST, url, headers, Bytes::from(body)).await
    }

    async fn send(&self, method: Method, url: Url, headers: HeaderMap, body: Bytes) -> Result<Reply, FetchError> {
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|_| FetchError::Refused { url: shown(&url), why: "it cannot stand in a request".to_owned() })?;
        let host = crate::net::origin(&uri);
        log::debug!("{method} {host}{}", url.path());
        let exchange = async {
            let response = self.http.request(&method, &uri, headers, body).await.map_err(|error| failed(&error))?;
            let (head, body) = response.into_parts();
            let body = read(&head.headers, body, SIZE_LIMIT, None).await;
            let body =
                body.map_err(|cause| FetchError::Unknown(format!("the answer of {host} is not whole: {cause}")))?;
            Ok(Reply { url, status: head.status, headers: head.headers, body })
        };
        // Whatever of it was sent may have done its work.
        tokio::time::timeout(TIME_LIMIT, exchange).await.unwrap_or_else(|_| {
            Err(FetchError::Unknown(format!("{host} did not answer within {} seconds", TIME_LIMIT.as_secs())))
        })
    }
}

fn failed(error: &HttpError) -> FetchError {
    match error {
        HttpError::Connect { permanent: true, hint, .. } => FetchError::Barred { cause: error.to_string(), hint },
        HttpError::Connect { .. } => FetchError::Unreachable(error.to_string()),
        _ => FetchError::Unknown(error.to_string()),
    }
}

/// Firewalls refuse requests that do not say who sends them.
fn headers(extra: &[(HeaderName, String)]) -> Result<HeaderMap, FetchError> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"));
    // Without it, "any" is meant, and some take that at its word.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in extra {
        let mut value = HeaderValue::try_from(value).map_err(|_| FetchError::Refused {
            url: format!("the header {name}"),
            why: "its value has characters that no header can have".to_owned(),
        })?;
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    Ok(headers)
}

fn redirect(reply: &Reply) -> Option<String> {
    let location = reply.status.is_redirection().then(|| reply.headers.get(LOCATION))??;
    reply.url.join(location.to_str().ok()?).ok().map(String::from)
}

/// An address for people: no query, no fragment, no user.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// Whether this machine itself is meant: by number, or by the name that RFC 6761 reserves for it.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

impl Reply {
    /// The JSON object in it. Anything else, such as the page of a web application that answers every path, is not
    /// there.
    pub fn json(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&self.body).ok()
    }

    /// How long to stay away.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// Scheme and host.
    pub fn host(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// A sentence, if this is the page of a bot protection and not the server's own answer.
    pub fn bot_protection(&self) -> Option<String> {
        let refused = matches!(self.status.as_u16(), 401 | 403 | 405 | 429 | 503);
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let marked = header("cf-mitigated") == "challenge" || !header("x-amzn-waf-action").is_empty();
        let page = header("content-type").starts_with("text/html") && {
            let text = String::from_utf8_lossy(&self.body);
            ["cf-chl", "challenge-platform", "Just a moment", "Attention Required", "captcha", "_Incapsula_"]
                .iter()
                .any(|mark| text.contains(mark))
        };
        (refused && (marked || page)).then(|| {
            format!(
                "blocked by bot protection at {} (status {}): {}",
                self.host(),
                self.status.as_u16(),
                self.snippet()
            )
        })
    }

    /// The beginning of the body, for people.
    pub fn snippet(&self) -> String {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(SHOWN)]);
        log::redact(text.trim())
    }
}
