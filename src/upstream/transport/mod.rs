//! How does a session reach the server? By one of three transports, all on one [`Link`]. A transport knows nothing of
//! what stands on it: it returns what came of an opening or of a request, and the session decides what that means.

mod capabilities;
mod handshake;
pub(super) mod http_sse;
pub(super) mod legacy;
mod link;
pub(super) mod modern;
mod open_error;
pub(super) mod session_headers;
mod session_state;

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::log;
use crate::message::Message;
use crate::upstream::Failure;
use crate::upstream::exchange::Reply;
use http_sse::HttpSseTransport;
use legacy::LegacyTransport;
use modern::ModernTransport;

pub(super) use capabilities::{Capabilities, List, Page};
pub(super) use link::Link;
pub(super) use open_error::OpenError;
pub(super) use session_state::Sending;

/// How long requests wait for the server to take `initialized`.
const INITIALIZED: Duration = Duration::from_secs(5);

/// A transport on which a session is open. Cheap to clone.
#[derive(Clone)]
pub(super) enum Transport {
    Legacy(Arc<LegacyTransport>),
    HttpSse(Arc<HttpSseTransport>),
    /// The modern era has no sessions; this stands in for one.
    Modern(Arc<ModernTransport>),
}

/// An opened session: the client's `initialize` has its result.
pub(super) struct Opened {
    pub(super) transport: Transport,
    pub(super) answer: Message,
}

impl Transport {
    /// Whether both are the same transport.
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

    /// Carries a request or a batch. A session that has expired is opened anew for it, once.
    pub(super) async fn request(&self, message: &Message) -> Result<Reply, Failure> {
        match self {
            Self::Legacy(transport) => transport.request(message).await,
            // Boxed, or the size of the largest would be that of each: a request's future is moved into its task.
            Self::HttpSse(transport) => Box::pin(transport.request(message)).await.map(Reply::ok),
            Self::Modern(transport) => Box::pin(transport.request(message)).await.map(Reply::ok),
        }
    }

    /// Carries a request of the bridge's own, without opening another session for it.
    pub(super) async fn request_once(&self, message: &Message) -> Result<Reply, Failure> {
        match self {
            Self::Legacy(transport) => transport.request_once(message).await,
            Self::HttpSse(transport) => transport.request_once(message).await.map(Reply::ok),
            Self::Modern(transport) => transport.request(message).await.map(Reply::ok),
        }
    }

    pub(super) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        match self {
            Self::Legacy(transport) => transport.notify(message).await,
            Self::HttpSse(transport) => transport.notify(message).await,
            Self::Modern(transport) => transport.notify(message).await,
        }
    }

    /// Whether requests wait until the server has taken `initialized`.
    pub(super) fn waits_for_initialized(&self) -> bool {
        match self {
            Self::Legacy(transport) => transport.waits_for_initialized(),
            Self::HttpSse(_) => true,
            // The modern era has no such notification, so that nothing is waited for.
            Self::Modern(_) => true,
        }
    }

    /// Notifies the server that the client is initialized, and begins to listen for messages of the server. An error:
    /// the server may take the notification after a login.
    pub(super) async fn initialized(&self, message: &Message) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut notifying = pin!(tokio::time::timeout(INITIALIZED, self.notify(message)));
        let notified = tokio::select! {
            biased;
            notified = &mut notifying => Some(notified),
            () = ready(()), if !self.waits_for_initialized() => None,
        };
        match self {
            Self::Legacy(transport) => transport.listen(begun.elapsed()),
            Self::HttpSse(_) => {}
            Self::Modern(transport) => transport.listen(),
        }
        let notified = match notified {
            Some(notified) => notified,
            None => notifying.await,
        };
        match notified {
            Ok(Err(failure)) if failure.wants_login() => return Err(failure),
            Ok(Err(failure)) => log::warn!("the server did not take notifications/initialized: {failure}"),
            Err(_) => log::warn!("the server does not answer the POST of notifications/initialized; going on"),
            Ok(Ok(())) => {}
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Legacy(transport) => transport.close().await,
            Self::HttpSse(transport) => transport.close(),
            Self::Modern(transport) => transport.close().await,
        }
    }
}
