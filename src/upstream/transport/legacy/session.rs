//! Which session is open with a legacy server? One after the other: a session that the server has lost is opened anew
//! with the client's own handshake.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use tokio::sync::watch;

use super::exchange::{only_answer, post_notification, post_request};
use crate::log;
use crate::message::{Initialize, Kind, Message};
use crate::task;
use crate::upstream::Failure;
use crate::upstream::exchange::response::{Body, error_response, read_body};
use crate::upstream::exchange::{Sent, post_headers};
use crate::upstream::transport::link::Link;
use crate::upstream::transport::open_error::{OpenError, SECRET_ID};
use crate::upstream::transport::session_headers::{PROTOCOL_VERSION, SESSION_ID, SessionHeaders};
use crate::upstream::transport::session_state::Sending;

/// How long a request on which the server may have questions waits for the GET stream, at most: many servers ask them
/// there, and a server that has no such stream yet cannot ask, and waits for ever. The least is for a server nearby,
/// which needs more time than its round trip.
const GET_STREAM: Duration = Duration::from_secs(1);
const LEAST_FOR_GET_STREAM: Duration = Duration::from_millis(100);

/// The session of a [`LegacyTransport`](super::LegacyTransport).
pub(super) struct LegacySession {
    pub(super) link: Arc<Link>,
    /// Changed by the task that opens a session anew; read by every request, and watched by the task that reads the GET
    /// stream, which moves on to each new session.
    pub(super) headers: watch::Sender<Arc<SessionHeaders>>,
    /// Held by the one task that opens a session anew. The others wait, and find it done or learn why it has failed.
    reopening: Arc<tokio::sync::Mutex<Option<(Instant, Failure)>>>,
    /// Changed by the task that reads the GET stream; requests wait for it.
    pub(super) get_stream: watch::Sender<GetStream>,
}

/// The state of the GET stream, on which the server may send requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GetStream {
    Closed,
    /// The server is sent the GET. Requests wait for the response until this time.
    Requested(Instant),
    /// The server gets the GET before all that is sent from now on, and has not answered it.
    Ahead,
    Open,
}

/// POSTs `initialize` outside of any session, and reads from the response how requests in the session are sent.
pub(super) async fn initialize(
    link: &Arc<Link>,
    initialize: &Message,
    generation: u64,
    patience: Duration,
) -> Result<(SessionHeaders, Message), OpenError> {
    let sender = &link.sender;
    let body = initialize.text().clone();
    let Sent { response, moved } = sender.send(Method::POST, &sender.uri, &post_headers(), body, patience).await?;
    let status = response.status();
    if !status.is_success() {
        let error = error_response(sender, response, false).await?;
        return Err(OpenError::Error(status, error.with_id(initialize.raw_id().unwrap_or("null"))));
    }
    // An empty id is none: no request could be told from one without a session.
    let session_id = response.headers().get(SESSION_ID).filter(|id| !id.as_bytes().trim_ascii().is_empty()).cloned();
    session_id.iter().filter_map(|id| id.to_str().ok()).filter(|id| id.len() >= SECRET_ID).for_each(log::hide);
    let body = read_body(sender, response).await?;
    let uri = moved.unwrap_or_else(|| sender.uri.clone());
    if let (Body::Events(_), Some(id)) = (&body, &session_id) {
        link.handshake.set_early(SessionHeaders::new(generation, uri.clone(), &[(SESSION_ID, id.clone())]));
    }
    let answer = only_answer(link, body, initialize).await?;
    if let Kind::Response { is_error: true, .. } = answer.kind() {
        return Err(OpenError::Error(status, answer));
    }
    let revision = Initialize::result(&answer).and_then(|result| result.protocol_version);
    let revision = revision.or_else(|| Initialize::params(initialize)?.protocol_version);
    let revision = revision.and_then(|revision| HeaderValue::try_from(revision).ok());
    let mut own = Vec::new();
    own.extend(session_id.map(|id| (SESSION_ID, id)));
    own.extend(revision.map(|revision| (PROTOCOL_VERSION, revision)));
    let headers = SessionHeaders::new(generation, uri, &own);
    let kind = if headers.has_session() { "stateful" } else { "stateless" };
    log::info!("session opened with {} ({kind})", sender.host);
    Ok((headers, answer))
}

impl LegacySession {
    pub(super) fn new(link: &Arc<Link>, headers: SessionHeaders) -> Arc<Self> {
        Arc::new(Self {
            link: Arc::clone(link),
            headers: watch::Sender::new(Arc::new(headers)),
            reopening: Arc::default(),
            get_stream: watch::Sender::new(GetStream::Closed),
        })
    }

    pub(super) fn headers(&self) -> Arc<SessionHeaders> {
        Arc::clone(&self.headers.borrow())
    }

    /// The state of the GET stream when the server is sent the GET. Requests wait for about two round trips to the
    /// server; one that has not been measured counts as the time of an `exchange` with it. They do not wait where the
    /// server has nothing to ask.
    pub(super) fn requested(&self, headers: &SessionHeaders, exchange: Duration) -> GetStream {
        if !self.link.handshake.takes_requests() {
            return GetStream::Closed;
        }
        let round_trip = self.link.sender.round_trip(&headers.uri).unwrap_or(exchange);
        GetStream::Requested(Instant::now() + (round_trip.saturating_mul(2)).clamp(LEAST_FOR_GET_STREAM, GET_STREAM))
    }

    /// The GET has been given to its connection.
    pub(super) fn note_sent_get(&self, headers: &SessionHeaders) {
        if self.link.sender.is_shared(&headers.uri) {
            self.end_wait(GetStream::Ahead);
        }
    }

    /// Requests no longer wait for the GET stream, if they did.
    pub(super) fn end_wait(&self, now: GetStream) {
        self.get_stream.send_if_modified(|state| {
            let is_waited_for = matches!(state, GetStream::Requested(_));
            if is_waited_for {
                *state = now;
            }
            is_waited_for
        });
    }

    /// Opens a new session in place of the one of this generation, and notifies the client that its lists may have
    /// changed. However many requests find the session lost at once, one opens it anew.
    pub(super) async fn reopen(self: &Arc<Self>, lost: u64) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut last_attempt = Arc::clone(&self.reopening).lock_owned().await;
        if self.headers().generation != lost {
            return Ok(());
        }
        if let Some((_, failure)) = last_attempt.as_ref().filter(|(at, _)| *at >= begun) {
            return Err(failure.clone());
        }
        // A task of its own: a request that is cancelled must not leave a session half open.
        let session = Arc::clone(self);
        let reopening = task::spawn(async move {
            let reopened = session.open_next(lost + 1).await;
            *last_attempt = reopened.as_ref().err().map(|failure| (Instant::now(), failure.clone()));
            reopened
        });
        reopening.await.unwrap_or(Err(Failure::Panicked))
    }

    async fn open_next(&self, generation: u64) -> Result<(), Failure> {
        let link = &self.link;
        let Some(request) = link.handshake.initialize() else {
            return Err(Failure::Broken("the session is lost, and there is no initialize to repeat".to_owned()));
        };
        log::info!("{} has lost the session; opening a new one", link.sender.host);
        let (headers, answer) = initialize(link, &request, generation, link.sender.patience).await?;
        let headers = Arc::new(headers);
        let begun = Instant::now();
        if let Some(initialized) = link.handshake.initialized() {
            post_notification(link, &headers, &initialized).await?;
        }
        let exchange = begun.elapsed();
        let in_new_session = |request: Message| -> Sending<'_> {
            let headers = Arc::clone(&headers);
            Box::pin(async move { Ok(post_request(link, &headers, &request).await?.outcome) })
        };
        link.replay_state(&in_new_session).await;
        self.headers.send_replace(Arc::clone(&headers));
        // The task that reads the GET stream moves on to the new session at once, unless it waits for something else.
        self.get_stream.send_if_modified(|state| {
            let moves_on = *state == GetStream::Open;
            if moves_on {
                *state = self.requested(&headers, exchange);
            }
            moves_on
        });
        link.session_replaced(Initialize::result(&answer));
        Ok(())
    }
}
