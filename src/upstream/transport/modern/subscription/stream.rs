//! How is a stream of `subscriptions/listen` opened and read?

use crate::log;
use crate::message::Message;
use crate::upstream::Failure;
use crate::upstream::exchange::response::{Body, EventStream, error_response, no_body, read_body};
use crate::upstream::transport::modern::server::{Answered, ModernServer};

/// The response to a `subscriptions/listen`.
pub(super) enum ListenResponse {
    Stream(EventStream),
    Answer(Answered),
}

pub(super) async fn open(server: &ModernServer, request: &Message) -> Result<ListenResponse, Failure> {
    let sender = &server.link.sender;
    let response = server.send(request).await?.response;
    let status = response.status();
    if !status.is_success() {
        let error = Box::pin(error_response(sender, response, false)).await?;
        return Ok(ListenResponse::Answer(Answered::new(status, error)));
    }
    match read_body(sender, response).await? {
        Body::Events(events) => Ok(ListenResponse::Stream(events)),
        Body::Message(answer) => Ok(ListenResponse::Answer(Answered::new(status, answer))),
        Body::Nothing(status) => Err(no_body(&sender.host, status)),
    }
}

/// The next message, however long it takes: such a stream is silent for days. `None` at the end of the stream.
pub(super) async fn next_message(events: &mut EventStream) -> Option<Message> {
    loop {
        match events.next().await? {
            Ok(event) if event.data.is_empty() => {}
            Ok(event) => match Message::received(event.data) {
                Ok(message) => return Some(message),
                Err(error) => log::warn!("the server sent an event that is {error}; it is dropped"),
            },
            Err(error) => {
                log::debug!("the stream of subscriptions broke: {error}");
                return None;
            }
        }
    }
}
