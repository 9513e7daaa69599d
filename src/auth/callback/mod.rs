//! How does the browser come back after a login?
//!
//! A loopback server waits for one request: GET, our path, a host name of ours, our `state`. Any other request gets an
//! error page and does not end the wait. The request with the right `state` gets its page only after the code was
//! exchanged for tokens, so that a page which says "signed in" is true. A browser that does not read its page delays
//! nothing for long.

mod listener;
mod redirect;
mod server;
mod settings;
mod start;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::page::Page;
use crate::task;

pub(super) use listener::{CallbackError, Listener};
pub(super) use redirect::Redirect;
pub(super) use server::ExpectedRedirect;
pub use settings::CallbackSettings;
pub(super) use start::{Purpose, start_url};

/// How long the end of a login waits until the browser has its page.
const PAGE_LIMIT: Duration = Duration::from_secs(2);

/// A callback server at work. Dropping it closes all its connections.
#[derive(Debug)]
pub(super) struct Callback {
    responder: Arc<server::Responder>,
    redirects: mpsc::Receiver<Redirect>,
    pages_written: mpsc::Receiver<Infallible>,
    _accepting: JoinSet<()>,
}

impl Callback {
    /// Starts the server. Needs a runtime.
    pub(super) fn start(listener: Listener, expected: &ExpectedRedirect) -> std::io::Result<Self> {
        let (responder, redirects, pages_written) = server::Responder::new(listener.settings, listener.port, expected);
        let responder = Arc::new(responder);
        let mut accepting = JoinSet::new();
        for socket in listener.sockets {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            task::spawn_in(&mut accepting, server::accept(socket, responder.clone()));
        }
        Ok(Self { responder, redirects, pages_written, _accepting: accepting })
    }

    /// Sets where the short addresses lead from now on.
    pub(super) fn set_url(&self, url: &str) {
        self.responder.start.set_url(url);
    }

    /// The redirect with our `state`. Waits without limit; dropping the wait loses nothing.
    pub(super) async fn redirected(&mut self) -> Redirect {
        match self.redirects.recv().await {
            Some(redirect) => redirect,
            None => std::future::pending().await,
        }
    }

    /// Which short addresses are opened, each time that another one is.
    pub(super) fn opened(&self) -> watch::Receiver<u64> {
        let mut opened = self.responder.start.opened.subscribe();
        // The browser may have been quicker than us.
        if *opened.borrow() != 0 {
            opened.mark_changed();
        }
        opened
    }

    /// Sends the browser its page, and closes. Waits a short time for the browser.
    pub(super) async fn respond(mut self, page: Page) {
        self.responder.page.send_replace(Some(page));
        self.responder.pages.lock().take();
        tokio::time::timeout(PAGE_LIMIT, self.pages_written.recv()).await.ok();
    }
}

#[cfg(test)]
mod tests;
