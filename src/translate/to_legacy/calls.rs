//! What becomes of a request that the server must answer, through all its rounds?

use super::exchanges::{Exchanges, Waiter};
use super::input_requests;
use super::outbox::{ClientRequest, Outbox};
use super::requests::ModernRequest;
use super::responses::{missing_capability, required_urls};
use super::sessions::Sessions;
use crate::message::{Message, cancelled};
use crate::translate::capabilities;

/// Makes text that nobody can guess.
pub(crate) type Secrets = Box<dyn FnMut() -> String + Send>;

pub(super) struct Calls {
    pub(super) exchanges: Exchanges,
    secrets: Secrets,
}

impl Calls {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { exchanges: Exchanges::default(), secrets }
    }

    /// Sends a request as soon as the server sends the log messages that it wants.
    pub(super) fn begin(&mut self, number: u64, sessions: &mut Sessions, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.get(number) else { return };
        let session_number = exchange.session;
        let Some(session) = sessions.get_mut(session_number) else { return };
        if exchange.log_level.is_none() || !session.server.can("logging", None) {
            return self.exchanges.send(number, out);
        }
        session.log_level.waiting.push(number);
        self.update_log_level(session_number, sessions, out);
    }

    /// Asks the server for the log level that is wanted now, and sends the requests that need not wait any more.
    pub(super) fn update_log_level(&mut self, session_number: u64, sessions: &mut Sessions, out: &mut Outbox) {
        let session = sessions.get_mut(session_number).filter(|session| session.server.can("logging", None));
        let Some(session) = session else { return };
        let wanted = self.exchanges.lowest_log_level(session_number);
        session.log_level.request(session_number, wanted, out);
        for number in session.log_level.take_ready(|number| self.exchanges.get(number)?.log_level) {
            self.exchanges.send(number, out);
        }
    }

    pub(super) fn log_level_due(&mut self, session: u64, sessions: &mut Sessions, out: &mut Outbox) {
        let log_level = sessions.get_mut(session).map(|session| &mut session.log_level);
        let Some(ready) = log_level.and_then(|log_level| log_level.expire(session, out)) else { return };
        for number in ready {
            self.exchanges.send(number, out);
        }
        self.update_log_level(session, sessions, out);
    }

    /// The server has responded. If it needs URLs to be visited first, the client gets input requests for them.
    pub(super) fn responded(&mut self, number: u64, response: &Message, sessions: &Sessions, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.responded(number) else { return };
        if exchange.client.is_none() {
            exchange.response = Some(response.clone());
            return input_requests::pass_on(number, &mut self.exchanges, out);
        }
        let urls = required_urls(response);
        if exchange.subject.is_none() || urls.is_empty() {
            return self.answer(number, response, sessions, out);
        }
        if exchange.lacks(capabilities::URL).is_some() {
            let error = missing_capability(response, capabilities::URL);
            return self.answer(number, error.as_ref().unwrap_or(response), sessions, out);
        }
        exchange.response = Some(response.clone());
        input_requests::add_urls(exchange, urls);
        self.put_input_requests(number, out);
    }

    fn answer(&mut self, number: u64, response: &Message, sessions: &Sessions, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.remove(number) else { return };
        let Some(client) = &exchange.client else { return };
        let server = sessions.get(exchange.session).map(|session| &session.server);
        let error = exchange.missing.and_then(|capability| missing_capability(response, capability));
        let response = error.as_ref().unwrap_or(response);
        let modern = server.and_then(|server| server.modern_response(response, &exchange.method, &client.raw_id));
        out.answer(modern.unwrap_or_else(|| response.with_id(&client.raw_id)));
        let why = "the request that this belongs to is answered";
        input_requests::release(exchange.input_requests, why, &mut self.exchanges, out);
    }

    /// Answers the client's request with all input requests that the server has sent for it.
    pub(super) fn put_input_requests(&mut self, number: u64, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        input_requests::put(number, exchange, &mut self.secrets, out);
        if let Some(oldest) = self.exchanges.oldest_of_too_many() {
            self.give_up_held(oldest, out);
        }
    }

    /// The client retries a request that was answered with input requests.
    pub(super) fn retry(
        &mut self,
        message: &Message,
        request: ModernRequest,
        state: &str,
        sessions: &mut Sessions,
        out: &mut Outbox,
    ) {
        let number = self.exchanges.held_with(state);
        let exchange = number.and_then(|number| Some((number, self.exchanges.get_mut(number)?)));
        let Some((number, exchange)) = exchange else {
            let why = "the requestState is unknown, or has expired; send the request again without it";
            return out.invalid_params(&request.raw_id, why);
        };
        if exchange.method != request.method || exchange.subject != request.subject {
            return out.invalid_params(&request.raw_id, "the requestState belongs to a different request");
        }
        let responses = match input_requests::responses(request.input_responses.as_deref(), exchange) {
            Ok(responses) => responses,
            // The state stays valid: the client may retry with better responses.
            Err(why) => return out.invalid_params(&request.raw_id, &why),
        };
        let session = exchange.session;
        exchange.log_level = request.log_level;
        exchange.capabilities = serde_json::from_str(&request.capabilities).ok();
        exchange.client = Some(Waiter { raw_id: request.raw_id, token: request.progress_token });
        exchange.end_hold(number, out);
        out.client_requests.insert(request.id, ClientRequest::Exchange(number));
        if let Some(session) = sessions.get_mut(session) {
            session.last_used = out.now;
        }
        let is_declined = input_requests::reply(number, &responses, &mut self.exchanges, out);
        let exchange = self.exchanges.get_mut(number);
        let is_impossible = exchange.is_some_and(|exchange| input_requests::reject_lacking(exchange, out));
        self.update_log_level(session, sessions, out);
        self.proceed(number, (!is_declined && !is_impossible).then_some(message), sessions, out);
    }

    /// Goes on after a retry. `request`: the retry, if the user has visited all URLs that an error named.
    fn proceed(&mut self, number: u64, request: Option<&Message>, sessions: &mut Sessions, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        let Some(response) = exchange.response.take() else {
            // The client has not answered all input requests, or the server has sent more of them.
            return self.put_input_requests(number, out);
        };
        let needed_urls = exchange.raw_id.is_none() && !required_urls(&response).is_empty();
        if let Some(request) = request.filter(|_| needed_urls) {
            // The server may accept the request now.
            exchange.request = Some(request.clone());
            let requests = std::mem::take(&mut exchange.input_requests);
            let why = "the request that this belongs to is sent once more";
            input_requests::release(requests, why, &mut self.exchanges, out);
            return self.begin(number, sessions, out);
        }
        self.answer(number, &response, sessions, out);
    }

    /// The client has had its time to retry.
    pub(super) fn held_due(&mut self, number: u64, out: &mut Outbox) {
        let held = self.exchanges.get(number).and_then(|exchange| exchange.held.as_ref());
        if held.is_some_and(|held| held.until <= out.now) {
            self.give_up_held(number, out);
        }
    }

    fn give_up_held(&mut self, number: u64, out: &mut Outbox) {
        out.warn("the client has not sent what the server asked for; the request is cancelled".to_owned());
        self.end(number, None, "the client has not come back", out);
    }

    /// Ends a request without an answer. `message`: the client's `notifications/cancelled`, if it sent one.
    pub(super) fn end(&mut self, number: u64, message: Option<&Message>, reason: &str, out: &mut Outbox) {
        let Some(mut exchange) = self.exchanges.remove(number) else { return };
        exchange.end_hold(number, out);
        let requests = std::mem::take(&mut exchange.input_requests);
        input_requests::release(requests, reason, &mut self.exchanges, out);
        exchange.cancel(message, reason, out);
    }

    /// The server would wait in vain for a response, so the client's request ends with this error.
    pub(super) fn reply_undeliverable(&mut self, number: u64, error: &Message, sessions: &Sessions, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        let Some(raw_id) = exchange.raw_id.take() else { return };
        exchange.missing = None;
        out.cancel(exchange.session, &raw_id, cancelled(&raw_id, "what was asked for cannot be delivered"));
        self.responded(number, error, sessions, out);
    }

    pub(super) fn is_in(&self, session: u64) -> bool {
        self.exchanges.in_session(session).next().is_some()
    }
}
