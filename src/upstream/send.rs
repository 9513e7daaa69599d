//! One HTTP request to the server, with the manners that every transport shares: its credential, patience with a server out of reach,
//! `Retry-After`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::backoff::Backoff;
use crate::auth::Authorizer;
use crate::error::Failure;
use crate::http::{self as client, Answer, Http, HttpError};

/// How often a request is sent again because a server said `Retry-After`.
const MOST_RETRIES: u32 = 3;

/// How long one `Retry-After` may be to be waited for; a longer one is the client's business.
const LONGEST_RETRY: Duration = Duration::from_secs(15);

/// How soon an attempt follows one that found no free file descriptor: as soon as another request may have ended.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(20);

/// The way to one server.
pub(super) struct Sender {
    http: Http,
    auth: Authorizer,
    uri: Uri,
    host: String,
    limit: usize,
}

impl Sender {
    pub(super) fn new(http: Http, auth: Authorizer, uri: Uri, limit: usize) -> Self {
        let host = client::host(&uri);
        Self { http, auth, uri, host, limit }
    }

    /// The address the user gave.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Scheme and host: what may be shown.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The longest event or body, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn auth(&self) -> &Authorizer {
        &self.auth
    }

    /// The headers of a POST that carries a message.
    pub(super) fn post_headers() -> HeaderMap {
        let mut headers = Self::get_headers();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
    }

    /// The headers of a GET that opens a stream.
    pub(super) fn get_headers() -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("mcp-ferry/", env!("CARGO_PKG_VERSION"))));
        headers
    }

    /// Sends, and returns the head of whatever answer comes. A server that cannot be reached is tried again for as long as
    /// `patience` says; one that refuses the credential gets a newer one, once, if there is one. Nothing that may have
    /// arrived is sent twice, unless the server itself asked for it.
    pub(super) async fn send(
        &self,
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        let begun = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(100));
        let mut retries = 0;
        let mut renewed = false;
        loop {
            let mut headers = headers.clone();
            let serial = self.auth.apply(&mut headers).await.map_err(|error| Failure::Credential(error.to_string()))?;
            // Lets the runtime look at its sockets: a pooled connection that the server has closed by now must not get the request.
            tokio::task::yield_now().await;
            let left = patience.saturating_sub(begun.elapsed());
            let answer = match self.http.send(method.clone(), uri, &headers, body.clone()).await {
                Ok(answer) => answer,
                Err(HttpError::Connect { exhausted: true, .. }) => {
                    tokio::time::sleep(DESCRIPTOR_WAIT).await;
                    continue;
                }
                Err(error @ HttpError::Connect { tls: false, .. }) => {
                    let delay = backoff.next().min(Duration::from_secs(2));
                    if delay > left {
                        return Err(Failure::Unreachable(error));
                    }
                    tokio::time::sleep(delay).await;
                    continue;
                }
                Err(error @ HttpError::Broken { .. }) => return Err(Failure::Broken(error.to_string())),
                Err(error) => return Err(Failure::Unreachable(error)),
            };
            let status = answer.response.status();
            if status == StatusCode::UNAUTHORIZED && !renewed {
                renewed = true;
                if self.auth.refused(serial).await.map_err(|error| Failure::Credential(error.to_string()))? {
                    continue;
                }
            }
            if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
                && retries < MOST_RETRIES
                && let Some(delay) = retry_after(answer.response.headers())
                && delay <= left.min(LONGEST_RETRY)
            {
                retries += 1;
                tracing::info!("{} asks to wait {} s ({status})", self.host, delay.as_secs());
                tokio::time::sleep(delay).await;
                continue;
            }
            return Ok(answer);
        }
    }
}

/// What a `Retry-After` header says, as seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}
