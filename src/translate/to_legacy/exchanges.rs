//! Which of the client's requests are with the server, and who gets what the server sends about them?

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::log_level::Level;
use super::outbox::{Action, ClientRequest, Outbox, ServerRequest};
use super::requests::{ModernRequest, cancelled, legacy_request, with_progress_token};
use crate::message::{Id, Message};
use crate::translate::capabilities;

/// The highest number of exchanges that wait for input responses, because a client may never send them.
const MOST_HELD: usize = 1024;

/// One request of the client's, until the server's response has reached the client, with all its rounds.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) session: u64,
    pub(super) method: Box<str>,
    /// The tool, prompt or resource; only for a request that may be answered with input requests.
    pub(super) subject: Option<String>,
    /// The client's request, until it is sent.
    pub(super) request: Option<Message>,
    /// The request's id at the server, from the sending to the server's response.
    pub(super) raw_id: Option<Box<str>>,
    /// The progress token that the server knows.
    token: Option<Id>,
    pub(super) log_level: Option<Level>,
    /// The client's request that waits for a response. `None` while the client gathers input responses.
    pub(super) client: Option<Waiter>,
    /// The capabilities that the client declared when the session was opened.
    session_capabilities: Arc<Value>,
    /// The capabilities that the client declared in its last retry.
    pub(super) capabilities: Option<Value>,
    /// The capability that the server needed and the client does not declare.
    pub(super) missing: Option<&'static str>,
    /// The server's response, if it came while `client` was `None`, or if it requires URLs to be visited first.
    pub(super) response: Option<Message>,
    /// What the server needs from the client for this exchange, and has not got yet.
    pub(super) input_requests: Vec<InputRequest>,
    /// `Some` while the exchange waits for the client's retry.
    pub(super) held: Option<Held>,
}

/// Something that the server needs from the client.
#[derive(Debug)]
pub(super) struct InputRequest {
    pub(super) session: u64,
    /// Its key in `inputRequests`.
    pub(super) key: String,
    /// The id of the server's request. `None` if it came in an error, which needs no reply.
    pub(super) raw_id: Option<Box<str>>,
    /// Its value in `inputRequests`, JSON text.
    pub(super) text: String,
    /// The capability that the client must declare.
    pub(super) needs: &'static str,
    /// If it came on the stream of the whole session, it may belong to another exchange: until when others are
    /// gathered.
    pub(super) shared: Option<Instant>,
}

/// The client's request was answered with input requests.
#[derive(Debug)]
pub(super) struct Held {
    /// The `requestState` with which the client retries.
    pub(super) state: String,
    /// The id of the request that was answered.
    pub(super) request: Id,
    pub(super) until: Instant,
}

/// A request of the client's that waits for a response.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) raw_id: Box<str>,
    pub(super) token: Option<Box<str>>,
}

/// The stream on which the server sent a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) session: u64,
    pub(super) stream: Stream,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    /// The stream of a request of the client's.
    Exchange(u64),
    /// The stream of a request of the bridge's own, or of a request that has ended.
    OwnRequest,
    /// The stream of the whole session.
    Shared,
}

/// The exchanges by their numbers; a later one has a higher number.
#[derive(Default)]
pub(super) struct Exchanges {
    all: BTreeMap<u64, Exchange>,
    /// The progress tokens that the server knows, and the exchange of each.
    tokens: HashMap<(u64, Id), u64>,
}

impl Exchange {
    pub(super) fn new(message: &Message, request: ModernRequest, session: u64, capabilities: Arc<Value>) -> Self {
        Self {
            session,
            method: request.method,
            subject: request.subject,
            request: Some(message.clone()),
            log_level: request.log_level,
            client: Some(Waiter { raw_id: request.raw_id, token: request.progress_token }),
            session_capabilities: capabilities,
            ..Self::default()
        }
    }

    /// Whether the specification allows input requests: for some methods, and only while the server works.
    pub(super) fn takes_input_requests(&self) -> bool {
        self.subject.is_some() && self.raw_id.is_some()
    }

    /// The part of a needed capability that the client does not declare, or did not when the session was opened.
    pub(super) fn lacks(&self, needed: &'static str) -> Option<&'static str> {
        let declared = [Some(&*self.session_capabilities), self.capabilities.as_ref()];
        declared.into_iter().flatten().find_map(|declared| capabilities::missing(declared, needed))
    }

    /// Cancels the request at the server, if it is there. `by_client`: the client's own `notifications/cancelled`.
    pub(super) fn cancel(&mut self, by_client: Option<&Message>, reason: &str, out: &mut Outbox) {
        if let Some(raw_id) = self.raw_id.take() {
            out.cancel(self.session, &raw_id, cancelled(by_client, &raw_id, reason));
        }
    }

    /// The exchange waits for no retry any more: the id of the client's request does not stand for it.
    pub(super) fn end_hold(&mut self, number: u64, out: &mut Outbox) {
        let exchange = ClientRequest::Exchange(number);
        // A later request may have the same id.
        if let Some(held) = self.held.take().filter(|held| out.client_requests.get(&held.request) == Some(&exchange)) {
            out.client_requests.remove(&held.request);
        }
    }

    fn wants_log(&self, level: Level) -> bool {
        self.client.is_some() && self.log_level.is_some_and(|lowest| level >= lowest)
    }
}

impl Exchanges {
    pub(super) fn get(&self, number: u64) -> Option<&Exchange> {
        self.all.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Exchange> {
        self.all.get_mut(&number)
    }

    pub(super) fn insert(&mut self, number: u64, exchange: Exchange) {
        self.all.insert(number, exchange);
    }

    pub(super) fn in_session(&self, session: u64) -> impl Iterator<Item = (u64, &Exchange)> {
        self.all.iter().filter(move |(_, one)| one.session == session).map(|(number, one)| (*number, one))
    }

    pub(super) fn in_session_mut(&mut self, session: u64) -> impl Iterator<Item = (u64, &mut Exchange)> {
        self.all.iter_mut().filter(move |(_, one)| one.session == session).map(|(number, one)| (*number, one))
    }

    /// The exchange that waits for a retry with this state.
    pub(super) fn held_with(&self, state: &str) -> Option<u64> {
        self.held().find(|(_, held)| held.state == state).map(|(number, _)| number)
    }

    /// The exchange that has waited longest for a retry, if too many wait.
    pub(super) fn oldest_of_too_many(&self) -> Option<u64> {
        let oldest = self.held().min_by_key(|(number, held)| (held.until, *number));
        oldest.filter(|_| self.held().count() > MOST_HELD).map(|(number, _)| number)
    }

    fn held(&self) -> impl Iterator<Item = (u64, &Held)> {
        self.all.iter().filter_map(|(number, one)| Some((*number, one.held.as_ref()?)))
    }

    /// Sends the request. It keeps its id and progress token, unless another exchange uses them at the server.
    pub(super) fn send(&mut self, number: u64, out: &mut Outbox) {
        let own = format!("\"mcp-ferry {}\"", out.next_number());
        let Some(exchange) = self.all.get_mut(&number) else { return };
        let (Some(request), Some(client)) = (exchange.request.take(), &exchange.client) else { return };
        let session = exchange.session;
        let is_taken = out.server_requests.contains_key(&(session, Id::from_json(&client.raw_id)));
        let raw_id: Box<str> = if is_taken { own.as_str().into() } else { client.raw_id.clone() };
        let token = client.token.clone().map(|token| {
            let is_taken = self.tokens.contains_key(&(session, Id::from_json(&token)));
            if is_taken { own.as_str().into() } else { token }
        });
        let Some(message) = legacy_request(&request, &raw_id, token.as_deref()) else { return };
        if let Some(token) = token.map(|token| Id::from_json(&token)) {
            self.tokens.insert((session, token.clone()), number);
            exchange.token = Some(token);
        }
        out.request(session, &raw_id, message, ServerRequest::Exchange(number));
        exchange.raw_id = Some(raw_id);
    }

    /// The server has sent its response, or will not send one.
    pub(super) fn responded(&mut self, number: u64) -> Option<&mut Exchange> {
        let exchange = self.all.get_mut(&number)?;
        exchange.raw_id = None;
        if let Some(token) = exchange.token.take() {
            self.tokens.remove(&(exchange.session, token));
        }
        Some(exchange)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Exchange> {
        let mut exchange = self.all.remove(&number)?;
        if let Some(token) = exchange.token.take() {
            self.tokens.remove(&(exchange.session, token));
        }
        Some(exchange)
    }

    /// The exchange to which a server's request most likely belongs that came on the stream of the whole session: the
    /// last one whose client declares the needed capability and waits for a response.
    pub(super) fn most_likely(&self, session: u64, needed: &'static str) -> Option<u64> {
        let candidates = self.in_session(session).filter(|(_, exchange)| exchange.takes_input_requests());
        let rank = |(number, exchange): &(u64, &Exchange)| {
            (exchange.lacks(needed).is_none(), exchange.client.is_some(), *number)
        };
        candidates.max_by_key(rank).map(|(number, _)| number)
    }

    /// The lowest log level that an exchange of this session wants.
    pub(super) fn lowest_log_level(&self, session: u64) -> Option<Level> {
        self.in_session(session).filter_map(|(_, exchange)| exchange.log_level).min()
    }

    /// Delivers progress under the token of the client's request that waits for a response.
    pub(super) fn deliver_progress(&self, session: u64, message: &Message, out: &mut Outbox) {
        let params = message.params();
        let Some(token) = params.and_then(|params| params.get("progressToken")).map(Id::from_json) else { return };
        let exchange = self.tokens.get(&(session, token)).and_then(|number| self.get(*number));
        let token = exchange.and_then(|exchange| exchange.client.as_ref()?.token.as_deref());
        if let Some(message) = token.and_then(|token| with_progress_token(message, token)) {
            out.push(Action::Deliver(message));
        }
    }

    /// Delivers a log message if a request wants it. Many servers send all log messages on the stream of the session.
    pub(super) fn deliver_log(&self, origin: Origin, message: &Message, out: &mut Outbox) {
        let level = message.params().and_then(|params| params.string("level"));
        let Some(level) = level.as_deref().and_then(Level::named) else { return };
        let is_wanted = match origin.stream {
            Stream::Exchange(number) => self.get(number).is_some_and(|exchange| exchange.wants_log(level)),
            Stream::OwnRequest => false,
            Stream::Shared => self.in_session(origin.session).any(|(_, exchange)| exchange.wants_log(level)),
        };
        if is_wanted {
            out.push(Action::Deliver(message.clone()));
        }
    }
}
