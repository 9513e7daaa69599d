//! Which response does a request to the callback server get?

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::redirect::Redirect;
use super::settings::{CallbackSettings, START};
use crate::auth::crypto::is_equal;
use crate::auth::page::{Page, set_headers};
use crate::log;

/// How long a browser waits for the exchange of its code.
pub(super) const EXCHANGE_LIMIT: Duration = Duration::from_secs(60);

/// What the callback server waits for.
#[derive(Debug, Clone)]
pub(in crate::auth) struct ExpectedRedirect {
    /// The `state` of the authorization request.
    pub state: String,
    /// The last part of the short address.
    pub start: String,
    /// The authorization URL, to which the short address redirects.
    pub url: String,
}

/// Answers the requests of all connections.
#[derive(Debug)]
pub(super) struct Responder {
    settings: CallbackSettings,
    port: u16,
    expected: ExpectedRedirect,
    /// The first redirect takes the sender, because a code can be used once. All connections share it.
    redirects: Mutex<Option<mpsc::Sender<Redirect>>>,
    /// The page that shows how the login ended. The login sets it once; each connection with a redirect waits for it.
    page: watch::Sender<Option<Page>>,
    /// Each connection with a redirect holds a clone until its page is written. The login drops this one when it sets
    /// the page, and then waits until all clones are gone.
    pages: Mutex<Option<mpsc::Sender<Infallible>>>,
}

impl Responder {
    /// Also returns the receiver of the redirect, and the one that closes when all pages are written.
    pub(super) fn new(
        settings: CallbackSettings,
        port: u16,
        expected: ExpectedRedirect,
    ) -> (Self, mpsc::Receiver<Redirect>, mpsc::Receiver<Infallible>) {
        let (redirects, redirected) = mpsc::channel(1);
        let (pages, pages_written) = mpsc::channel(1);
        let (redirects, pages) = (Mutex::new(Some(redirects)), Mutex::new(Some(pages)));
        let responder = Self { settings, port, expected, redirects, page: watch::Sender::new(None), pages };
        (responder, redirected, pages_written)
    }

    pub(super) fn set_page(&self, page: Page) {
        self.page.send_replace(Some(page));
        self.pages.lock().take();
    }

    /// `writing`: the connection keeps what is put there until it has written the response.
    pub(super) async fn respond(
        &self,
        request: &Request<()>,
        writing: &Mutex<Option<mpsc::Sender<Infallible>>>,
    ) -> Response<Bytes> {
        if !self.has_our_host(request) {
            return plain(StatusCode::BAD_REQUEST, "this server has another address");
        }
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "this server answers only GET");
        }
        let path = request.uri().path();
        if let Some(start) = path.strip_prefix(START) {
            let known = is_equal(start, &self.expected.start);
            return if known { see_other(&self.expected.url) } else { Page::Unknown.response() };
        }
        if path != self.settings.path {
            return plain(StatusCode::BAD_REQUEST, "there is nothing here");
        }
        let Some(redirect) = Redirect::parse(request.uri().query().unwrap_or_default(), &self.expected.state) else {
            log::info!("a request to the callback does not belong to this login; still waiting");
            return Page::Unknown.response();
        };
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

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    set_headers(&mut response);
    response
}

fn see_other(url: &str) -> Response<Bytes> {
    let Ok(location) = HeaderValue::from_str(url) else { return Page::Unknown.response() };
    let mut response = plain(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(LOCATION, location);
    response
}
