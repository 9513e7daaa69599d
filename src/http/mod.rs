//! The one HTTP client: pool, time limits, redirects. It knows no MCP.

mod body;
mod connector;
mod error;
mod sse;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use connector::Connector;

pub use body::{BodyError, read, snippet};
pub use error::HttpError;
pub use sse::{Event, Events, SseError};

/// How long an idle connection is kept for the next request. Node's and uvicorn's servers close theirs after five seconds,
/// and a request that crosses such a close is lost.
const IDLE: Duration = Duration::from_secs(4);

/// A pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    client: Client<Connector, Full<Bytes>>,
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
    /// For an upstream at this address; TLS is made ready only if it needs it.
    pub fn new(uri: &Uri, connect_timeout: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Connector::new(uri, connect_timeout));
        Self { client }
    }

    /// Sends a request and waits for the answer's head, however long it takes. A redirect to another origin is an error,
    /// because the headers belong to this origin alone.
    pub async fn send(&self, method: Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Result<Answer, HttpError> {
        let response = self.once(method, uri, headers, body).await?;
        Ok(match redirect(uri, &response)? {
            Some(next) => Answer::Moved(next),
            None => Answer::Response(response),
        })
    }

    /// Sends a request and returns the head of whatever answers it, a redirect too.
    pub async fn once(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, HttpError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        self.client.request(request).await.map_err(|error| HttpError::new(uri, &error))
    }
}

/// Scheme and host, and the port if it is given: what may be shown of an address whose path may hold a secret.
pub fn host(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", http::uri::Authority::as_str))
}

/// Where a same-origin redirect leads; `None` for any other answer.
fn redirect(from: &Uri, response: &Response<Incoming>) -> Result<Option<Uri>, HttpError> {
    let followed = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !followed.contains(&response.status()) {
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
