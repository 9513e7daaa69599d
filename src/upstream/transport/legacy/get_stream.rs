//! How is the GET stream read, on which the server sends messages unasked? For as long as the session lives, through
//! any outage, and on to each session that takes its place.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};

use super::exchange::LAST_EVENT_ID;
use super::session::{GetStream, LegacySession};
use crate::log;
use crate::message::Message;
use crate::net::SseError;
use crate::upstream::Failure;
use crate::upstream::exchange::Sent;
use crate::upstream::exchange::backoff::{Backoff, is_passing, jitter};
use crate::upstream::exchange::response::{Body, EventStream, error_response, has_type, read_body};
use crate::upstream::transport::session_headers::SessionHeaders;

/// The first pause between two attempts to open the stream; later ones are longer.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The pause after a 409, and how many in a row are so short. A server that admits one stream takes a lost one for open
/// until it notices the loss: when its own system gives the connection up, or the end of it arrives late.
const OCCUPIED: Duration = Duration::from_secs(1);
const SHORT_PAUSES: u32 = 20;

/// What a GET was answered with. Taken apart where it is made, so its size costs nothing.
#[allow(clippy::large_enum_variant)]
enum GetResponse {
    Stream(EventStream),
    /// The server has no such stream: for good after a 405, else for this session.
    NoStream {
        for_good: bool,
    },
    /// A login can help. No login begins because of it: no client waits for the stream.
    LoginMissing(Failure),
    SessionLost,
    /// The server takes another stream for this session's.
    Occupied,
    /// Another attempt may go better.
    Unavailable,
}

/// Reads the stream, and opens it again whenever it ends.
pub(super) async fn read(session: Arc<LegacySession>) {
    let mut headers = session.headers();
    let mut reader = Reader::default();
    loop {
        let response = reader.connect(&session, &headers).await;
        session.get_stream.send_replace(match response {
            GetResponse::Stream(_) => GetStream::Open,
            _ => GetStream::Closed,
        });
        match response {
            GetResponse::Stream(events) => {
                reader.has_worked = true;
                reader.occupied = 0;
                if !reader.follow(&session, &headers, events).await {
                    session.get_stream.send_replace(GetStream::Closed);
                    tokio::time::sleep(reader.pause).await;
                }
            }
            GetResponse::NoStream { for_good: true } => return,
            GetResponse::NoStream { for_good: false } => {
                let mut changes = session.headers.subscribe();
                if changes.wait_for(|now| now.generation != headers.generation).await.is_err() {
                    return;
                }
            }
            GetResponse::LoginMissing(failure) => {
                let mut changes = session.headers.subscribe();
                tokio::select! {
                    () = session.link.sender.wait_for_other_login(&failure) => {}
                    _ = changes.wait_for(|now| now.generation != headers.generation) => {}
                }
            }
            GetResponse::SessionLost => {
                if let Err(failure) = session.reopen(headers.generation).await {
                    log::info!("no new session yet: {failure}");
                    tokio::time::sleep(reader.backoff.next()).await;
                }
            }
            GetResponse::Occupied => {
                reader.occupied += 1;
                let pause = if reader.occupied > SHORT_PAUSES { reader.backoff.next() } else { jitter(OCCUPIED, 0.5) };
                tokio::time::sleep(pause).await;
            }
            GetResponse::Unavailable => tokio::time::sleep(reader.backoff.next()).await,
        }
        let now = session.headers();
        if now.generation != headers.generation {
            reader.last_event_id = None;
            reader.has_worked = false;
            headers = now;
        }
    }
}

/// How far the stream was read, and how long the next pause is.
struct Reader {
    last_event_id: Option<String>,
    /// A GET has opened a stream in this session, so that an error now means something else than that there is none.
    has_worked: bool,
    /// How many GETs in a row met a stream that the server takes for open.
    occupied: u32,
    backoff: Backoff,
    pause: Duration,
}

impl Default for Reader {
    fn default() -> Self {
        let backoff = Backoff::new(FIRST_PAUSE);
        Self { last_event_id: None, has_worked: false, occupied: 0, backoff, pause: Duration::ZERO }
    }
}

impl Reader {
    async fn connect(&self, session: &LegacySession, headers: &SessionHeaders) -> GetResponse {
        let sender = &session.link.sender;
        let mut get = headers.get.clone();
        if let Some(id) = self.last_event_id.as_ref().and_then(|id| HeaderValue::from_str(id).ok()) {
            get.insert(LAST_EVENT_ID, id);
        }
        let note = || session.note_sent_get(headers);
        let sent =
            sender.send_and_note(Method::GET, &headers.uri, &get, Bytes::new(), Duration::ZERO, Some(&note)).await;
        let response = match sent {
            Ok(Sent { response, .. }) => response,
            Err(failure) => {
                log::debug!("the GET stream is not open: {failure}");
                return GetResponse::Unavailable;
            }
        };
        let status = response.status();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            return GetResponse::NoStream { for_good: !self.has_worked };
        }
        if status.is_success() {
            if !has_type(response.headers(), "text/event-stream") {
                return GetResponse::NoStream { for_good: false };
            }
            return match read_body(sender, response).await {
                Ok(Body::Events(events)) => GetResponse::Stream(events),
                _ => GetResponse::Unavailable,
            };
        }
        match error_response(sender, response, headers.has_session()).await {
            Err(Failure::SessionLost { .. }) if self.has_worked => GetResponse::SessionLost,
            Err(failure) if failure.wants_login() => GetResponse::LoginMissing(failure),
            _ if status == StatusCode::CONFLICT => GetResponse::Occupied,
            _ if is_passing(status) => GetResponse::Unavailable,
            _ => GetResponse::NoStream { for_good: false },
        }
    }

    /// Delivers the messages of a stream until it ends. True if a new session took the place of this one meanwhile: its
    /// stream is opened at once.
    async fn follow(&mut self, session: &LegacySession, headers: &SessionHeaders, mut events: EventStream) -> bool {
        let link = &session.link;
        let mut changes = session.headers.subscribe();
        let mut in_order = true;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = changes.wait_for(|now| now.generation != headers.generation) => return true,
            };
            match event {
                Some(Ok(event)) if event.data.is_empty() => {}
                Some(Ok(event)) => match Message::received(event.data) {
                    Ok(message) => {
                        // Not at the 200 that opened it: a server may send that and hang up, again and again.
                        self.backoff.reset();
                        link.client.deliver(message).await;
                    }
                    Err(error) => log::warn!("the server sent an event that is {error}; it is dropped"),
                },
                Some(Err(error @ SseError::TooLong { .. })) => link.client.drop_too_long(&link.sender.host, &error),
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
        self.pause = self.backoff.after_stream(events.retry(), in_order);
        false
    }
}
