//! What does the server need from the client before it responds? The client gets these input requests as the response to
//! its own request ("Multi Round-Trip Requests"), and retries that one with input responses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::exchanges::{Exchanges, Origin, Stream};
use super::input_responses::InputResponses;
use super::outbox::{Action, ClientRequest, Outbox, Timer};
use crate::message::{self, Change, Id, Message, cancelled_id, code, quoted};
use crate::translate::capabilities;

/// How long the client may take to send input responses. People fill in forms.
pub(super) const HELD: Duration = Duration::from_secs(30 * 60);

/// How long the first input request waits for others that are put to the client together with it.
pub(super) const GATHER: Duration = Duration::from_millis(25);

/// The highest number of exchanges that wait for input responses, because a client may never send them.
const MOST_HELD: usize = 1024;

/// Makes text that nobody can guess.
pub type Secrets = Box<dyn FnMut() -> String + Send>;

/// Something that the server needs from the client.
#[derive(Debug)]
pub(super) struct InputRequest {
    /// Its key in `inputRequests`.
    pub(super) key: String,
    /// The id of the server's request. `None` if it came in an error, which needs no reply.
    raw_id: Option<Box<str>>,
    /// Its value in `inputRequests`, JSON text.
    text: String,
    /// The capability that the client must declare.
    needs: &'static str,
    /// If it came on the stream of the whole session, it may belong to another exchange: until when others are gathered.
    shared: Option<Instant>,
}

/// An exchange that waits for the client's input responses.
#[derive(Debug)]
pub(super) struct Held {
    /// The `requestState` with which the client retries.
    state: String,
    /// The client's request that was answered with the input requests.
    pub(super) request: Id,
    until: Instant,
}

/// The input requests that are not answered yet, by exchange.
pub(super) struct InputRequests {
    open: BTreeMap<u64, Vec<InputRequest>>,
    held: BTreeMap<u64, Held>,
    secrets: Secrets,
}

impl InputRequests {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { open: BTreeMap::new(), held: BTreeMap::new(), secrets }
    }

    pub(super) fn of(&self, exchange: u64) -> &[InputRequest] {
        self.open.get(&exchange).map_or(&[], Vec::as_slice)
    }

    pub(super) fn take(&mut self, exchange: u64) -> Vec<InputRequest> {
        self.open.remove(&exchange).unwrap_or_default()
    }

    /// The exchange that waits for a retry with this state.
    pub(super) fn held_with(&self, state: &str) -> Option<u64> {
        self.held.iter().find(|(_, held)| held.state == state).map(|(exchange, _)| *exchange)
    }

    pub(super) fn take_held(&mut self, exchange: u64) -> Option<Held> {
        self.held.remove(&exchange)
    }

    /// Whether the exchange has waited too long for the client.
    pub(super) fn is_overdue(&self, exchange: u64, now: Instant) -> bool {
        self.held.get(&exchange).is_some_and(|held| held.until <= now)
    }

    /// The exchange that has waited longest, if too many wait.
    pub(super) fn oldest_of_too_many(&self) -> Option<u64> {
        let oldest = self.held.iter().min_by_key(|(exchange, held)| (held.until, **exchange));
        oldest.filter(|_| self.held.len() > MOST_HELD).map(|(exchange, _)| *exchange)
    }

    /// The server has sent a request. `declared`: the client's capabilities in its session.
    pub(super) fn receive(
        &mut self,
        origin: Origin,
        declared: &serde_json::Value,
        message: &Message,
        exchanges: &mut Exchanges,
        out: &mut Outbox,
    ) {
        let session = origin.session;
        let raw_id: Box<str> = message.raw_id().unwrap_or("null").into();
        let method = message.method().unwrap_or_default();
        if method == "ping" {
            return out.push(Action::Notify { session, message: message::result(&raw_id, "{}") });
        }
        let Some(needs) = capabilities::needed(method, message.params().as_ref()) else {
            out.reject(session, &raw_id, code::METHOD_NOT_FOUND, "clients do not have this method");
            return out.warn(format!("the server requested {method}, which clients do not have"));
        };
        let due = out.now + GATHER;
        let shared = matches!(origin.stream, Stream::Shared).then_some(due);
        let number = match origin.stream {
            Stream::Exchange(number) => Some(number),
            Stream::OwnRequest => None,
            Stream::Shared => exchanges.most_likely(session, needs),
        };
        let mut exchange = number.and_then(|number| exchanges.get_mut(number));
        let lacks = match &exchange {
            Some(exchange) => exchange.lacks(needs),
            None => capabilities::missing(declared, needs),
        };
        if let Some(lacks) = lacks {
            if let Some(exchange) = &mut exchange {
                exchange.missing = Some(lacks);
            }
            reject_for_lack(session, &raw_id, lacks, out);
            return out.warn(format!("the server requested {method}, which the client does not declare"));
        }
        let exchange = exchange.filter(|exchange| exchange.takes_input_requests());
        let (Some(number), Some(exchange), Some(text)) = (number, exchange, input_request(message)) else {
            let why = "the client takes requests only while it calls a tool, gets a prompt or reads a resource";
            out.reject(session, &raw_id, code::INTERNAL_ERROR, why);
            return out.warn(format!("the server requested {method} while no request of the client's allows it"));
        };
        let key = format!("{method}-{}", out.next_number());
        if exchange.client.is_some() {
            out.set_timer(due, Timer::InputRequests(number));
        }
        let request = InputRequest { key, raw_id: Some(raw_id), text, needs, shared };
        self.open.entry(number).or_default().push(request);
    }

    /// Adds the URLs that an error names, as `inputRequests` has them.
    pub(super) fn add_urls(&mut self, exchange: u64, urls: Vec<String>) {
        let requests = urls.into_iter().enumerate().map(|(n, text)| InputRequest {
            key: format!("visit-{}", n + 1),
            raw_id: None,
            text,
            needs: capabilities::URL,
            shared: None,
        });
        self.open.entry(exchange).or_default().extend(requests);
    }

    /// The server has cancelled a request.
    pub(super) fn cancelled(&mut self, session: u64, message: &Message, exchanges: &Exchanges) {
        let Some(id) = cancelled_id(message) else { return };
        for (exchange, _) in exchanges.in_session(session) {
            if let Some(open) = self.open.get_mut(&exchange) {
                open.retain(|request| request.raw_id.as_deref().map(Id::from_json).as_ref() != Some(&id));
            }
        }
    }

    /// Answers the client's request with all input requests of this exchange.
    pub(super) fn put(&mut self, number: u64, exchanges: &mut Exchanges, out: &mut Outbox) {
        if self.of(number).is_empty() {
            return;
        }
        let Some(client) = exchanges.get_mut(number).and_then(|exchange| exchange.client.take()) else { return };
        let state = (self.secrets)();
        let requests = self.of(number).iter().map(|request| format!("{}:{}", quoted(&request.key), request.text));
        let result = format!(
            r#"{{"resultType":"input_required","inputRequests":{{{}}},"requestState":{}}}"#,
            requests.collect::<Vec<_>>().join(","),
            quoted(&state)
        );
        let (request, until) = (Id::from_json(&client.raw_id), out.now + HELD);
        out.set_timer(until, Timer::Held(number));
        out.answer(message::result(&client.raw_id, &result));
        // The client may have sent a cancellation before it got this.
        out.client_requests.insert(request.clone(), ClientRequest::Exchange(number));
        self.held.insert(number, Held { state, request, until });
    }

    /// Sends the server the client's responses. A retry may also bring responses for another exchange of the session,
    /// which has taken over input requests since. Returns whether the user has not accepted a URL that an error named.
    pub(super) fn reply(
        &mut self,
        retried: u64,
        responses: &InputResponses<'_>,
        exchanges: &Exchanges,
        out: &mut Outbox,
    ) -> bool {
        let Some(session) = exchanges.get(retried).map(|exchange| exchange.session) else { return false };
        let mut is_declined = false;
        for (exchange, _) in exchanges.in_session(session) {
            let Some(open) = self.open.get_mut(&exchange) else { continue };
            let is_answered = |request: &mut InputRequest| {
                (exchange == retried || request.shared.is_some()) && responses.get(&request.key).is_some()
            };
            for request in open.extract_if(.., is_answered) {
                match (request.raw_id, responses.get(&request.key)) {
                    (Some(raw_id), Some(response)) => {
                        let message = message::result(&raw_id, response);
                        out.push(Action::Reply { session, exchange, message });
                    }
                    _ => is_declined |= !responses.is_accepted(&request.key),
                }
            }
        }
        is_declined
    }

    /// Rejects what the client does not declare any more. Returns whether an error named a URL among that.
    pub(super) fn reject_lacking(&mut self, number: u64, exchanges: &mut Exchanges, out: &mut Outbox) -> bool {
        let Some(exchange) = exchanges.get_mut(number) else { return false };
        let Some(open) = self.open.get_mut(&number) else { return false };
        let mut is_url = false;
        let lacking: Vec<_> = open.extract_if(.., |request| exchange.lacks(request.needs).is_some()).collect();
        for request in lacking {
            let lacks = exchange.lacks(request.needs).unwrap_or(request.needs);
            if let Some(raw_id) = request.raw_id {
                exchange.missing = Some(lacks);
                reject_for_lack(exchange.session, &raw_id, lacks, out);
            } else {
                exchange.missing = Some(request.needs);
                is_url = true;
            }
        }
        is_url
    }

    /// The exchange of these requests has ended. A request that may belong to another exchange is given to that one; the
    /// others are rejected.
    pub(super) fn release(
        &mut self,
        session: u64,
        requests: Vec<InputRequest>,
        why: &str,
        exchanges: &Exchanges,
        out: &mut Outbox,
    ) {
        for request in requests {
            match (next_exchange(session, &request, exchanges), &request.raw_id) {
                (Some(next), _) => self.give(next, request, exchanges, out),
                (None, Some(raw_id)) => out.reject(session, raw_id, code::INTERNAL_ERROR, why),
                (None, None) => {}
            }
        }
    }

    /// The server has responded without the input responses, so that a request from the stream of the session most
    /// likely belongs to another exchange. Without such an exchange the client may still answer it in its retry.
    pub(super) fn pass_on(&mut self, number: u64, exchanges: &Exchanges, out: &mut Outbox) {
        let Some(session) = exchanges.get(number).map(|exchange| exchange.session) else { return };
        for request in self.take(number) {
            let next = next_exchange(session, &request, exchanges).unwrap_or(number);
            self.give(next, request, exchanges, out);
        }
    }

    fn give(&mut self, number: u64, request: InputRequest, exchanges: &Exchanges, out: &mut Outbox) {
        let Some(exchange) = exchanges.get(number) else { return };
        if let Some(due) = request.shared.filter(|_| exchange.client.is_some()) {
            out.set_timer(due, Timer::InputRequests(number));
        }
        self.open.entry(number).or_default().push(request);
    }
}

/// The exchange to which a request from the stream of the session may belong besides the one that it was given to.
fn next_exchange(session: u64, request: &InputRequest, exchanges: &Exchanges) -> Option<u64> {
    request.shared?;
    let next = exchanges.most_likely(session, request.needs)?;
    exchanges.get(next)?.lacks(request.needs).is_none().then_some(next)
}

/// Tells the server that the client does not declare the capability, with the code of the legacy era.
fn reject_for_lack(session: u64, raw_id: &str, lacks: &str, out: &mut Outbox) {
    // An undeclared mode is a wrong parameter ("Elicitation"), everything else a missing method ("Roots").
    let code = if lacks.contains('.') { code::INVALID_PARAMS } else { code::METHOD_NOT_FOUND };
    out.reject(session, raw_id, code, &format!("the client does not declare {lacks}"));
}

/// A server's request as `inputRequests` has it.
fn input_request(request: &Message) -> Option<String> {
    let method = quoted(request.method()?);
    let Some(params) = request.params() else { return Some(format!(r#"{{"method":{method}}}"#)) };
    // The modern era has no elicitation ids, and its clients were not offered tasks.
    let params = params.with(&[("elicitationId", Change::Remove), ("task", Change::Remove)]);
    Some(format!(r#"{{"method":{method},"params":{params}}}"#))
}
