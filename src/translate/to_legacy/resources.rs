//! Of which resources does the server of a session announce updates?

use std::collections::HashMap;

use super::outbox::{Outbox, ServerRequest};
use crate::message::quoted;

#[derive(Debug, Default)]
pub(super) struct Resources(HashMap<String, State>);

/// One request at a time is in flight for a resource: a server may carry out two in the wrong order.
#[derive(Debug)]
enum State {
    /// `resources/subscribe` is in flight.
    Subscribing(Box<str>),
    /// The server announces updates.
    Subscribed,
    /// A request is in flight after which the server does not announce updates, whatever it answers.
    Unsubscribing(Box<str>),
}

impl Resources {
    pub(super) fn is_subscribed(&self, uri: &str) -> bool {
        matches!(self.0.get(uri), Some(State::Subscribed))
    }

    /// Subscribes or unsubscribes, unless the server has yet to answer an earlier request for this resource.
    pub(super) fn update(&mut self, session: u64, uri: &str, is_wanted: bool, out: &mut Outbox) {
        let (method, next): (_, fn(Box<str>) -> State) = match (self.0.get(uri), is_wanted) {
            (None, true) => ("resources/subscribe", State::Subscribing),
            (Some(State::Subscribed), false) => ("resources/unsubscribe", State::Unsubscribing),
            _ => return,
        };
        let params = format!(r#"{{"uri":{}}}"#, quoted(uri));
        let raw_id = out.own_request(session, method, &params, ServerRequest::Resource(uri.to_owned()));
        self.0.insert(uri.to_owned(), next(raw_id));
    }

    /// The server has answered. Returns whether it announces updates now, if it was asked to.
    pub(super) fn answered(&mut self, uri: &str, is_error: bool) -> Option<bool> {
        let Some(State::Subscribing(_)) = self.0.remove(uri) else { return None };
        if !is_error {
            self.0.insert(uri.to_owned(), State::Subscribed);
        }
        Some(!is_error)
    }

    /// Cancels a `resources/unsubscribe` that the server has not answered in time. Returns whether there was one.
    pub(super) fn cancel_unsubscribe(&mut self, session: u64, uri: &str, out: &mut Outbox) -> bool {
        let Some(State::Unsubscribing(raw_id)) = self.0.get(uri) else { return false };
        out.cancel_own(session, raw_id);
        self.0.remove(uri);
        true
    }

    /// The session was lost and opened again: the new one has no subscriptions.
    pub(super) fn session_reopened(&mut self) {
        self.0.retain(|_, state| {
            if let State::Subscribing(raw_id) = state {
                *state = State::Unsubscribing(std::mem::take(raw_id));
            }
            !matches!(state, State::Subscribed)
        });
    }
}
