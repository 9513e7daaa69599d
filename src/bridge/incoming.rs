//! What did the client send? Reads a line, and finds what is wrong with it.

use std::collections::HashSet;

use crate::log;
use crate::message::{self, Id, Kind, Message, code};
use crate::stdio::Line;
use crate::upstream::Failure;

/// What a line from the client becomes.
pub(super) enum Incoming {
    Message(Message),
    /// An error for the client, in the place of the message.
    Refused(Message),
    /// An error for the server, in the place of the client's answer.
    AnswerTooLong(Message),
}

pub(super) fn read(line: Line) -> Incoming {
    match line {
        Line::Text(text) => match Message::parse(text) {
            Ok(message) => Incoming::Message(message),
            Err(error) => Incoming::Refused(message::error("null", code::PARSE_ERROR, &error.to_string(), None)),
        },
        Line::TooLong { answer_id: Some(raw_id), .. } => {
            log::warn!("the client's answer {raw_id} is longer than --max-message-size allows");
            let why = "the client's answer is longer than the bridge allows";
            Incoming::AnswerTooLong(message::error(&raw_id, code::INTERNAL_ERROR, why, None))
        }
        Line::TooLong { request_id, .. } => {
            let failure = Failure::TooLarge("the message is longer than --max-message-size allows".to_owned());
            log::warn!("{failure}");
            Incoming::Refused(failure.answer(request_id.as_deref().unwrap_or("null")))
        }
    }
}

/// The errors for those elements of a batch that are not messages.
pub(super) fn errors_in_batch(elements: &[Message]) -> Vec<Message> {
    let why = "an element of the batch is not a JSON-RPC message";
    let invalid = elements.iter().filter(|element| matches!(element.kind(), Kind::Invalid(_)));
    invalid.map(|one| message::error(one.raw_id().unwrap_or("null"), code::INVALID_REQUEST, why, None)).collect()
}

pub(super) fn has_cancellation(elements: &[Message]) -> bool {
    elements.iter().any(|element| element.method() == Some("notifications/cancelled"))
}

/// Whether two requests of a batch have the same id. A batch may hold many thousands, so they are not compared in
/// pairs.
pub(super) fn has_duplicates(ids: &[(Id, Box<str>)]) -> bool {
    ids.len() > 1 && ids.iter().map(|(id, _)| id).collect::<HashSet<_>>().len() < ids.len()
}
