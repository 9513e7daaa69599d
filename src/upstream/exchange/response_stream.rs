//! What does an event stream bring until the response that is awaited on it? Messages. An event that could not be read
//! may have been the response.

use std::time::Duration;

use futures_util::FutureExt;

use super::response::EventStream;
use super::{Sender, ToClient};
use crate::log;
use crate::message::{Id, Message};
use crate::net::{Event, SseError};
use crate::task;
use crate::upstream::Failure;

/// How long a stream may be silent after an event on it was lost that may have been the response.
const AFTER_LOSS: Duration = Duration::from_secs(5);

/// How long a stream may stay open after its response before it costs its connection.
const TRAILING: Duration = Duration::from_secs(5);

/// A stream on which a response is awaited.
pub(crate) struct ResponseStream<'a> {
    sender: &'a Sender,
    events: &'a mut EventStream,
    /// Why an event was lost that may have been the response. If the response comes all the same, it was not.
    lost: Option<Failure>,
}

/// How a stream ended without the response.
pub(crate) struct StreamEnd {
    pub(crate) failure: Failure,
    /// The server ended the stream in good order; else the stream broke.
    pub(crate) in_order: bool,
}

impl<'a> ResponseStream<'a> {
    pub(crate) fn new(sender: &'a Sender, events: &'a mut EventStream) -> Self {
        Self { sender, events, lost: None }
    }

    /// The next message. `is_awaited`: whether the awaited response has this id.
    pub(crate) async fn next(&mut self, is_awaited: &(dyn Fn(&Id) -> bool + Sync)) -> Result<Message, StreamEnd> {
        let host = &self.sender.host;
        loop {
            let event = self.next_event().await.map_err(|silent| self.end(silent, false))?;
            match event {
                Some(Ok(event)) if event.data.is_empty() => {}
                Some(Ok(event)) => {
                    // Some servers keep a stream alive with words of their own, which are no message.
                    let is_object = event.data.starts_with(b"{");
                    match Message::received(event.data) {
                        Ok(message) => return Ok(message),
                        Err(error) if is_object => {
                            log::warn!("{host} sent an event that is {error}; it is dropped");
                            self.lost = Some(Failure::Unusable(format!("{host} sent an event that is {error}")));
                        }
                        Err(error) => log::debug!("{host} sent an event that is {error}; it is ignored"),
                    }
                }
                Some(Err(error @ SseError::TooLong { .. })) => {
                    let failure = Failure::TooLarge(format!("{host}: {error}"));
                    let SseError::TooLong { answer_id, .. } = error else { continue };
                    if answer_id.is_some_and(|id| is_awaited(&Id::from_json(&id))) {
                        return Err(StreamEnd { failure, in_order: true });
                    }
                    self.lost = Some(failure);
                }
                Some(Err(SseError::Broken(cause))) => {
                    let broke = format!("the stream from {host} broke before the answer: {cause}");
                    return Err(self.end(Failure::Broken(broke), false));
                }
                None => {
                    let ended = format!("{host} ended the stream without the answer");
                    return Err(self.end(Failure::Broken(ended), true));
                }
            }
        }
    }

    /// The message at the end of a stream that has ended, where only the blank line after it is missing.
    pub(crate) fn unfinished(&mut self) -> Option<Message> {
        Message::received(self.events.unfinished()?.data).ok()
    }

    async fn next_event(&mut self) -> Result<Option<Result<Event, SseError>>, Failure> {
        let next = self.sender.next_part(self.events.next());
        match self.lost {
            Some(_) => tokio::time::timeout(AFTER_LOSS, next).await.unwrap_or_else(|_| Err(Failure::Ending)),
            None => next.await,
        }
    }

    fn end(&mut self, failure: Failure, in_order: bool) -> StreamEnd {
        StreamEnd { failure: self.lost.take().unwrap_or(failure), in_order }
    }
}

/// Lets a stream end by itself after its response, because a connection whose stream is cut off is lost to the next
/// request. Messages that still come are delivered, where there is a way to the client for them.
pub(crate) fn drain_trailing(mut events: EventStream, client: Option<ToClient>) {
    let first = events.next().now_or_never();
    if matches!(first, Some(None | Some(Err(_)))) {
        return;
    }
    drop(task::spawn(tokio::time::timeout(TRAILING, async move {
        let mut next = match first {
            Some(event) => event,
            None => events.next().await,
        };
        while let Some(Ok(event)) = next {
            if let (Some(client), Ok(message)) = (&client, Message::received(event.data)) {
                client.deliver(message).await;
            }
            next = events.next().await;
        }
    })));
}
