//! How are the browser's requests served? Each gets one response; the number, the size and the time of connections have
//! limits.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::redirect::Redirect;
use super::settings::CallbackSettings;
use super::start::{START, StartAddresses};
use crate::auth::page::{Page, response};
use crate::{log, task};

/// How long a browser waits for the exchange of its code.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(60);

/// Browsers open connections in advance; one without a request is closed after this time.
const HEADER_LIMIT: Duration = Duration::from_secs(5);

/// How long a browser that has its page may take to close the connection.
const LINGER: Duration = Duration::from_secs(1);

/// Any program on this machine may connect.
pub(super) const MOST_CONNECTIONS: usize = 256;

/// Codes of several kilobytes exist.
const LONGEST_HEAD: usize = 64 * 1024;

/// Browsers send about twenty.
const MOST_HEADERS: usize = 128;

/// What the callback server waits for.
#[derive(Debug, Clone)]
pub(in crate::auth) struct ExpectedRedirect {
    pub state: String,
    /// What the short addresses are made of.
    pub start: String,
    /// The authorization URL, to which the short addresses redirect.
    pub url: String,
    /// Which short addresses were opened before.
    pub opened: u64,
}

#[derive(Debug)]
pub(super) struct Responder {
    settings: CallbackSettings,
    port: u16,
    pub(super) start: StartAddresses,
    /// The first redirect takes the sender, because a code can be used once. All connections share it.
    redirects: Mutex<Option<mpsc::Sender<Redirect>>>,
    /// The page that shows how the login ended. The login sets it once; each connection with a redirect waits for it.
    pub(super) page: watch::Sender<Option<Page>>,
    /// Each connection with a redirect holds a clone until its page is written. The login drops this one when it sets
    /// the page, and then waits until all clones are gone.
    pub(super) pages: Mutex<Option<mpsc::Sender<Infallible>>>,
}

impl Responder {
    /// Also returns the receiver of the redirect, and the one that closes when all pages are written.
    pub(super) fn new(
        settings: CallbackSettings,
        port: u16,
        expected: &ExpectedRedirect,
    ) -> (Self, mpsc::Receiver<Redirect>, mpsc::Receiver<Infallible>) {
        let (redirects, redirected) = mpsc::channel(1);
        let (pages, pages_written) = mpsc::channel(1);
        let (redirects, pages) = (Mutex::new(Some(redirects)), Mutex::new(Some(pages)));
        let start = StartAddresses::new(&expected.start, &expected.state, &expected.url, port, expected.opened);
        let responder = Self { settings, port, start, redirects, page: watch::Sender::new(None), pages };
        (responder, redirected, pages_written)
    }

    /// `writing`: the connection keeps what is put there until it has written the response.
    pub(super) async fn respond(
        &self,
        request: &Request<()>,
        writing: &Mutex<Option<mpsc::Sender<Infallible>>>,
        has_code: &AtomicBool,
    ) -> Response<Bytes> {
        if !self.has_our_host(request) {
            return response(StatusCode::BAD_REQUEST, "this server has another address");
        }
        if request.method() != Method::GET {
            return response(StatusCode::METHOD_NOT_ALLOWED, "this server answers only GET");
        }
        let path = request.uri().path();
        if let Some(start) = path.strip_prefix(START) {
            return match self.start.open(start) {
                Ok(url) => {
                    let mut response = see_other(&url);
                    self.start.set_cookie(response.headers_mut(), &self.settings.path);
                    response
                }
                Err(true) => {
                    log::warn!("the short address to sign in at was opened twice; it works once");
                    Page::Opened.response()
                }
                Err(false) => Page::Unknown.response(),
            };
        }
        // Some servers add a slash, or take one away.
        if path.strip_suffix('/').unwrap_or(path) != self.settings.path.strip_suffix('/').unwrap_or(&self.settings.path)
        {
            return response(StatusCode::BAD_REQUEST, "there is nothing here");
        }
        let Some((redirect, is_of_tab)) =
            Redirect::parse(request.uri().query().unwrap_or_default(), self.start.state())
        else {
            log::info!("a request to the callback does not belong to this login; still waiting");
            return Page::Unknown.response();
        };
        if !self.start.is_right_browser(request.headers(), is_of_tab) {
            log::warn!("the login came back in another browser than the one it was begun in; still waiting");
            return Page::OtherBrowser.response();
        }
        has_code.store(true, Ordering::Relaxed);
        writing.lock().clone_from(&self.pages.lock());
        // Some browsers send the same request twice; both get the same page.
        if let Some(redirects) = self.redirects.lock().take() {
            redirects.try_send(redirect).ok();
        }
        self.wait_for_page().await
    }

    async fn wait_for_page(&self) -> Response<Bytes> {
        let mut pages = self.page.subscribe();
        let page = tokio::time::timeout(EXCHANGE_LIMIT, pages.wait_for(Option::is_some)).await;
        let page = page.ok().and_then(Result::ok).and_then(|page| page.clone()).unwrap_or(Page::Unfinished);
        match &self.settings.success_url {
            Some(url) if matches!(page, Page::SignedIn { .. }) => see_other(url.as_str()),
            _ => page.response(),
        }
    }

    /// Whether the `Host` is a name of ours. A website can point a name of its own to 127.0.0.1, but it cannot make the
    /// browser send `localhost` for that name (DNS rebinding).
    fn has_our_host(&self, request: &Request<()>) -> bool {
        let hosts: Vec<_> = request.headers().get_all(HOST).iter().collect();
        let [host] = hosts[..] else { return false };
        let Ok(host) = host.to_str().map(str::to_ascii_lowercase) else { return false };
        let is = |name: &String| {
            let rest = host.strip_prefix(name.as_str());
            rest == Some(&format!(":{}", self.port)) || self.port == 80 && rest == Some("")
        };
        self.settings.names().iter().any(is)
    }
}

fn see_other(url: &str) -> Response<Bytes> {
    let Ok(location) = HeaderValue::from_str(url) else { return Page::Unknown.response() };
    let mut response = response(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Accepts connections until it is dropped.
pub(super) async fn accept(socket: TcpListener, responder: Arc<Responder>) {
    let mut connections = JoinSet::new();
    let mut waiting: VecDeque<(AbortHandle, Arc<AtomicBool>)> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((connection, _)) => {
                    // Connections that have ended must not be kept: a page can open any number of them.
                    if waiting.len() >= MOST_CONNECTIONS {
                        while connections.try_join_next().is_some() {}
                        waiting.retain(|(task, has_code)| !task.is_finished() && !has_code.load(Ordering::Relaxed));
                    }
                    if connections.len() >= MOST_CONNECTIONS {
                        // The oldest connection without the code is the least likely to bring it.
                        let Some((task, _)) = waiting.pop_front() else { continue };
                        task.abort();
                    }
                    let has_code = Arc::new(AtomicBool::new(false));
                    let serving = serve(connection, responder.clone(), has_code.clone());
                    waiting.push_back((task::spawn_in(&mut connections, serving), has_code));
                }
                // Probably too many open files, which may be over soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one request. `has_code`: set here when the request has brought the code, read by [`accept`].
async fn serve(mut connection: TcpStream, responder: Arc<Responder>, has_code: Arc<AtomicBool>) {
    let writing = Mutex::new(None);
    let (responder, has_code, writing_ref) = (&responder, &has_code, &writing);
    let service = service_fn(|request: Request<Incoming>| async move {
        let response = responder.respond(&request.map(drop), writing_ref, has_code).await;
        Ok::<_, Infallible>(response.map(Full::new))
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        // A browser that has sent its request may close its side.
        .half_close(true)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .serve_connection(TokioIo::new(&mut connection), service);
    let served = tokio::time::timeout(HEADER_LIMIT + 2 * EXCHANGE_LIMIT, serving).await;
    // The page is written, or the browser does not read it.
    drop(writing);
    if served.is_ok() {
        // Reads until the browser closes the connection. If a connection is closed with unread data, it is reset, and
        // the browser may lose its page (RFC 9112 section 9.6).
        let mut rest = [0; 2048];
        let drain = async { while connection.read(&mut rest).await.is_ok_and(|length| length > 0) {} };
        tokio::time::timeout(LINGER, drain).await.ok();
    }
}
