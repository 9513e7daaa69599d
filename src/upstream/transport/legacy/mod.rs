//! Streamable HTTP as of 2025-03-26, 2025-06-18 and 2025-11-25 ("Transports"): session id, GET stream, resumption, a
//! session opened anew, DELETE.

mod exchange;
mod get_stream;
mod session;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::link::Link;
use super::open_error::OpenError;
use super::session_headers::SessionHeaders;
use super::session_state::is_setting;
use crate::message::{Id, Kind, Message, cancelled_id};
use crate::task;
use crate::upstream::Failure;
use crate::upstream::exchange::Reply;
use exchange::{post_notification, post_request};
use session::{GetStream, LegacySession};

/// How long the DELETE at the end may take.
const DELETE: Duration = Duration::from_secs(1);

/// The transport of legacy servers.
pub(crate) struct LegacyTransport {
    session: Arc<LegacySession>,
    /// The task that reads the GET stream. The client's `initialized` starts it, the end stops it.
    listener: Mutex<Listener>,
    /// Requests that wait for the GET stream, and so have not been sent. They add and remove themselves; a cancellation
    /// looks here.
    unsent: Mutex<HashSet<Id>>,
}

#[derive(Default)]
enum Listener {
    #[default]
    NotStarted,
    Running(AbortHandle),
    /// After the DELETE there is nothing to GET.
    Closed,
}

/// Opens a session with the client's `initialize`. Returns its result too.
pub(crate) async fn open(link: &Arc<Link>, initialize: &Message) -> Result<(Arc<LegacyTransport>, Message), OpenError> {
    let (headers, answer) = session::initialize(link, initialize, 0, Duration::ZERO).await?;
    Ok((Arc::new(LegacyTransport::new(link, headers)), answer))
}

/// Takes the client's response to a request that the server sent before it answered `initialize`. `None`: the server
/// has not begun to answer it.
pub(crate) async fn notify_early(link: &Link, response: &Message) -> Option<Result<(), Failure>> {
    let headers = link.handshake.early()?;
    Some(post_notification(link, &headers, response).await)
}

impl LegacyTransport {
    fn new(link: &Arc<Link>, headers: SessionHeaders) -> Self {
        Self { session: LegacySession::new(link, headers), listener: Mutex::default(), unsent: Mutex::default() }
    }

    /// For a client that never initializes: every message stands alone.
    pub(crate) fn without_session(link: &Arc<Link>) -> Self {
        Self::new(link, SessionHeaders::new(0, link.sender.uri.clone(), &[]))
    }

    /// Whether the server has given the session an id.
    pub(crate) fn is_stateful(&self) -> bool {
        self.session.headers().has_session()
    }

    /// Whether requests wait until the server has taken `initialized`. In a session they must: a server of the Python
    /// SDK before 1.18 refuses a request that it gets together with the notification, one of the Rust SDK before 1.4
    /// ends the session if it reads the request first, and others do as well. A server that keeps no session takes
    /// each message for itself; behind the notification on the same connection, a request needs no answer to that.
    pub(crate) fn waits_for_initialized(&self) -> bool {
        let headers = self.session.headers();
        headers.has_session() || !self.session.link.sender.is_shared(&headers.uri)
    }

    /// Carries a request or a batch. A session that the server has lost is opened anew once: what was refused for lack
    /// of a session has not been carried out, so it may be sent again.
    pub(crate) async fn request(&self, message: &Message) -> Result<Reply, Failure> {
        // Boxed, as all that is rare: the future of a request is copied when its task is made.
        if matches!(*self.session.get_stream.borrow(), GetStream::Requested(_)) {
            Box::pin(self.wait_for_get_stream(message)).await;
        }
        let link = &self.session.link;
        let headers = self.session.headers();
        match post_request(link, &headers, message).await {
            // A translator sets the state of each session again: a session that is lost by that would be followed by
            // another without end. A request of the client will find it lost.
            Err(Failure::SessionLost { .. }) if link.session_state.is_some() || !is_setting(message) => {
                Box::pin(self.session.reopen(headers.generation)).await?;
                Box::pin(self.wait_for_get_stream(message)).await;
                post_request(link, &self.session.headers(), message).await
            }
            settled => settled,
        }
    }

    /// The same, but a lost session is not opened anew.
    pub(crate) async fn request_once(&self, message: &Message) -> Result<Reply, Failure> {
        post_request(&self.session.link, &self.session.headers(), message).await
    }

    /// POSTs a notification, or the client's response to a request of the server.
    pub(crate) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        // The request that this cancels has not been sent, and will not be.
        if cancelled_id(message).is_some_and(|id| self.unsent.lock().contains(&id)) {
            return Ok(());
        }
        let headers = self.session.headers();
        match post_notification(&self.session.link, &headers, message).await {
            Err(Failure::SessionLost { .. }) => {
                self.session.reopen(headers.generation).await?;
                post_notification(&self.session.link, &self.session.headers(), message).await
            }
            settled => settled,
        }
    }

    /// Begins to read the GET stream, unless that has begun or is over. `exchange`: how long the server took for a
    /// message of the client.
    pub(crate) fn listen(&self, exchange: Duration) {
        let mut listener = self.listener.lock();
        if matches!(*listener, Listener::NotStarted) {
            let requested = self.session.requested(&self.session.headers(), exchange);
            self.session.get_stream.send_replace(requested);
            let reading = get_stream::read(Arc::clone(&self.session));
            *listener = Listener::Running(task::spawn(reading).abort_handle());
        }
    }

    /// Waits for the server's response to the GET, if this is a request on which the server may have questions.
    async fn wait_for_get_stream(&self, request: &Message) {
        let state = &self.session.get_stream;
        let (Kind::Request { id, method }, GetStream::Requested(until)) = (request.kind(), *state.borrow()) else {
            return;
        };
        if !matches!(&**method, "tools/call" | "prompts/get" | "resources/read") {
            return;
        }
        let _unsent = Unsent::new(self, id);
        let mut changes = state.subscribe();
        let answered = changes.wait_for(|state| !matches!(state, GetStream::Requested(_)));
        if tokio::time::timeout_at(until.into(), answered).await.is_err() {
            // No other request waits for it either.
            self.session.end_wait(GetStream::Closed);
        }
    }

    /// Stops reading and deletes the session.
    pub(crate) async fn close(&self) {
        let listener = std::mem::replace(&mut *self.listener.lock(), Listener::Closed);
        if let Listener::Running(listener) = listener {
            listener.abort();
        }
        let headers = self.session.headers();
        if headers.has_session() {
            let sender = &self.session.link.sender;
            let delete = sender.send(Method::DELETE, &headers.uri, &headers.get, Bytes::new(), Duration::ZERO);
            // A server may refuse that (405) or be gone; the session is over in any case.
            drop(tokio::time::timeout(DELETE, delete).await);
        }
    }
}

/// A request that waits, for as long as it does.
struct Unsent<'a>(&'a LegacyTransport, Id);

impl<'a> Unsent<'a> {
    fn new(transport: &'a LegacyTransport, id: &Id) -> Self {
        transport.unsent.lock().insert(id.clone());
        Self(transport, id.clone())
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.0.unsent.lock().remove(&self.1);
    }
}
