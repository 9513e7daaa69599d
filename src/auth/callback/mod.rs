//! How does the browser come back?
//!
//! To a listener that waits for one request: GET, our path, a name of ours, our `state`. Everything else is answered
//! 400 and ends nothing. Who has the right `state` gets no answer before the code was exchanged: a page that says
//! "signed in" is true then. A browser that does not take its page holds nobody up.

mod http1;
mod listener;
mod redirect;
mod settings;

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::page::{Page, guard};
use crate::log;
use crate::task;

pub use listener::{CallbackError, Listener};
pub use redirect::{PasteError, Redirect};
pub use settings::CallbackSettings;
pub(super) use settings::is_loopback;

/// How long a browser waits for the exchange.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(60);

/// How long the end of a login waits for a browser to take its page.
const PAGE_LIMIT: Duration = Duration::from_secs(2);

/// Browsers open connections to have them; one that says nothing is closed after this.
const HEADER_LIMIT: Duration = Duration::from_secs(5);

/// How long a browser that has its page may take to hang up.
const LINGER: Duration = Duration::from_secs(1);

/// Strangers may connect too.
const MOST_CONNECTIONS: usize = 64;

/// What the callback waits for.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The `state` of the authorization request.
    pub state: String,
    /// The last part of the short address.
    pub start: String,
    /// Where the short address leads: the authorization URL.
    pub url: String,
}

/// The beginning of the path of short addresses.
const START: &str = "/start/";

/// How the login ended, for the browser.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Tokens have come.
    SignedIn {
        /// The MCP server's host.
        host: String,
    },
    /// Anything else.
    Page(Page),
}

/// A listener at work. Dropping it closes everything.
#[derive(Debug)]
pub struct Callback {
    shared: Arc<Shared>,
    redirects: mpsc::Receiver<Redirect>,
    served: mpsc::Receiver<Infallible>,
    _accepting: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    settings: CallbackSettings,
    port: u16,
    expected: Expected,
    /// Taken by the first redirect: a code is for one use.
    redirects: Mutex<Option<mpsc::Sender<Redirect>>>,
    outcome: watch::Sender<Option<Outcome>>,
    /// A clone is held for each page that is still to be written; when all are gone, all are.
    serving: Mutex<Option<mpsc::Sender<Infallible>>>,
}

impl Listener {
    /// Begins to answer. Needs a runtime.
    pub fn serve(self, expected: Expected) -> std::io::Result<Callback> {
        let (redirects_in, redirects) = mpsc::channel(1);
        let (serving, served) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            settings: self.settings,
            port: self.port,
            expected,
            redirects: Mutex::new(Some(redirects_in)),
            outcome: watch::Sender::new(None),
            serving: Mutex::new(Some(serving)),
        });
        let mut accepting = JoinSet::new();
        for socket in self.sockets {
            task::spawn_in(&mut accepting, accept(tokio_listener(socket)?, shared.clone()));
        }
        Ok(Callback { shared, redirects, served, _accepting: accepting })
    }
}

fn tokio_listener(socket: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::from_std(socket)
}

/// The short address of a login whose callback, in whichever process, has this port.
pub(super) fn start_url(port: u16, start: &str) -> String {
    format!("http://127.0.0.1:{port}{START}{start}")
}

impl Callback {
    /// A short address on this machine that leads to the authorization URL: it fits on a line of a terminal.
    pub fn start_url(&self) -> String {
        start_url(self.shared.port, &self.shared.expected.start)
    }

    /// The one redirect that has our `state`. Waits for ever; dropping the wait loses nothing.
    pub async fn redirected(&mut self) -> Redirect {
        match self.redirects.recv().await {
            Some(redirect) => redirect,
            None => std::future::pending().await,
        }
    }

    /// Gives the browser its page, and closes. Does not wait long.
    pub async fn answer(mut self, outcome: Outcome) {
        self.shared.outcome.send_replace(Some(outcome));
        self.shared.serving.lock().take();
        tokio::time::timeout(PAGE_LIMIT, self.served.recv()).await.ok();
    }
}

async fn accept(socket: tokio::net::TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut silent: VecDeque<(AbortHandle, Arc<AtomicBool>)> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((connection, _)) => {
                    if connections.len() >= MOST_CONNECTIONS {
                        silent.retain(|(task, heard)| !task.is_finished() && !heard.load(Ordering::Relaxed));
                        // Whoever has said nothing for longest is the least likely to be the browser with the code.
                        let Some((task, _)) = silent.pop_front() else { continue };
                        task.abort();
                    }
                    let heard = Arc::new(AtomicBool::new(false));
                    let task = task::spawn_in(&mut connections, serve(connection, shared.clone(), heard.clone()));
                    silent.push_back((task, heard));
                    if silent.len() > 2 * MOST_CONNECTIONS {
                        silent.retain(|(task, _)| !task.is_finished());
                    }
                }
                // Out of descriptors, most likely: they come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut connection: TcpStream, shared: Arc<Shared>, heard: Arc<AtomicBool>) {
    let read = tokio::time::timeout(HEADER_LIMIT, http1::read(&mut connection)).await;
    let Ok(Some(request)) = read else { return };
    heard.store(true, Ordering::Relaxed);
    let mut page_to_write = None;
    let (method, response) = match request {
        Ok(request) => (request.method().clone(), shared.respond(&request, &mut page_to_write).await),
        Err(status) => (Method::GET, plain(status, "this is no request that is understood here")),
    };
    let written = http1::write(&mut connection, &method, &response);
    let is_written = tokio::time::timeout(EXCHANGE_LIMIT, written).await.is_ok_and(|written| written.is_ok());
    // The page is out, or nobody wants it.
    drop(page_to_write);
    if is_written {
        tokio::time::timeout(LINGER, http1::linger(&mut connection)).await.ok();
    }
}

impl Shared {
    async fn respond(
        &self,
        request: &Request<()>,
        page_to_write: &mut Option<mpsc::Sender<Infallible>>,
    ) -> Response<Bytes> {
        if !self.is_for_us(request) {
            return plain(StatusCode::BAD_REQUEST, "this address is not served here");
        }
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here");
        }
        let path = request.uri().path();
        if let Some(start) = path.strip_prefix(START) {
            let known = redirect::is_same(start, &self.expected.start);
            return if known { see_other(&self.expected.url) } else { Page::Unknown.response() };
        }
        if path != self.settings.path {
            return plain(StatusCode::BAD_REQUEST, "there is nothing here");
        }
        let Some(redirect) = Redirect::parse(request.uri().query().unwrap_or_default(), &self.expected.state) else {
            log::info!("a request to the callback was none of this sign-in's; waiting goes on");
            return Page::Unknown.response();
        };
        page_to_write.clone_from(&self.serving.lock());
        // A browser that asks twice, as some do, gets the same page twice.
        if let Some(redirects) = self.redirects.lock().take() {
            redirects.try_send(redirect).ok();
        }
        self.outcome().await
    }

    async fn outcome(&self) -> Response<Bytes> {
        let mut outcomes = self.outcome.subscribe();
        let outcome = tokio::time::timeout(EXCHANGE_LIMIT, outcomes.wait_for(Option::is_some)).await;
        match outcome.ok().and_then(Result::ok).and_then(|outcome| outcome.clone()) {
            Some(Outcome::SignedIn { host }) => match &self.settings.success_url {
                Some(url) => see_other(url.as_str()),
                None => Page::SignedIn { host }.response(),
            },
            Some(Outcome::Page(page)) => page.response(),
            None => Page::Unfinished.response(),
        }
    }

    /// Whether the request calls us by a name of ours. A page of a stranger's can have a name that leads to 127.0.0.1,
    /// but it cannot have its browser call that name `localhost`.
    fn is_for_us(&self, request: &Request<()>) -> bool {
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

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    guard(&mut response);
    response
}

fn see_other(url: &str) -> Response<Bytes> {
    let Ok(location) = HeaderValue::from_str(url) else { return Page::Unknown.response() };
    let mut response = plain(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(LOCATION, location);
    response
}

#[cfg(test)]
mod tests;
