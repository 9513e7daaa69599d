//! The GET stream: what the server says unasked.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};

use super::exchange::LAST_EVENT_ID;
use super::{Hearing, Session, Terms};
use crate::log;
use crate::message::Message;
use crate::net::SseError;
use crate::upstream::Failure;
use crate::upstream::answer::{self, Body, EventStream};
use crate::upstream::backoff::Backoff;
use crate::upstream::send::Sent;

/// What a GET was answered with. Taken apart where it is made, so its size costs nothing.
#[allow(clippy::large_enum_variant)]
enum Heard {
    Stream(EventStream),
    /// The server has no such stream: 405 says for good, anything else for this session.
    Nothing {
        for_good: bool,
    },
    /// The session is gone.
    Lost,
    /// Perhaps next time.
    Later,
}

/// Listens for as long as the session lives, through any outage, and on to each session that replaces it.
pub(super) async fn listen(session: Arc<Session>) {
    let mut terms = session.terms();
    let mut position = Position::default();
    loop {
        let heard = position.connect(&session, &terms).await;
        session.hearing.send_replace(match heard {
            Heard::Stream(_) => Hearing::Stream,
            _ => Hearing::Nothing,
        });
        match heard {
            Heard::Stream(events) => {
                position.has_worked = true;
                if !position.follow(&session, &terms, events).await {
                    session.hearing.send_replace(Hearing::Nothing);
                    tokio::time::sleep(position.delay).await;
                }
            }
            Heard::Nothing { for_good: true } => return,
            Heard::Nothing { for_good: false } => {
                let mut changes = session.terms.subscribe();
                if changes.wait_for(|now| now.generation != terms.generation).await.is_err() {
                    return;
                }
            }
            Heard::Lost => {
                if let Err(failure) = session.renew(terms.generation).await {
                    log::info!("no new session yet: {failure}");
                    tokio::time::sleep(position.backoff.next()).await;
                }
            }
            Heard::Later => tokio::time::sleep(position.backoff.next()).await,
        }
        let now = session.terms();
        if now.generation != terms.generation {
            position.last_event_id = None;
            position.has_worked = false;
            terms = now;
        }
    }
}

/// How far we have listened, and how patient we have become.
struct Position {
    last_event_id: Option<String>,
    /// In this session a GET has opened a stream, so that a refusal now means something else than that there is none.
    has_worked: bool,
    backoff: Backoff,
    delay: Duration,
}

impl Default for Position {
    fn default() -> Self {
        Self {
            last_event_id: None,
            has_worked: false,
            backoff: Backoff::new(Duration::from_secs(1)),
            delay: Duration::ZERO,
        }
    }
}

impl Position {
    async fn connect(&self, session: &Session, terms: &Terms) -> Heard {
        let sender = &session.context.sender;
        let mut headers = terms.get.clone();
        if let Some(id) = self.last_event_id.as_ref().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        let sent = sender.send(Method::GET, &terms.uri, &headers, bytes::Bytes::new(), Duration::ZERO).await;
        let response = match sent {
            Ok(Sent { response, .. }) => response,
            Err(failure) => {
                log::debug!("the GET stream is not open: {failure}");
                return Heard::Later;
            }
        };
        let status = response.status();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            return Heard::Nothing { for_good: !self.has_worked };
        }
        if status.is_success() {
            if !answer::is(response.headers(), "text/event-stream") {
                return Heard::Nothing { for_good: false };
            }
            return match answer::body(sender, response).await {
                Ok(Body::Events(events)) => Heard::Stream(events),
                _ => Heard::Later,
            };
        }
        let may_pass = status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429);
        let refused = answer::refusal(sender, response, terms.has_session()).await;
        match refused {
            Err(Failure::SessionLost { .. }) if self.has_worked => Heard::Lost,
            _ if may_pass => Heard::Later,
            _ => Heard::Nothing { for_good: false },
        }
    }

    /// Delivers what a stream says until it ends. True if the session was renewed meanwhile: the new one's stream is
    /// opened at once.
    async fn follow(&mut self, session: &Session, terms: &Terms, mut events: EventStream) -> bool {
        let mut changes = session.terms.subscribe();
        let mut in_order = true;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = changes.wait_for(|now| now.generation != terms.generation) => return true,
            };
            match event {
                Some(Ok(event)) if event.data.is_empty() => {}
                Some(Ok(event)) => match Message::parse(event.data) {
                    Ok(message) => {
                        // Not the 200 that opened it: a server may say that and hang up, again and again.
                        self.backoff.reset();
                        session.context.client.deliver(message).await;
                    }
                    Err(error) => log::warn!("the server sent an event that is {error}; it is dropped"),
                },
                Some(Err(error @ SseError::TooLong { .. })) => {
                    session.context.client.too_long(session.context.sender.host(), &error);
                }
                Some(Err(SseError::Broken(cause))) => {
                    log::debug!("the GET stream broke: {cause}");
                    in_order = false;
                    break;
                }
                None => break,
            }
        }
        if let Some(id) = events.last_event_id() {
            self.last_event_id = Some(id);
        }
        self.delay = self.backoff.after_stream(events.retry(), in_order);
        false
    }
}
