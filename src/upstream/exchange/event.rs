//! What comes from a server beside the responses that each request brings itself?

use crate::message::{Id, Message};
use crate::stdio::Reserved;
use crate::upstream::Failure;

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
