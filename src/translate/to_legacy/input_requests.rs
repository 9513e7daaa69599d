//! What does the server need from the client before it responds? The client gets these input requests as the response
//! to its own request ("Multi Round-Trip Requests"), and retries that one with input responses.

use std::time::Duration;

use serde_json::Value;

use super::exchanges::{Exchange, Exchanges, Held, InputRequest, Origin, Stream};
use super::outbox::{Action, ClientRequest, Outbox, Timer};
use crate::message::{self, Change, Id, Members, Message, cancelled_id, code, quoted};
use crate::translate::capabilities;

/// How long the client may take to send input responses. People fill in forms.
pub(super) const HELD: Duration = Duration::from_secs(30 * 60);

/// How long the first input request waits for others that are put to the client together with it.
pub(super) const GATHER: Duration = Duration::from_millis(25);

/// The server has sent a request. `declared`: the client's capabilities in its session.
pub(super) fn receive(
    origin: Origin,
    declared: &Value,
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
    let (number, shared) = match origin.stream {
        Stream::Exchange(number) => (Some(number), None),
        Stream::OwnRequest => (None, None),
        Stream::Shared => (exchanges.most_likely(session, needs), Some(due)),
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
    exchange.input_requests.push(InputRequest { session, key, raw_id: Some(raw_id), text, needs, shared });
}

/// Adds the URLs that an error names, as `inputRequests` has them.
pub(super) fn add_urls(exchange: &mut Exchange, urls: Vec<String>) {
    let (session, needs) = (exchange.session, capabilities::URL);
    exchange.input_requests.extend(urls.into_iter().enumerate().map(|(n, text)| {
        let key = format!("visit-{}", n + 1);
        InputRequest { session, key, raw_id: None, text, needs, shared: None }
    }));
}

pub(super) fn cancelled(session: u64, message: &Message, exchanges: &mut Exchanges) {
    let Some(id) = cancelled_id(message) else { return };
    for (_, exchange) in exchanges.in_session_mut(session) {
        exchange.input_requests.retain(|request| request.raw_id.as_deref().map(Id::from_json).as_ref() != Some(&id));
    }
}

/// Answers the client's request with all input requests of this exchange. `state`: makes the `requestState`.
pub(super) fn put(number: u64, exchange: &mut Exchange, state: impl FnOnce() -> String, out: &mut Outbox) {
    if exchange.input_requests.is_empty() {
        return;
    }
    let Some(client) = exchange.client.take() else { return };
    let state = state();
    let requests = exchange.input_requests.iter().map(|request| format!("{}:{}", quoted(&request.key), request.text));
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
    exchange.held = Some(Held { state, request, until });
}

/// Reads the `inputResponses` of a retry of this exchange; `Err` says why they are invalid ("Error Handling"). A client
/// may leave responses out, and may send others that no request asked for.
pub(super) fn responses<'a>(raw: Option<&'a str>, exchange: &Exchange) -> Result<Members<'a>, String> {
    let raw = raw.filter(|raw| *raw != "null").unwrap_or("{}");
    let responses =
        Members::of(raw).ok_or("inputResponses is not an object with a response for each key of inputRequests")?;
    let mut keys = exchange.input_requests.iter().map(|request| &request.key);
    match keys.find(|key| responses.get(key).is_some() && responses.object(key).is_none()) {
        Some(key) => Err(format!("the response to {key} is not an object")),
        None => Ok(responses),
    }
}

/// Sends the server the client's responses. A retry may also bring responses for another exchange of the session, which
/// has taken over input requests since. Returns whether the user has not accepted a URL that an error named.
pub(super) fn reply(retried: u64, responses: &Members<'_>, exchanges: &mut Exchanges, out: &mut Outbox) -> bool {
    let Some(session) = exchanges.get(retried).map(|exchange| exchange.session) else { return false };
    let mut is_declined = false;
    for (number, exchange) in exchanges.in_session_mut(session) {
        let is_answered = |request: &mut InputRequest| {
            (number == retried || request.shared.is_some()) && responses.object(&request.key).is_some()
        };
        for request in exchange.input_requests.extract_if(.., is_answered) {
            if let Some(raw_id) = request.raw_id {
                let message = message::result(&raw_id, responses.get(&request.key).unwrap_or("{}"));
                out.push(Action::Reply { session, exchange: number, message });
            } else {
                let action = responses.object(&request.key).and_then(|response| response.string("action"));
                is_declined |= action.as_deref() != Some("accept");
            }
        }
    }
    is_declined
}

/// Rejects what the client does not declare any more. Returns whether an error named a URL among that.
pub(super) fn reject_lacking(exchange: &mut Exchange, out: &mut Outbox) -> bool {
    let mut is_url = false;
    for request in std::mem::take(&mut exchange.input_requests) {
        match (exchange.lacks(request.needs), &request.raw_id) {
            (None, _) => exchange.input_requests.push(request),
            (Some(lacks), Some(raw_id)) => {
                exchange.missing = Some(lacks);
                reject_for_lack(exchange.session, raw_id, lacks, out);
            }
            (Some(_), None) => {
                exchange.missing = Some(request.needs);
                is_url = true;
            }
        }
    }
    is_url
}

/// Their exchange has ended. A request that may belong to another exchange is given to it; others are rejected.
pub(super) fn release(requests: Vec<InputRequest>, why: &str, exchanges: &mut Exchanges, out: &mut Outbox) {
    for request in requests {
        match (next_exchange(&request, exchanges), &request.raw_id) {
            (Some(next), _) => give(next, request, exchanges, out),
            (None, Some(raw_id)) => out.reject(request.session, raw_id, code::INTERNAL_ERROR, why),
            (None, None) => {}
        }
    }
}

/// The server has responded without the input responses, so that a request from the stream of the session most likely
/// belongs to another exchange. Without such an exchange the client may still answer it in its retry.
pub(super) fn pass_on(number: u64, exchanges: &mut Exchanges, out: &mut Outbox) {
    let Some(exchange) = exchanges.get_mut(number) else { return };
    for request in std::mem::take(&mut exchange.input_requests) {
        give(next_exchange(&request, exchanges).unwrap_or(number), request, exchanges, out);
    }
}

fn give(number: u64, request: InputRequest, exchanges: &mut Exchanges, out: &mut Outbox) {
    let Some(exchange) = exchanges.get_mut(number) else { return };
    if let Some(due) = request.shared.filter(|_| exchange.client.is_some()) {
        out.set_timer(due, Timer::InputRequests(number));
    }
    exchange.input_requests.push(request);
}

/// The exchange to which a request from the stream of the session may belong besides the one that it was given to.
fn next_exchange(request: &InputRequest, exchanges: &Exchanges) -> Option<u64> {
    request.shared?;
    let next = exchanges.most_likely(request.session, request.needs)?;
    exchanges.get(next)?.lacks(request.needs).is_none().then_some(next)
}

/// Tells the server that the client does not declare the capability, with the code of the legacy era.
fn reject_for_lack(session: u64, raw_id: &str, lacks: &str, out: &mut Outbox) {
    // An undeclared mode is a wrong parameter ("Elicitation"), everything else a missing method ("Roots").
    let code = if lacks.contains('.') { code::INVALID_PARAMS } else { code::METHOD_NOT_FOUND };
    out.reject(session, raw_id, code, &format!("the client does not declare {lacks}"));
}

fn input_request(request: &Message) -> Option<String> {
    let method = quoted(request.method()?);
    let Some(params) = request.params() else { return Some(format!(r#"{{"method":{method}}}"#)) };
    // The modern era has no elicitation ids, and its clients were not offered tasks.
    let params = params.with(&[("elicitationId", Change::Remove), ("task", Change::Remove)]);
    Some(format!(r#"{{"method":{method},"params":{params}}}"#))
}
