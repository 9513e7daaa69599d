//! Does this message answer the request?

use std::collections::HashMap;

use crate::message::{Id, Kind, Message};

/// A request that waits for its response.
#[derive(Clone, Copy)]
pub(crate) struct OwedResponse<'a> {
    id: &'a Id,
    /// The id as the request spells it.
    raw_id: &'a str,
}

impl<'a> OwedResponse<'a> {
    /// `None` for a message that is no request.
    pub(crate) fn to(request: &'a Message) -> Option<Self> {
        let Kind::Request { id, .. } = request.kind() else { return None };
        Some(Self { id, raw_id: request.raw_id().unwrap_or("null") })
    }

    pub(crate) fn id(&self) -> &'a Id {
        self.id
    }

    pub(crate) fn raw_id(&self) -> &'a str {
        self.raw_id
    }

    /// Whether this is the request's id, or what a server makes of it that reads ids as doubles.
    pub(crate) fn has_id(&self, id: &Id) -> bool {
        id == self.id || id.same_as_double(self.id)
    }

    /// The message as the response under the request's own id; `Err` gives back a message that is not the response.
    pub(crate) fn take(&self, message: Message) -> Result<Message, Message> {
        match message.kind() {
            Kind::Response { id, .. } if id == self.id => Ok(message),
            // A server that could not read the request, or read its id as a double, has answered it all the same.
            Kind::Response { id, is_error } if (id.is_null() && *is_error) || id.same_as_double(self.id) => {
                Ok(message.with_id(self.raw_id))
            }
            _ => Err(message),
        }
    }
}

/// The responses that a POST of a request or of a batch still owes.
pub(crate) enum Owed<'a> {
    One(OwedResponse<'a>),
    /// A batch's, with the spelling of their ids.
    Many(HashMap<Id, Box<str>>),
}

impl<'a> Owed<'a> {
    pub(crate) fn by(message: &'a Message) -> Self {
        match OwedResponse::to(message) {
            Some(one) => Self::One(one),
            None => Self::Many(message.requests().into_iter().collect()),
        }
    }

    /// Whether the response with this id is all that is owed.
    pub(crate) fn is_all(&self, id: &Id) -> bool {
        matches!(self, Self::One(one) if one.has_id(id))
    }
}
