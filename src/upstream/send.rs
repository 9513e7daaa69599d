//! One HTTP request to the server, with the manners that every transport shares: its credential, patience with a server
//! out of reach, `Retry-After`.

use parking_lot::Mutex;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use hyper::body::Incoming;

use super::Options;
use super::backoff::Backoff;
use super::unanswered::Unanswered;
use crate::auth::{AuthError, Authorizer};
use crate::log;
use crate::net::{self, Answer, Http, HttpError, retry_after};
use crate::upstream::Failure;

/// How often a request is sent again because a server said `Retry-After`.
const MOST_RETRIES: u32 = 3;

/// How long one `Retry-After` may be to be waited for; a longer one is the client's business.
const LONGEST_RETRY: Duration = Duration::from_secs(15);

/// How long a request waits for a file descriptor, at least: others must end first.
const DESCRIPTOR_PATIENCE: Duration = Duration::from_secs(60);

/// How soon an attempt follows one that found no free file descriptor: as soon as another request may have ended.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(20);

/// How long the pauses between attempts to connect grow.
const LONGEST_DELAY: Duration = Duration::from_secs(2);

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
    unanswered: Arc<Unanswered>,
    /// When an answer last came.
    last_used: Mutex<Instant>,
}

impl Sender {
    pub(super) fn new(auth: Authorizer, http: Http, options: &Options, unanswered: Arc<Unanswered>) -> Self {
        let uri = options.uri.clone();
        let host = net::host(&uri);
        Self {
            http,
            auth,
            uri,
            host,
            limit: options.max_message,
            headers_timeout: options.headers_timeout,
            body_timeout: options.body_timeout,
            unanswered,
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
        self.within(self.body_timeout, pin!(speech)).await
    }

    /// Waits no longer than this for what the server says, unless it waits for us. Takes a future by its place: what is
    /// given to an asynchronous function is kept in it twice.
    async fn within<T>(
        &self,
        limit: Option<Duration>,
        mut speech: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Failure> {
        let Some(limit) = limit else { return Ok(speech.await) };
        let Some(mut end) = tokio::time::Instant::now().checked_add(limit) else { return Ok(speech.await) };
        loop {
            if let Ok(said) = tokio::time::timeout_at(end, speech.as_mut()).await {
                return Ok(said);
            }
            let later = self.unanswered.silent_since().and_then(|since| since.checked_add(limit));
            end = later.filter(|later| *later > end).ok_or_else(|| {
                Failure::Broken(format!("{} has been silent for {} seconds", self.host, limit.as_secs_f64()))
            })?;
        }
    }

    pub(super) fn auth(&self) -> &Authorizer {
        &self.auth
    }

    /// Sends, and returns the head of whatever answer comes. A server that cannot be reached is tried again for as long
    /// as `patience` says; one that refuses the credential gets a newer one, once, if there is one. Nothing that may
    /// have arrived is sent twice, unless the server itself asked for it.
    pub(super) async fn send(
        &self,
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Sent, Failure> {
        let mut tries = Tries::new(patience);
        let mut moved: Option<Uri> = None;
        loop {
            let mut headers = headers.clone();
            self.look_at_sockets().await;
            tries.begin();
            let target = moved.as_ref().unwrap_or(uri);
            let serial = self.auth.authorize(&method, target, &mut headers).await?;
            let sent = {
                let sending = pin!(self.http.send(method.clone(), target, headers, body.clone()));
                self.within(self.headers_timeout, sending).await?
            };
            let response = match sent {
                Ok(Answer::Response(response)) => response,
                Ok(Answer::Moved(next)) => {
                    tries.redirected(&self.host)?;
                    moved = Some(next);
                    continue;
                }
                Err(error) => {
                    tries.unreached(error).await?;
                    continue;
                }
            };
            *self.last_used.lock() = Instant::now();
            let status = response.status();
            if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                self.auth.accepted(serial);
            } else if tries.renewals < self.auth.most_renewals() {
                tries.renewals += 1;
                if Box::pin(self.auth.challenge(serial, target, status, response.headers())).await? {
                    continue;
                }
            }
            let Some(delay) = tries.asked_to_wait(&response) else { return Ok(Sent { response, moved }) };
            log::info!("{} asks to wait {} s ({status})", self.host, delay.as_secs());
            tokio::time::sleep(delay).await;
        }
    }

    /// Lets the runtime look at its sockets, if it has been a while: a pooled connection that the server has closed
    /// since must not get a request, which would be lost.
    async fn look_at_sockets(&self) {
        let idle = self.last_used.lock().elapsed();
        if idle > FRESH {
            tokio::task::yield_now().await;
        }
    }
}

/// The headers of a POST that carries a message.
pub(crate) fn post_headers() -> HeaderMap {
    let mut headers = get_headers();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// The headers of a GET that opens a stream.
pub(super) fn get_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    headers.insert(USER_AGENT, HeaderValue::from_static(net::PRODUCT));
    headers
}

/// What has been tried for one request.
struct Tries {
    begun: Instant,
    patience: Duration,
    /// Of the patience, when the last attempt began.
    left: Duration,
    backoff: Backoff,
    retries: u32,
    renewals: u32,
    redirects: u32,
}

impl Tries {
    fn new(patience: Duration) -> Self {
        Self {
            begun: Instant::now(),
            patience,
            left: patience,
            backoff: Backoff::new(Duration::from_millis(100)),
            retries: 0,
            renewals: 0,
            redirects: 0,
        }
    }

    fn begin(&mut self) {
        self.left = self.patience.saturating_sub(self.begun.elapsed());
    }

    /// The server, `host`, has sent us elsewhere.
    fn redirected(&mut self, host: &str) -> Result<(), Failure> {
        if self.redirects == MOST_REDIRECTS {
            let why = format!("it redirects more than {MOST_REDIRECTS} times");
            return Err(Failure::Unreachable(HttpError::Redirect { host: host.to_owned(), why }));
        }
        self.redirects += 1;
        Ok(())
    }

    /// There is no answer. Waits for another attempt, if there may be one.
    async fn unreached(&mut self, error: HttpError) -> Result<(), Failure> {
        let delay = match error {
            HttpError::Connect { exhausted: true, .. }
                if self.begun.elapsed() < self.patience.max(DESCRIPTOR_PATIENCE) =>
            {
                DESCRIPTOR_WAIT
            }
            HttpError::Connect { permanent: false, .. } => {
                let delay = self.backoff.next().min(LONGEST_DELAY);
                if delay > self.left {
                    return Err(Failure::Unreachable(error));
                }
                delay
            }
            HttpError::Broken { .. } => return Err(Failure::Broken(error.to_string())),
            error => return Err(Failure::Unreachable(error)),
        };
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// How long the server asks to wait before the request is sent again, if it shall be.
    fn asked_to_wait<T>(&mut self, response: &Response<T>) -> Option<Duration> {
        let asks = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if !asks || self.retries == MOST_RETRIES {
            return None;
        }
        let delay = retry_after(response.headers()).filter(|delay| *delay <= self.left.min(LONGEST_RETRY))?;
        self.retries += 1;
        Some(delay)
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Temporary(why) => Self::LoginOutOfOrder(why),
            error => Self::Credential(error.to_string()),
        }
    }
}
