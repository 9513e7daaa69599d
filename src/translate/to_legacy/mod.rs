//! A modern client at a legacy server, as a state machine.
//!
//! Messages and the time go in, [`Action`]s come out. The modern era has no sessions, so the machine opens those that
//! the server needs: one for each set of capabilities that the client declares. The modern era has no requests from the
//! server either. If the server sends one while a request of the client's waits, the client's request is answered with
//! "input required", and the exchange with the server is held until the client retries with input responses ("Multi
//! Round-Trip Requests"). Nothing here does I/O or reads a clock.

mod calls;
mod exchanges;
mod input_requests;
mod log_level;
mod outbox;
mod requests;
mod resources;
mod responses;
mod sessions;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::time::Instant;

use serde_json::Value;

use crate::message::{self, Id, Kind, Message, cancelled_id, code};
use calls::Calls;
use exchanges::{Exchange, Origin, Stream};
use outbox::{ClientRequest, Outbox, ServerRequest, Timer};
use requests::{ModernRequest, legacy_notification};
use sessions::Sessions;
use subscriptions::Subscriptions;

pub(crate) use outbox::Action;
pub(crate) use requests::{is_complete, is_modern};

/// The machine. It routes each event to the part that it concerns.
pub(crate) struct ToLegacy {
    sessions: Sessions,
    calls: Calls,
    subscriptions: Subscriptions,
    out: Outbox,
}

impl ToLegacy {
    /// `secrets` makes the `requestState` that comes with input requests.
    pub(crate) fn new(secrets: calls::Secrets, now: Instant) -> Self {
        Self {
            sessions: Sessions::default(),
            calls: Calls::new(secrets),
            subscriptions: Subscriptions::default(),
            out: Outbox::new(now),
        }
    }

    /// What must be done because of the events since the last call, in order.
    pub(crate) fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.out.actions)
    }

    /// When [`time_passed`](Self::time_passed) has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.out.timers.first().map(|(at, _)| *at)
    }

    /// The client has sent a request. No other request with its id is in flight. `is_acknowledged`: it is a
    /// `subscriptions/listen` whose acknowledgement the client has.
    pub(crate) fn client_request(&mut self, message: &Message, is_acknowledged: bool, now: Instant) {
        let Self { sessions, calls, subscriptions, out } = self;
        out.now = now;
        let mut request = match ModernRequest::read(message) {
            Ok(request) => request,
            Err(error) => return out.answer(error),
        };
        if let Some(state) = request.state.take() {
            return calls.retry(message, request, &state, sessions, out);
        }
        let is_busy = |session| calls.is_in(session) || subscriptions.is_in(session);
        let Some(session) = sessions.find_or_open(&request, is_busy, out) else {
            let why = "too many sessions with different capabilities are in use; \
                hint: try again when some of their requests are answered";
            return out.answer(message::error(&request.raw_id, code::INTERNAL_ERROR, why, None));
        };
        let (id, raw_id) = (request.id.clone(), request.raw_id.clone());
        let request = match &*request.method {
            "server/discover" => ClientRequest::Discover(out.next_number()),
            "subscriptions/listen" => {
                let number = out.next_number();
                if subscriptions.add(number, message, session, is_acknowledged).is_none() {
                    return out.invalid_params(&raw_id, "the subscription names no notifications");
                }
                ClientRequest::Subscription(number)
            }
            _ => {
                let capabilities = sessions.get(session).map(|session| session.capabilities.clone());
                let exchange = Exchange::new(message, request, session, capabilities.unwrap_or_default());
                let number = out.next_number();
                calls.exchanges.insert(number, exchange);
                ClientRequest::Exchange(number)
            }
        };
        out.client_requests.insert(id, request);
        match sessions.waiting(session) {
            Some(waiting) => waiting.push((raw_id, request)),
            None => self.begin(session, &raw_id, request),
        }
    }

    /// The session is open: begins what was to wait for that.
    fn begin(&mut self, session: u64, raw_id: &str, request: ClientRequest) {
        let Self { sessions, calls, subscriptions, out } = self;
        match request {
            ClientRequest::Discover(_) => {
                if let Some(session) = sessions.get(session).filter(|_| out.is_open(raw_id, request)) {
                    out.answer(message::result(raw_id, &session.server.discover_result()));
                }
            }
            ClientRequest::Exchange(number) => calls.begin(number, sessions, out),
            ClientRequest::Subscription(number) => subscriptions.start(number, sessions, out),
        }
    }

    /// The client has sent `notifications/cancelled`.
    pub(crate) fn client_cancelled(&mut self, message: &Message) {
        if let Some(id) = cancelled_id(message) {
            self.request_dropped(&id, Some(message));
        }
    }

    /// The response to this request is not needed any more. `message`: the client's `notifications/cancelled`.
    pub(crate) fn request_dropped(&mut self, id: &Id, message: Option<&Message>) {
        let Self { sessions, calls, subscriptions, out } = self;
        match out.client_requests.remove(id) {
            Some(ClientRequest::Exchange(number)) => calls.end(number, message, "the client has gone", out),
            Some(ClientRequest::Subscription(number)) => subscriptions.cancel(number, sessions, out),
            Some(ClientRequest::Discover(_)) | None => {}
        }
    }

    /// The client has sent a notification that is not a cancellation.
    pub(crate) fn client_notification(&mut self, message: &Message) {
        match message.kind() {
            Kind::Notification { method } if &**method != "notifications/initialized" => {}
            Kind::Notification { .. } => return,
            _ => return self.out.warn("the client sent a response that no request belongs to".to_owned()),
        }
        match (self.sessions.newest(), legacy_notification(message, None)) {
            (Some(session), Some(message)) => self.out.push(Action::Notify { session, message }),
            _ => {
                let method = message.method().unwrap_or_default();
                self.out.warn(format!("no session is open in which {method} could be sent"));
            }
        }
    }

    /// The server has answered a request, or the caller answers it with an error instead.
    pub(crate) fn server_response(&mut self, session: u64, response: &Message, now: Instant) {
        let Self { sessions, calls, subscriptions, out } = self;
        out.now = now;
        let Kind::Response { id, is_error } = response.kind() else { return };
        match out.server_requests.remove(&(session, id.clone())) {
            Some(ServerRequest::Exchange(number)) => calls.responded(number, response, sessions, out),
            Some(ServerRequest::LogLevel) => {
                if *is_error {
                    out.warn("the server refuses the log level".to_owned());
                }
                if let Some(session) = sessions.get_mut(session) {
                    session.log_level.answered();
                }
                calls.update_log_level(session, sessions, out);
            }
            Some(ServerRequest::Resource(uri)) => {
                subscriptions.resource_answered(session, &uri, *is_error, sessions, out);
            }
            None => {}
        }
    }

    /// The server has sent a request or a notification. `during`: the request on whose stream it came, if it is known.
    pub(crate) fn server_message(&mut self, session: u64, during: Option<&Id>, message: &Message, now: Instant) {
        let Self { sessions, calls, subscriptions, out } = self;
        out.now = now;
        let stream = match during.map(|id| out.server_requests.get(&(session, id.clone()))) {
            None => Stream::Shared,
            Some(Some(ServerRequest::Exchange(number))) => Stream::Exchange(*number),
            Some(_) => Stream::OwnRequest,
        };
        let origin = Origin { session, stream };
        match message.kind() {
            Kind::Request { .. } => {
                let declared = sessions.get(session).map_or(&Value::Null, |session| &*session.capabilities);
                input_requests::receive(origin, declared, message, &mut calls.exchanges, out);
            }
            Kind::Notification { method } => match &**method {
                "notifications/progress" => calls.exchanges.deliver_progress(session, message, out),
                "notifications/message" => calls.exchanges.deliver_log(origin, message, out),
                "notifications/cancelled" => input_requests::cancelled(session, message, &mut calls.exchanges),
                "notifications/tools/list_changed"
                | "notifications/prompts/list_changed"
                | "notifications/resources/list_changed"
                | "notifications/resources/updated" => subscriptions.deliver_change(session, message, out),
                // A modern client learns it from the response to its retry.
                "notifications/elicitation/complete" => {}
                _ => out.push(Action::Deliver(message.clone())),
            },
            _ => {}
        }
    }

    /// A [`Reply`](Action::Reply) for this exchange cannot be delivered.
    pub(crate) fn reply_undeliverable(&mut self, exchange: u64, error: &Message, now: Instant) {
        self.out.now = now;
        self.calls.reply_undeliverable(exchange, error, &self.sessions, &mut self.out);
    }

    /// The server has answered `initialize` with a result.
    pub(crate) fn session_opened(&mut self, session: u64, response: &Message, now: Instant) {
        self.out.now = now;
        let Some(waiting) = self.sessions.opened(session, response) else { return };
        for (raw_id, request) in waiting {
            self.begin(session, &raw_id, request);
        }
        self.calls.update_log_level(session, &mut self.sessions, &mut self.out);
    }

    /// The server has not answered `initialize` yet. This result stands in for its own meanwhile.
    pub(crate) fn session_opened_provisionally(&mut self, session: u64, response: &Message, now: Instant) {
        if self.sessions.waiting(session).is_some() {
            self.session_opened(session, response, now);
        }
    }

    /// The server has refused to open the session. The requests that waited for it are answered with the error.
    pub(crate) fn session_refused(&mut self, session: u64, error: &Message) {
        let Self { sessions, calls, subscriptions, out } = self;
        let Some(waiting) = sessions.refused(session, error, out) else { return };
        for (raw_id, request) in waiting {
            match request {
                ClientRequest::Discover(_) => {}
                ClientRequest::Exchange(number) => drop(calls.exchanges.remove(number)),
                ClientRequest::Subscription(number) => subscriptions.cancel(number, sessions, out),
            }
            if out.is_open(&raw_id, request) {
                out.answer(error.with_id(&raw_id));
            }
        }
        out.push(Action::Close { session });
    }

    /// A lost session was opened again: the log level and the resource subscriptions are requested again.
    pub(crate) fn session_reopened(&mut self, number: u64, now: Instant) {
        let Self { sessions, calls, subscriptions, out } = self;
        out.now = now;
        let Some(session) = sessions.get_mut(number) else { return };
        session.log_level.session_reopened();
        session.resources.session_reopened();
        calls.update_log_level(number, sessions, out);
        subscriptions.session_reopened(number, sessions, out);
    }

    /// Does what is due.
    pub(crate) fn time_passed(&mut self, now: Instant) {
        let Self { sessions, calls, subscriptions, out } = self;
        out.now = now;
        while let Some(timer) = out.take_due() {
            match timer {
                Timer::InputRequests(number) => calls.put_input_requests(number, out),
                Timer::Held(number) => calls.held_due(number, out),
                Timer::Acknowledge(number) => subscriptions.acknowledge_late(number, sessions, out),
                Timer::LogLevel(session) => calls.log_level_due(session, sessions, out),
                Timer::Idle(session) => {
                    let is_busy = calls.is_in(session) || subscriptions.is_in(session);
                    sessions.close_if_idle(session, is_busy, out);
                }
            }
        }
    }

    /// The client's input has ended: its subscriptions end with a result.
    pub(crate) fn end_of_input(&mut self) {
        self.subscriptions.end(&self.sessions, &mut self.out);
    }
}
