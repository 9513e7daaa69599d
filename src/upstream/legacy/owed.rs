//! Which answers does a POST still owe, and does this message settle it?

use std::collections::HashMap;

use crate::message::{Id, Kind, Message};
use crate::upstream::Failure;
use crate::upstream::{Context, Outcome};

/// The answers that a POST still owes.
pub(super) enum Owed<'a> {
    One {
        id: &'a Id,
        raw_id: &'a str,
    },
    /// A batch's, with the spelling of their ids.
    Many(HashMap<Id, Box<str>>),
}

impl<'a> Owed<'a> {
    /// Whether this id's answer is all that is owed.
    pub(super) fn is(&self, given: &Id) -> bool {
        matches!(self, Self::One { id, .. } if given == *id || given.same_as_double(id))
    }

    /// What this request or batch wants.
    pub(super) fn by(message: &'a Message) -> Self {
        match message.kind() {
            Kind::Request { id, .. } => Self::One { id, raw_id: message.raw_id().unwrap_or("null") },
            _ => Self::Many(message.requests().into_iter().collect()),
        }
    }

    /// Takes a message that came for this POST: delivers it, or returns what settles the POST.
    pub(super) async fn take(&mut self, context: &Context, message: Message) -> Option<Result<Outcome, Failure>> {
        if let Kind::Batch(elements) = message.kind() {
            let mut settled = None;
            for element in elements.clone() {
                settled = settled.or(Box::pin(self.take(context, element)).await);
            }
            return settled;
        }
        let Kind::Response { id, is_error } = message.kind() else {
            let during = match self {
                Self::One { id, .. } => Some(*id),
                Self::Many(_) => None,
            };
            context.client.deliver_during(during, message).await;
            return None;
        };
        match self {
            Self::One { id: owed, .. } if id == *owed => Some(Ok(Outcome::Answer(message))),
            // What could not read the request, or read its id as a double, still answers it.
            Self::One { id: owed, raw_id } if (id.is_null() && *is_error) || id.same_as_double(owed) => {
                Some(Ok(Outcome::Answer(message.with_id(raw_id))))
            }
            Self::One { .. } => {
                context.client.deliver(message).await;
                None
            }
            // The batch as a whole.
            Self::Many(_) if id.is_null() && *is_error => Some(Err(Failure::Rpc(message))),
            Self::Many(owed) => {
                owed.remove(id);
                let settled = owed.is_empty();
                context.client.deliver(message).await;
                settled.then_some(Ok(Outcome::Done))
            }
        }
    }
}
