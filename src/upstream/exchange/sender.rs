//! How is one HTTP request sent to the server? With its credential, and again where that is safe.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use parking_lot::Mutex;

use super::outage::Outage;
use super::repeatable::Repeatable;
use super::server_requests::ServerRequests;
use super::to_client::ToClient;
use super::tries::Tries;
use crate::auth::{Authorizer, LoginRequired, RefusedRequest, Remedy};
use crate::log;
use crate::net::{self, Http, HttpError, ResponseBody, ResponseOrRedirect};
use crate::upstream::{Failure, Options};

/// A connection that was in use this long ago is still there. After longer, the runtime looks at its sockets first.
const FRESH: Duration = Duration::from_micros(100);

/// How long a wait for a login lasts before it begins anew.
const LOGIN: Duration = Duration::from_secs(24 * 3600);

/// The head of a response, and where it came from if that is not where the request was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) response: Response<ResponseBody>,
    pub(crate) moved: Option<Uri>,
}

/// Sends requests to one server. All sessions with the server share it.
pub(crate) struct Sender {
    http: Http,
    pub(crate) auth: Authorizer,
    /// The address that the user gave.
    pub(crate) uri: Uri,
    /// Scheme and host: what may be shown.
    pub(crate) host: String,
    /// The longest event or body, in bytes.
    pub(super) limit: usize,
    /// How long a request waits for a server that cannot be reached, if it is the first of an outage.
    pub(crate) patience: Duration,
    /// The outage, if the server cannot be reached now.
    pub(crate) outage: Outage,
    headers_timeout: Option<Duration>,
    /// How long the server may be silent within a response.
    pub(super) body_timeout: Option<Duration>,
    server_requests: Arc<ServerRequests>,
    /// Which requests may be sent again that were lost.
    pub(crate) repeatable: Arc<Repeatable>,
    /// The server wants a login, as far as its last response showed that. Responses change it.
    is_challenged: AtomicBool,
    /// A request has been sent. The first one sets it.
    has_begun: AtomicBool,
    /// When the last response came. Every request reads it and every response changes it.
    last_used: Mutex<Instant>,
}

impl Sender {
    pub(crate) fn new(auth: Authorizer, http: Http, options: &Options, client: &ToClient) -> Self {
        Self {
            http,
            auth,
            outage: Outage::new(&net::origin(&options.uri), options),
            host: net::origin(&options.uri),
            uri: options.uri.clone(),
            limit: options.max_message,
            patience: options.patience,
            headers_timeout: options.headers_timeout,
            body_timeout: options.body_timeout,
            server_requests: Arc::clone(&client.server_requests),
            repeatable: Arc::clone(&client.repeatable),
            is_challenged: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            last_used: Mutex::new(Instant::now()),
        }
    }

    /// Waits until a login has been made, for as long as that takes.
    pub(crate) async fn logged_in(&self) {
        while !self.auth.login_status().logged_in(LOGIN).await {}
    }

    /// A client waits for a request that failed so. `Err`: no login helps, for this reason.
    pub(crate) async fn require_login(&self, failure: Failure) -> Result<LoginRequired, Failure> {
        match failure {
            Failure::LoginHelps { refusal, otherwise } => match Box::pin(self.auth.require_login(&refusal)).await {
                LoginRequired::Useless => Err(*otherwise),
                LoginRequired::NotBegun => Err(self.login_needed().await),
                required => Ok(required),
            },
            Failure::SignIn { .. } => Ok(LoginRequired::Yes { is_new: false }),
            failure => Err(failure),
        }
    }

    /// Waits until a request that failed so, for want of a login, may be accepted. Begins no login.
    pub(crate) async fn wait_for_other_login(&self, failure: &Failure) {
        match failure {
            Failure::LoginHelps { refusal, .. } => self.auth.wait_for_other_login(refusal).await,
            _ => self.logged_in().await,
        }
    }

    /// Whether this is a refusal that a login can cure, and none has been made since.
    pub(crate) fn is_refused_still(&self, failure: &Failure) -> bool {
        matches!(failure, Failure::LoginHelps { refusal, .. } if self.auth.is_refused_still(refusal))
    }

    /// Why a request is not carried out while a login is missing, with the address to log in at.
    pub(crate) async fn login_needed(&self) -> Failure {
        let (host, status) = (self.host.clone(), self.auth.login_status());
        let (prompt, why) = match status.prompt(Duration::ZERO).await {
            Ok(prompt) => (prompt.map(Box::new), None),
            Err(why) => (None, Some(why)),
        };
        Failure::SignIn { host, scope: status.missing_scope(), prompt, why, command: self.auth.login_command() }
    }

    /// Waits for the next part of a response, but no longer than the server may be silent.
    pub(crate) async fn next_part<T>(&self, part: impl Future<Output = T>) -> Result<T, Failure> {
        self.within(self.body_timeout, pin!(part)).await
    }

    /// Waits no longer than this for the server, unless the server waits for the client. Takes a future by its place: a
    /// future that is given to an asynchronous function is kept in it twice.
    async fn within<T>(
        &self,
        limit: Option<Duration>,
        mut part: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Failure> {
        let Some(limit) = limit else { return Ok(part.await) };
        let Some(mut end) = tokio::time::Instant::now().checked_add(limit) else { return Ok(part.await) };
        loop {
            if let Ok(part) = tokio::time::timeout_at(end, part.as_mut()).await {
                return Ok(part);
            }
            let later = self.server_requests.idle_since().and_then(|since| since.checked_add(limit));
            end = later.filter(|later| *later > end).ok_or_else(|| {
                Failure::Broken(format!("{} has been silent for {} seconds", self.host, limit.as_secs_f64()))
            })?;
        }
    }

    /// Whether a request was refused for want of a login, and none has been accepted since.
    pub(crate) fn is_challenged(&self) -> bool {
        self.is_challenged.load(Ordering::Relaxed)
    }

    /// Whether requests to this address travel on one connection, in the order in which they are sent.
    pub(crate) fn is_shared(&self, uri: &Uri) -> bool {
        self.http.is_shared(uri)
    }

    /// The round trip to this address, if it has been measured.
    pub(crate) fn round_trip(&self, uri: &Uri) -> Option<Duration> {
        self.http.round_trip(uri)
    }

    /// Sends, and returns the head of the response. A server that cannot be reached is tried again for as long as
    /// `patience` and the [outage](Outage) allow; a server that refuses the credential gets a newer one, if there is one. Nothing that may have
    /// arrived is sent twice, unless the server itself asked for it, or the request is safe to repeat and the server may
    /// have closed the connection before it came.
    pub(crate) fn send<'a>(
        &'a self,
        method: Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> impl Future<Output = Result<Sent, Failure>> + Send + 'a {
        self.send_and_note(method, uri, headers, body, patience, None)
    }

    /// The same. `note` is called each time that the request has been given to the connection, where there is one:
    /// what is sent after that is behind it.
    pub(crate) async fn send_and_note(
        &self,
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
        patience: Duration,
        note: Option<&(dyn Fn() + Sync)>,
    ) -> Result<Sent, Failure> {
        if !self.has_begun.swap(true, Ordering::Relaxed) {
            self.outage.note_first_sent();
            // What follows the opening of a session follows at once.
            self.http.expect_requests(&self.uri);
        }
        let mut tries = Tries::new(&self.outage, patience);
        let mut moved: Option<Uri> = None;
        loop {
            let mut headers = headers.clone();
            self.look_at_sockets().await;
            tries.begin();
            let target = moved.as_ref().unwrap_or(uri);
            let serial = self.auth.authorize(&method, target, &mut headers).await?;
            let sent = {
                let mut sending = pin!(self.http.send(method.clone(), target, headers, body.clone()));
                let mut begun = Poll::Pending;
                if let Some(note) = note {
                    begun = poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
                    note();
                }
                match begun {
                    Poll::Ready(sent) => sent,
                    Poll::Pending => self.within(self.headers_timeout, sending).await?,
                }
            };
            let mut response = match sent {
                Ok(ResponseOrRedirect::Response(response)) => response,
                Ok(ResponseOrRedirect::Redirect(next)) => {
                    tries.redirected(&self.host)?;
                    moved = Some(next);
                    continue;
                }
                Err(error @ HttpError::Broken { reused: true, .. })
                    if tries.repeats(|| self.repeatable.includes(&body)) && self.http.can_connect(target).await =>
                {
                    log::info!("{error}; sending the request once more");
                    continue;
                }
                Err(error) => {
                    tries.wait_after(error).await?;
                    continue;
                }
            };
            *self.last_used.lock() = Instant::now();
            let status = response.status();
            if !Failure::is_outage_status(status) {
                self.outage.end();
            }
            if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                self.auth.accepted(serial);
                self.is_challenged.store(false, Ordering::Relaxed);
            } else if method == Method::DELETE {
                // At the end nothing is refreshed for it.
            } else if tries.remedies < self.auth.most_remedies() {
                self.is_challenged.store(self.auth.can_log_in(), Ordering::Relaxed);
                let (headers, is_refreshed) = (response.headers(), tries.is_refreshed);
                let refused = RefusedRequest { token: serial, uri: target, status, headers, is_refreshed };
                let remedy = Box::pin(self.auth.challenge(refused)).await?;
                if tries.tries_again(&remedy) {
                    continue;
                }
                if let Remedy::Login(refusal) = remedy {
                    response.extensions_mut().insert(refusal);
                }
            }
            let Some(delay) = tries.retry_after(&response) else { return Ok(Sent { response, moved }) };
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
pub(crate) fn get_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    headers.insert(USER_AGENT, HeaderValue::from_static(net::PRODUCT));
    headers
}
