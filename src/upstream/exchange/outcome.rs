//! What comes of a request?

use http::StatusCode;

use crate::message::Message;

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Its response.
    Answer(Message),
    /// The responses to a batch, to be delivered as one.
    Batch(Vec<Message>),
    /// The responses to a batch have been delivered one by one, as [`Event::Answer`](super::Event::Answer).
    Done,
    /// The request was accepted; its response comes on the stream of this number, as
    /// [`Event::Answer`](super::Event::Answer).
    Elsewhere(u64),
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
