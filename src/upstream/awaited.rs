//! What does a stream bring until the answer that is awaited on it? Messages; what was lost on the way may have been
//! the answer.

use std::time::Duration;

use super::answer::EventStream;
use super::send::Sender;
use crate::log;
use crate::message::{Id, Message};
use crate::net::{Event, SseError};
use crate::upstream::Failure;

/// How long a stream may be silent after something on it was lost that may have been the answer.
const AFTER_LOSS: Duration = Duration::from_secs(5);

/// A stream that an answer is awaited on.
pub(super) struct Awaited<'a> {
    sender: &'a Sender,
    events: &'a mut EventStream,
    /// May have been the answer; if that comes all the same, it was not.
    lost: Option<Failure>,
}

/// How a stream ended without the answer.
pub(super) struct Ended {
    pub(super) failure: Failure,
    /// The server ended it as one ends a stream; else it broke.
    pub(super) in_order: bool,
}

impl<'a> Awaited<'a> {
    pub(super) fn new(sender: &'a Sender, events: &'a mut EventStream) -> Self {
        Self { sender, events, lost: None }
    }

    /// The next message. `is_awaited`: whether this is the id that the answer has.
    pub(super) async fn next(&mut self, is_awaited: &(dyn Fn(&Id) -> bool + Sync)) -> Result<Message, Ended> {
        let host = self.sender.host();
        loop {
            let said = self.said().await.map_err(|silent| self.ended(silent, false))?;
            match said {
                Some(Ok(event)) if event.data.is_empty() => {}
                Some(Ok(event)) => {
                    // Some keep a stream alive with words of their own, which are no message lost.
                    let meant = event.data.starts_with(b"{");
                    match Message::parse(event.data) {
                        Ok(message) => return Ok(message),
                        Err(error) if meant => {
                            log::warn!("{host} sent an event that is {error}; it is dropped");
                            self.lost = Some(Failure::Unusable(format!("{host} sent an event that is {error}")));
                        }
                        Err(error) => log::debug!("{host} sent an event that is {error}; it is passed over"),
                    }
                }
                Some(Err(SseError::TooLong { limit, answer_id })) => {
                    let failure = Failure::TooLarge(format!("{host} sent an event longer than {limit} bytes"));
                    if answer_id.is_some_and(|id| is_awaited(&Id::from_json(&id))) {
                        return Err(Ended { failure, in_order: true });
                    }
                    self.lost = Some(failure);
                }
                Some(Err(SseError::Broken(cause))) => {
                    let broke = format!("the stream from {host} broke before the answer: {cause}");
                    return Err(self.ended(Failure::Broken(broke), false));
                }
                None => {
                    let quiet = format!("{host} ended the stream without the answer");
                    return Err(self.ended(Failure::Broken(quiet), true));
                }
            }
        }
    }

    async fn said(&mut self) -> Result<Option<Result<Event, SseError>>, Failure> {
        let next = self.sender.listen(self.events.next());
        match self.lost {
            Some(_) => tokio::time::timeout(AFTER_LOSS, next).await.unwrap_or_else(|_| Err(Failure::Ending)),
            None => next.await,
        }
    }

    fn ended(&mut self, failure: Failure, in_order: bool) -> Ended {
        Ended { failure: self.lost.take().unwrap_or(failure), in_order }
    }
}
