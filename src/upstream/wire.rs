//! What does a session speak? Which transport it was opened on; what became of the `initialize` that opened it, or did
//! not.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::{Outcome, http_sse, legacy, modern};
use crate::log;
use crate::message::Message;
use crate::upstream::Failure;

/// How long requests wait for the server to take `initialized`.
const INITIALIZED: Duration = Duration::from_secs(5);

/// A session's id of at least this many bytes opens the session to whoever has it, and must not be told. A shorter one
/// is a word.
pub(super) const SECRET_ID: usize = 12;

/// A transport on which a session is open.
#[derive(Clone)]
pub(super) enum Wire {
    Legacy(Arc<legacy::Session>),
    HttpSse(Arc<http_sse::Session>),
    /// None, but a legacy client takes it for one.
    Modern(Arc<modern::Session>),
}

/// The client's `initialize`, answered.
pub(super) struct Opened {
    pub(super) wire: Wire,
    /// A result.
    pub(super) answer: Message,
}

/// Why there is no session.
pub(super) enum NotOpened {
    /// The server's JSON-RPC error, and the status it came with.
    Error(StatusCode, Message),
    /// Anything else.
    Failure(Failure),
}

impl From<Failure> for NotOpened {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Wire {
    /// Whether this is that very session.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Legacy(this), Self::Legacy(other)) => Arc::ptr_eq(this, other),
            (Self::HttpSse(this), Self::HttpSse(other)) => Arc::ptr_eq(this, other),
            (Self::Modern(this), Self::Modern(other)) => Arc::ptr_eq(this, other),
            _ => false,
        }
    }

    pub(super) fn is_modern(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    pub(super) async fn request(&self, message: &Message) -> Result<Outcome, Failure> {
        match self {
            Self::Legacy(session) => session.request(message).await,
            // Boxed, or the size of the largest would be that of each: a request's future is moved into its task.
            Self::HttpSse(session) => Box::pin(session.request(message)).await,
            Self::Modern(session) => Box::pin(session.request(message)).await,
        }
    }

    /// Carries a request of our own without opening another session for it.
    pub(super) async fn ask_once(&self, message: &Message) -> Result<Outcome, Failure> {
        match self {
            Self::Legacy(session) => session.ask_once(message).await,
            Self::HttpSse(session) => session.ask_once(message).await,
            Self::Modern(session) => session.request(message).await,
        }
    }

    pub(super) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        match self {
            Self::Legacy(session) => session.notify(message).await,
            Self::HttpSse(session) => session.notify(message).await,
            Self::Modern(session) => session.notify(message).await,
        }
    }

    /// Tells the server that the client is initialized, and begins to listen to it.
    pub(super) async fn initialized(&self, message: &Message) {
        match tokio::time::timeout(INITIALIZED, self.notify(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => log::warn!("the server did not take notifications/initialized: {failure}"),
            Err(_) => log::warn!("the server does not say whether it took notifications/initialized; going on"),
        }
        match self {
            Self::Legacy(session) => session.listen(),
            Self::HttpSse(_) => {}
            Self::Modern(session) => session.listen(),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Legacy(session) => session.close().await,
            Self::HttpSse(session) => session.close(),
            Self::Modern(session) => session.close().await,
        }
    }
}
