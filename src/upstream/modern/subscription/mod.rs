//! What a modern server says unasked: the streams of `subscriptions/listen`, opened again whenever they break
//! ("Subscriptions").
//!
//! Such a stream has nothing to resume it by. What happened while there was none is made up for: whoever listens is
//! told that all it listens for may have changed.

mod keep;
mod own;
mod streams;
mod union;

use http::StatusCode;

use super::exchange::{self, Answered};
use crate::log;
use crate::message::Message;
use crate::upstream::Context;
use crate::upstream::Failure;
use crate::upstream::answer::{self, Body, EventStream};

pub(in crate::upstream) use own::pass;
pub(super) use union::Subscription;

/// What a `subscriptions/listen` was answered with.
enum Opened {
    Stream(EventStream),
    Answer(Answered),
}

async fn open(context: &Context, request: &Message) -> Result<Opened, Failure> {
    let sender = &context.sender;
    let sent = exchange::send(context, request, &context.modern.headers(request)).await?;
    let status = sent.response.status();
    if !status.is_success() {
        let answer = Box::pin(answer::refusal(sender, sent.response, false)).await?;
        return Ok(Opened::Answer(Answered { status, answer }));
    }
    match answer::body(sender, sent.response).await? {
        Body::Events(events) => Ok(Opened::Stream(events)),
        Body::Message(answer) => Ok(Opened::Answer(Answered { status, answer })),
        Body::Nothing(status) => Err(answer::nothing(sender.host(), status)),
    }
}

/// The next message; `None` at the end, whichever end it is. However long it takes: such a stream is silent for days.
async fn next(events: &mut EventStream) -> Option<Message> {
    loop {
        match events.next().await? {
            Ok(event) if event.data.is_empty() => {}
            Ok(event) => match Message::parse(event.data) {
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

fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
}
