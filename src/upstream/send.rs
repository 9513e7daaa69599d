//! One HTTP request to the server, with the manners that every transport shares: its credential, patience with a server out of reach,
//! `Retry-After`.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use hyper::body::Incoming;

use super::backoff::Backoff;
use crate::auth::{AuthError, Authorizer};
use crate::config::Settings;
use crate::error::Failure;
use crate::http::{self as client, Answer, Http, HttpError, retry_after};

/// How often a request is sent again because a server said `Retry-After`.
const MOST_RETRIES: u32 = 3;

/// How long one `Retry-After` may be to be waited for; a longer one is the client's business.
const LONGEST_RETRY: Duration = Duration::from_secs(15);

/// How long a request waits for a file descriptor, at least: others must end first.
const DESCRIPTOR_PATIENCE: Duration = Duration::from_secs(60);

/// How soon an attempt follows one that found no free file descriptor: as soon as another request may have ended.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(20);

/// Redirects followed for one request.
const MOST_REDIRECTS: u32 = 5;

/// A connection that was in use this long ago is still there. After longer, the runtime looks at its sockets first.
const FRESH: Duration = Duration::from_micros(100);

/// The head of an answer, and where it came from if that is not where the request was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) response: Response<Incoming>,
    pub(super) moved: Option<Uri>,
}

/// The way to one server.
pub(super) struct Sender {
    http: Http,
    auth: Authorizer,
    uri: Uri,
    host: String,
    limit: usize,
    headers_timeout: Option<Duration>,
    body_timeout: Option<Duration>,
    /// When an answer last came.
    last_used: Mutex<Instant>,
}

impl Sender {
    pub(super) fn new(auth: Authorizer, settings: &Settings) -> Self {
        let uri = settings.upstream.clone();
        let host = client::host(&uri);
        Self {
            http: settings.http.clone(),
            auth,
            uri,
            host,
            limit: settings.max_message,
            headers_timeout: settings.headers_timeout,
            body_timeout: settings.body_timeout,
            last_used: Mutex::new(Instant::now()),
        }
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

    /// How long the server may be silent within an answer.
    pub(super) fn body_timeout(&self) -> Option<Duration> {
        self.body_timeout
    }

    /// Waits for what the server says next in an answer, but no longer than it may be silent.
    pub(super) async fn listen<T>(&self, speech: impl Future<Output = T>) -> Result<T, Failure> {
        self.within(self.body_timeout, speech).await
    }

    async fn within<T>(&self, limit: Option<Duration>, speech: impl Future<Output = T>) -> Result<T, Failure> {
        let Some(limit) = limit else { return Ok(speech.await) };
        tokio::time::timeout(limit, speech)
            .await
            .map_err(|_| Failure::Broken(format!("{} has been silent for {} seconds", self.host, limit.as_secs_f64())))
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
    ) -> Result<Sent, Failure> {
        let begun = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(100));
        let mut retries = 0;
        let mut renewals = 0;
        let mut moved: Option<Uri> = None;
        let mut redirects = 0;
        loop {
            let mut headers = headers.clone();
            self.look_at_sockets().await;
            let left = patience.saturating_sub(begun.elapsed());
            let target = moved.as_ref().unwrap_or(uri);
            let serial = self.auth.apply(&method, target, &mut headers).await?;
            let sending = self.http.send(method.clone(), target, headers, body.clone());
            let response = match self.within(self.headers_timeout, sending).await? {
                Ok(Answer::Response(response)) => response,
                Ok(Answer::Moved(_)) if redirects == MOST_REDIRECTS => {
                    let why = format!("it redirects more than {MOST_REDIRECTS} times");
                    return Err(Failure::Unreachable(HttpError::Redirect { host: self.host.clone(), why }));
                }
                Ok(Answer::Moved(next)) => {
                    redirects += 1;
                    moved = Some(next);
                    continue;
                }
                Err(HttpError::Connect { exhausted: true, .. })
                    if begun.elapsed() < patience.max(DESCRIPTOR_PATIENCE) =>
                {
                    tokio::time::sleep(DESCRIPTOR_WAIT).await;
                    continue;
                }
                Err(error @ HttpError::Connect { lasting: false, .. }) => {
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
            *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            let status = response.status();
            if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                self.auth.accepted(serial);
            } else if renewals < self.auth.most_renewals() {
                renewals += 1;
                if Box::pin(self.auth.refused(serial, target, status, response.headers())).await? {
                    continue;
                }
            }
            if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
                && retries < MOST_RETRIES
                && let Some(delay) = retry_after(response.headers())
                && delay <= left.min(LONGEST_RETRY)
            {
                retries += 1;
                tracing::info!("{} asks to wait {} s ({status})", self.host, delay.as_secs());
                tokio::time::sleep(delay).await;
                continue;
            }
            return Ok(Sent { response, moved });
        }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::OutOfOrder(why) => Self::LoginOutOfOrder(why),
            error => Self::Credential(error.to_string()),
        }
    }
}

impl Sender {
    /// Lets the runtime look at its sockets, if it has been a while: a pooled connection that the server has closed since must not
    /// get a request, which would be lost.
    async fn look_at_sockets(&self) {
        let idle = self.last_used.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if idle > FRESH {
            tokio::task::yield_now().await;
        }
    }
}
