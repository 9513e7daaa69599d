//! What becomes of a request that the server must answer, through all its rounds?

use super::exchanges::{self, Exchange, Exchanges, Waiter};
use super::input_requests::{InputRequests, Secrets};
use super::input_responses::InputResponses;
use super::outbox::{ClientRequest, Outbox};
use super::requests::ModernRequest;
use super::responses::{missing_capability, required_urls};
use super::sessions::Sessions;
use crate::message::{Message, cancelled};
use crate::translate::capabilities;

/// The exchanges with the server, and what it needs from the client for them.
pub(super) struct Calls {
    pub(super) exchanges: Exchanges,
    pub(super) input_requests: InputRequests,
}

impl Calls {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { exchanges: Exchanges::default(), input_requests: InputRequests::new(secrets) }
    }

    /// Takes a request. It [`begin`](Self::begin)s when its session is open. Returns its number.
    pub(super) fn add(
        &mut self,
        message: &Message,
        request: ModernRequest,
        session: u64,
        sessions: &Sessions,
        out: &mut Outbox,
    ) -> u64 {
        let number = out.next_number();
        let capabilities = sessions.get(session).map(|session| session.capabilities.clone()).unwrap_or_default();
        out.client_requests.insert(request.id.clone(), ClientRequest::Exchange(number));
        self.exchanges.insert(number, Exchange::new(message, request, session, capabilities));
        number
    }

    /// Sends a request as soon as the server sends the log messages that it wants.
    pub(super) fn begin(&mut self, number: u64, sessions: &mut Sessions, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.get(number) else { return };
        let session_number = exchange.session;
        let Some(session) = sessions.get_mut(session_number) else { return };
        if exchange.log_level.is_none() || !session.server.can("logging", None) {
            return self.exchanges.send(number, out);
        }
        session.log_level.wait(number);
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

    /// The server has not answered `logging/setLevel` in time.
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
            return self.input_requests.pass_on(number, &self.exchanges, out);
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
        self.input_requests.add_urls(number, urls);
        self.put_input_requests(number, out);
    }

    /// Gives the client the server's response.
    fn answer(&mut self, number: u64, response: &Message, sessions: &Sessions, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.remove(number) else { return };
        let Some(client) = &exchange.client else { return };
        let server = sessions.get(exchange.session).map(|session| &session.server);
        let error = exchange.missing.and_then(|capability| missing_capability(response, capability));
        let response = error.as_ref().unwrap_or(response);
        let modern = server.and_then(|server| server.modern_response(response, &exchange.method, &client.raw_id));
        out.answer(modern.unwrap_or_else(|| response.with_id(&client.raw_id)));
        let requests = self.input_requests.take(number);
        let why = "the request that this belongs to is answered";
        self.input_requests.release(exchange.session, requests, why, &self.exchanges, out);
    }

    /// Answers the client's request with all input requests that the server has sent for it.
    pub(super) fn put_input_requests(&mut self, number: u64, out: &mut Outbox) {
        self.input_requests.put(number, &mut self.exchanges, out);
        if let Some(oldest) = self.input_requests.oldest_of_too_many() {
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
        let number = self.input_requests.held_with(state);
        let exchange = number.and_then(|number| Some((number, self.exchanges.get_mut(number)?)));
        let Some((number, exchange)) = exchange else {
            let why = "the requestState is unknown, or has expired; send the request again without it";
            return out.invalid_params(&request.raw_id, why);
        };
        if exchange.method != request.method || exchange.subject != request.subject {
            return out.invalid_params(&request.raw_id, "the requestState belongs to a different request");
        }
        let keys = self.input_requests.of(number).iter().map(|request| &*request.key);
        let responses = match InputResponses::read(request.input_responses.as_deref(), keys) {
            Ok(responses) => responses,
            // The state stays valid: the client may retry with better responses.
            Err(why) => return out.invalid_params(&request.raw_id, &why),
        };
        let session = exchange.session;
        exchange.log_level = request.log_level;
        exchange.capabilities = serde_json::from_str(&request.capabilities).ok();
        exchange.client = Some(Waiter { raw_id: request.raw_id, token: request.progress_token });
        if let Some(held) = self.input_requests.take_held(number) {
            exchanges::release_id(number, &held.request, out);
        }
        out.client_requests.insert(request.id, ClientRequest::Exchange(number));
        sessions.touch(session, out.now);
        let is_declined = self.input_requests.reply(number, &responses, &self.exchanges, out);
        let is_impossible = self.input_requests.reject_lacking(number, &mut self.exchanges, out);
        self.update_log_level(session, sessions, out);
        self.proceed(number, (!is_declined && !is_impossible).then_some(message), sessions, out);
    }

    /// Asks the client for what is still missing, sends the request again, or gives the client a response that came
    /// meanwhile. `request`: the retry, if the user has visited all URLs that an error named.
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
            let (session, requests) = (exchange.session, self.input_requests.take(number));
            let why = "the request that this belongs to is sent once more";
            self.input_requests.release(session, requests, why, &self.exchanges, out);
            return self.begin(number, sessions, out);
        }
        self.answer(number, &response, sessions, out);
    }

    /// The client has cancelled its request. `message`: its `notifications/cancelled`, if it sent one.
    pub(super) fn cancel(&mut self, number: u64, message: Option<&Message>, out: &mut Outbox) {
        self.end(number, message, "the client has gone", out);
    }

    /// The client has had its time to retry.
    pub(super) fn held_due(&mut self, number: u64, out: &mut Outbox) {
        if self.input_requests.is_overdue(number, out.now) {
            self.give_up_held(number, out);
        }
    }

    fn give_up_held(&mut self, number: u64, out: &mut Outbox) {
        out.warn("the client has not sent what the server asked for; the request is cancelled".to_owned());
        self.end(number, None, "the client has not come back", out);
    }

    fn end(&mut self, number: u64, message: Option<&Message>, reason: &str, out: &mut Outbox) {
        let Some(mut exchange) = self.exchanges.remove(number) else { return };
        if let Some(held) = self.input_requests.take_held(number) {
            exchanges::release_id(number, &held.request, out);
        }
        let requests = self.input_requests.take(number);
        self.input_requests.release(exchange.session, requests, reason, &self.exchanges, out);
        exchanges::cancel(&mut exchange, message, reason, out);
    }

    /// The client's response to a server's request cannot be delivered. The server would wait for it in vain, so the
    /// client's request ends with this error.
    pub(super) fn reply_undeliverable(&mut self, number: u64, error: &Message, sessions: &Sessions, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        let Some(raw_id) = exchange.raw_id.take() else { return };
        exchange.missing = None;
        out.cancel(exchange.session, &raw_id, cancelled(&raw_id, "what was asked for cannot be delivered"));
        self.responded(number, error, sessions, out);
    }

    /// The session of this request was refused. Returns the id of the client's request.
    pub(super) fn drop_unopened(&mut self, number: u64) -> Option<Box<str>> {
        Some(self.exchanges.remove(number)?.client?.raw_id)
    }

    /// The server has cancelled a request of its own.
    pub(super) fn input_request_cancelled(&mut self, session: u64, message: &Message) {
        self.input_requests.cancelled(session, message, &self.exchanges);
    }

    pub(super) fn is_in(&self, session: u64) -> bool {
        self.exchanges.in_session(session).next().is_some()
    }
}
