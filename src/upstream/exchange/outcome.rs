//! What comes of a request, and what comes from a server beside that?

use http::StatusCode;

use crate::message::{Id, Kind, Message};
use crate::stdio::Reserved;
use crate::upstream::Failure;

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Its response.
    Answer(Message),
    /// The responses to a batch, to be delivered as one.
    Batch(Vec<Message>),
    /// The responses to a batch have been delivered one by one, as [`Event::Answer`].
    Done,
    /// The request was accepted; its response comes on the stream of this number, as
    /// [`Event::Answer`].
    Elsewhere(u64),
}

impl Outcome {
    /// Whether the response is an error.
    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Self::Answer(answer) if matches!(answer.kind(), Kind::Response { is_error: true, .. }))
    }
}

/// The same as a transport returns it: with the status of the HTTP response, which tells of the server's era.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) outcome: Outcome,
}

impl Reply {
    /// A response that came in a good HTTP response.
    pub(crate) fn ok(outcome: Outcome) -> Self {
        Self { status: StatusCode::OK, outcome }
    }
}

/// What concerns requests but comes from no request's own exchange. Read by the owner of the requests.
#[derive(Debug)]
pub enum Event {
    /// A response, with its room in the queue to the client.
    Answer(Message, Reserved),
    /// The response to this request came, but cannot be delivered.
    Undeliverable(Id, Failure),
    /// Streams up to this number are gone, and with them every response that was to come on them.
    StreamLost(u64, Failure),
}

/// What a session tells the translator that stands between it and the client.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// What an owner of requests reads in any case.
    Response(Event),
    /// A request or a notification of the server.
    Message {
        message: Message,
        /// The id of the request on whose own stream it came.
        during: Option<Id>,
        /// Its room in the queue to the client; messages that the bridge writes itself have none.
        room: Option<Reserved>,
    },
    /// The server's own response to `initialize`.
    Opened(Message),
    /// The session had expired, and a new one was opened in its place.
    Reopened,
}
