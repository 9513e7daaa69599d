//! What comes from a server besides the answers that each request brings itself?

use crate::message::{Id, Message};
use crate::stdio::Reserved;
use crate::upstream::Failure;

/// What concerns requests but comes from no request's own exchange.
#[derive(Debug)]
pub enum Event {
    /// An answer, with its room among what waits for the client.
    Answer(Message, Reserved),
    /// The answer to this request came, but cannot be delivered.
    Undeliverable(Id, Failure),
    /// Streams up to this number are gone, and with them every answer that was to come on them.
    StreamLost(u64, Failure),
    /// Something that answers nothing, for a translator: during which request it came, if that is known, and its room.
    Said {
        /// A request or a notification.
        message: Message,
        /// The id of the request on whose own stream it came.
        during: Option<Id>,
        /// Its room among what waits for the client.
        room: Option<Reserved>,
    },
    /// The server's own answer to `initialize`, for a translator.
    Opened(Message),
    /// The server had forgotten the session and was greeted anew, for a translator.
    Renewed,
}
