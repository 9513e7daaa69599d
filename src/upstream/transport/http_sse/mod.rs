//! HTTP+SSE of 2024-11-05: an `endpoint` event names the address for POSTs; responses come on the stream.

mod stream;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::OptionFuture;
use http::{Method, Uri};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::link::Link;
use super::open_error::OpenError;
use super::session_state::{Sending, is_setting};
use crate::log;
use crate::message::{Initialize, Kind, Message, OwnRequests};
use crate::net::SseError;
use crate::task;
use crate::upstream::Failure;
use crate::upstream::exchange::LAST_ATTEMPT;
use crate::upstream::exchange::backoff::Backoff;
use crate::upstream::exchange::response::{Body, EventStream, OwedResponse, error_response, lost_session, read_body};
use crate::upstream::exchange::{Event, Outcome, Sent, post_headers};

pub(crate) use stream::{Opening, connect, endpoint};

/// How long a server may take to answer the `initialize` that is repeated on a new stream.
const REPEATED_INITIALIZE: Duration = Duration::from_secs(30);

/// A server's stream and the address for its messages.
pub(crate) struct HttpSseTransport {
    link: Arc<Link>,
    /// Changed by the task that reads the stream; requests wait until it has an address.
    stream: watch::Sender<Stream>,
    /// The `initialize` that waits for its response on the stream: it is not the client's, or not yet.
    initializing: OwnRequests,
    /// The task that reads the stream; the end stops it.
    reader: Mutex<Option<AbortHandle>>,
    /// The server has answered `initialize`, so that a broken stream is opened again. Set once, by the opening; read by
    /// the task that reads the stream.
    initialized: AtomicBool,
    /// The last message that was sent is no request: an error without an id may be about it. Each POST changes it; the task that
    /// reads the stream reads it.
    notified: AtomicBool,
    /// The last stream whose session the server has lost. A request that finds that out sets it; the task that reads
    /// the stream then opens another.
    lost_session: watch::Sender<u64>,
    /// Ends the pause of that task while the server cannot be reached. Requests notify it.
    attempt_wanted: Notify,
}

struct Stream {
    /// Among all the streams of this process.
    number: u64,
    /// The address for POSTs; `None` while the stream is broken or `initialize` is not answered on it.
    endpoint: Option<Uri>,
    /// Why the stream has not come back.
    trouble: Option<Failure>,
    /// How many attempts to open a stream have failed.
    failures: u64,
}

/// Sends `initialize` on a stream and makes a session of it. Returns its result too.
pub(crate) async fn open(
    link: &Arc<Link>,
    initialize: &Message,
    (events, endpoint): Opening,
) -> Result<(Arc<HttpSseTransport>, Message), OpenError> {
    let number = next_number(link);
    let transport = Arc::new(HttpSseTransport {
        link: Arc::clone(link),
        stream: watch::Sender::new(Stream { number, endpoint: None, trouble: None, failures: 0 }),
        initializing: OwnRequests::default(),
        reader: Mutex::default(),
        initialized: AtomicBool::new(false),
        notified: AtomicBool::new(false),
        lost_session: watch::Sender::new(0),
        attempt_wanted: Notify::new(),
    });
    let reader = task::spawn(Arc::clone(&transport).read(events)).abort_handle();
    // The task that opens may be stopped at any await; then nothing is left to read for.
    let unless_opened = AbortOnDrop(Some(reader.clone()));
    let answer = transport.initialize(&endpoint, initialize).await?;
    if let Kind::Response { is_error: true, .. } = answer.kind() {
        return Err(OpenError::Error(http::StatusCode::OK, answer));
    }
    log::info!("session opened with {} (HTTP+SSE)", link.sender.host);
    transport.initialized.store(true, Ordering::Relaxed);
    transport.stream.send_modify(|stream| stream.endpoint = Some(endpoint));
    *transport.reader.lock() = Some(reader);
    unless_opened.disarm();
    Ok((transport, answer))
}

fn next_number(link: &Link) -> u64 {
    link.streams.fetch_add(1, Ordering::Relaxed) + 1
}

struct AbortOnDrop(Option<AbortHandle>);

impl AbortOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl HttpSseTransport {
    /// POSTs a request or batch; its responses come on the stream.
    pub(crate) async fn request(&self, message: &Message) -> Result<Outcome, Failure> {
        let (number, answer) = self.post_in_session(message).await?;
        match answer {
            // A JSON-RPC error in an HTTP error, or a server that answers at once.
            Some(answer) => match message.raw_id() {
                Some(raw_id) => Ok(Outcome::Answer(answer.with_id(raw_id))),
                None => Err(Failure::Rpc(answer)),
            },
            None => Ok(Outcome::Elsewhere(number)),
        }
    }

    /// The same, but no other stream is opened for it.
    pub(crate) async fn request_once(&self, message: &Message) -> Result<Outcome, Failure> {
        let (number, endpoint) = self.endpoint(0).await?;
        Ok(self.post(&endpoint, message).await?.map_or(Outcome::Elsewhere(number), Outcome::Answer))
    }

    /// POSTs a notification, or the client's response to a request of the server.
    pub(crate) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        match self.post_in_session(message).await?.1 {
            Some(error) if matches!(error.kind(), Kind::Response { is_error: true, .. }) => Err(Failure::Rpc(error)),
            _ => Ok(()),
        }
    }

    /// POSTs where the open stream says. If the server has lost that stream's session, a new stream is opened, and what
    /// was refused for lack of a session is sent there, once.
    async fn post_in_session(&self, message: &Message) -> Result<(u64, Option<Message>), Failure> {
        let (number, endpoint) = self.endpoint(0).await?;
        match self.post(&endpoint, message).await {
            // A translator sets the state of each session again: it must not cost another session.
            Err(Failure::SessionLost { .. }) if self.link.session_state.is_some() || !is_setting(message) => {
                self.lost_session.send_modify(|lost| *lost = number.max(*lost));
                let (number, endpoint) = self.endpoint(number).await?;
                Ok((number, self.post(&endpoint, message).await?))
            }
            settled => Ok((number, settled?)),
        }
    }

    /// Closing the stream is all that ends a session. The owner of the requests learns that none of them is answered.
    pub(crate) fn close(&self) {
        let why = Failure::Broken("the session was closed before the answer".to_owned());
        self.link.client.send_event(Event::StreamLost(self.stream.borrow().number, why));
        if let Some(reader) = self.reader.lock().take() {
            reader.abort();
        }
    }

    /// The address for POSTs of a stream after this one, once the server has answered `initialize` on it.
    async fn endpoint(&self, after: u64) -> Result<(u64, Uri), Failure> {
        let mut changes = self.stream.subscribe();
        let sender = &self.link.sender;
        // A login is waited for by whoever has a client.
        let wants_login = |trouble: &Failure| sender.is_refused_still(trouble);
        let is_open = |stream: &Stream| {
            (stream.number > after && stream.endpoint.is_some()) || stream.trouble.as_ref().is_some_and(wants_login)
        };
        let (is_open_now, failures) = (is_open(&self.stream.borrow()), self.stream.borrow().failures);
        let now = Instant::now();
        let mut until = if is_open_now { now } else { sender.outage.waits_until() };
        let is_last = !is_open_now && until <= now;
        if is_last {
            // The server may be there again since the last attempt.
            self.attempt_wanted.notify_waiters();
            until = now + LAST_ATTEMPT;
        }
        let is_settled = |stream: &Stream| is_open(stream) || is_last && stream.failures > failures;
        match tokio::time::timeout_at(until.into(), changes.wait_for(is_settled)).await {
            Ok(Ok(stream)) => match (&stream.endpoint, &stream.trouble) {
                (Some(endpoint), _) => Ok((stream.number, endpoint.clone())),
                (None, trouble) => Err(trouble.clone().unwrap_or(Failure::Ending)),
            },
            Ok(Err(_)) => Err(Failure::Ending),
            Err(_) => {
                sender.outage.end_wait();
                let trouble = self.stream.borrow().trouble.clone().or_else(|| sender.outage.reason());
                Err(trouble.unwrap_or_else(|| {
                    Failure::NotOpen(format!("the stream from {} broke and has not come back", sender.host))
                }))
            }
        }
    }

    /// POSTs a message. Returns the server's response where it does not come on the stream.
    async fn post(&self, endpoint: &Uri, message: &Message) -> Result<Option<Message>, Failure> {
        let sender = &self.link.sender;
        let body = message.text().clone();
        self.notified.store(message.requests().is_empty(), Ordering::Relaxed);
        let Sent { response, .. } = sender.send(Method::POST, endpoint, &post_headers(), body, sender.patience).await?;
        let status = response.status();
        if !status.is_success() {
            return error_response(sender, response, true).await.map(Some);
        }
        // Servers send "Accepted", a page, the message itself or anything else. It only counts that they took it.
        let Ok(Body::Message(answer)) = read_body(sender, response).await else { return Ok(None) };
        let answer = match OwedResponse::to(message) {
            Some(owed) => owed.take(answer).ok(),
            None => Some(answer).filter(|answer| matches!(answer.kind(), Kind::Response { is_error: true, .. })),
        };
        match answer.as_ref().and_then(|answer| lost_session(sender, status, answer)) {
            Some(lost) => Err(lost),
            None => Ok(answer),
        }
    }

    /// Sends `initialize` and waits for its response on the stream.
    async fn initialize(&self, endpoint: &Uri, initialize: &Message) -> Result<Message, Failure> {
        let Kind::Request { id, .. } = initialize.kind() else {
            return Err(Failure::Unusable("initialize without an id".to_owned()));
        };
        let raw_id = initialize.raw_id().unwrap_or("null");
        let broken = || Failure::Broken(format!("the stream from {} broke before the answer", self.link.sender.host));
        let mut waiting = self.initializing.wait(id.clone());
        let posted = tokio::select! {
            // The body of the response to the POST may never end.
            answer = &mut waiting => return answer.map(|answer| answer.with_id(raw_id)).ok_or_else(broken),
            posted = self.post(endpoint, initialize) => posted?,
        };
        let answer = match posted {
            Some(answer) => Some(answer),
            None => waiting.await,
        };
        answer.map(|answer| answer.with_id(raw_id)).ok_or_else(broken)
    }

    /// Reads the stream, and the next one when it breaks, for as long as the process lives.
    async fn read(self: Arc<Self>, mut events: EventStream) {
        let mut backoff = Backoff::new(Duration::from_millis(500));
        let mut endpoint = None;
        loop {
            let cause = self.follow_initialized(&mut events, &mut backoff, endpoint).await;
            let mut number = 0;
            self.stream.send_modify(|stream| {
                stream.endpoint = None;
                number = stream.number;
            });
            self.initializing.fail_all();
            let host = &self.link.sender.host;
            let lost = Failure::Broken(format!("the stream from {host} broke before the answer: {cause}"));
            self.link.client.send_event(Event::StreamLost(number, lost));
            if !self.initialized.load(Ordering::Relaxed) {
                // There is no session yet: the task that opens it tries again.
                return;
            }
            let mut retry = events.retry();
            endpoint = loop {
                let trouble = self.stream.borrow().trouble.clone();
                let is_unreachable = matches!(trouble, Some(Failure::Unreachable(_)));
                let trouble = trouble.filter(Failure::wants_login);
                let other_login = trouble.as_ref().map(|trouble| self.link.sender.wait_for_other_login(trouble));
                tokio::select! {
                    () = tokio::time::sleep(backoff.after_stream(retry.take(), false)) => {}
                    Some(()) = OptionFuture::from(other_login) => {}
                    () = self.attempt_wanted.notified(), if is_unreachable => {}
                }
                match connect(&self.link.sender, REPEATED_INITIALIZE).await {
                    Ok((next, endpoint)) => {
                        events = next;
                        break Some(endpoint);
                    }
                    Err(failure) => {
                        log::info!("{failure}; trying again");
                        self.stream.send_modify(|stream| {
                            stream.trouble = Some(failure);
                            stream.failures += 1;
                        });
                    }
                }
            };
            let number = next_number(&self.link);
            self.stream.send_modify(|stream| {
                stream.number = number;
                stream.trouble = None;
            });
        }
    }

    /// Follows a stream to its end. On a stream that replaces another, `initialize` is repeated meanwhile; a stream on
    /// which that fails counts as ended.
    async fn follow_initialized(
        &self,
        events: &mut EventStream,
        backoff: &mut Backoff,
        endpoint: Option<Uri>,
    ) -> String {
        let Some(endpoint) = endpoint else { return self.follow(events, backoff).await };
        let mut follow = pin!(self.follow(events, backoff));
        let reopened = tokio::select! {
            cause = &mut follow => return cause,
            reopened = tokio::time::timeout(REPEATED_INITIALIZE, self.reopen(endpoint)) => reopened,
        };
        match reopened {
            Ok(Ok(())) => follow.await,
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => "the server did not answer initialize".to_owned(),
        }
    }

    /// Repeats the client's handshake on a new stream, then lets requests through.
    async fn reopen(&self, endpoint: Uri) -> Result<(), Failure> {
        let Some(initialize) = self.link.handshake.initialize() else { return Err(Failure::Ending) };
        let answer = self.initialize(&endpoint, &initialize).await?;
        let Some(result) = Initialize::result(&answer) else { return Err(Failure::Rpc(answer)) };
        if let Some(initialized) = self.link.handshake.initialized() {
            self.post(&endpoint, &initialized).await?;
        }
        let there = &endpoint;
        let on_new_stream = |request: Message| -> Sending<'_> {
            // No task waits for a response that comes on the stream.
            Box::pin(async move { Ok(self.post(there, &request).await?.map_or(Outcome::Done, Outcome::Answer)) })
        };
        self.link.replay_state(&on_new_stream).await;
        self.stream.send_modify(|stream| stream.endpoint = Some(endpoint));
        self.link.session_replaced(Some(result));
        Ok(())
    }

    /// Delivers the messages of the stream until it ends. Returns why it did.
    async fn follow(&self, events: &mut EventStream, backoff: &mut Backoff) -> String {
        let Link { sender, client, .. } = &*self.link;
        let number = self.stream.borrow().number;
        let mut lost_session = self.lost_session.subscribe();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = lost_session.wait_for(|lost| *lost >= number) => return "the server has lost its session".to_owned(),
            };
            let event = match event {
                Some(Ok(event)) if event.name == "endpoint" || event.data.is_empty() => continue,
                Some(Ok(event)) => event,
                Some(Err(error @ SseError::TooLong { .. })) => {
                    client.drop_too_long(&sender.host, &error);
                    continue;
                }
                ended => {
                    // Only the blank line after it may be missing.
                    let last = events.unfinished().and_then(|event| Message::received(event.data).ok());
                    if let Some(answer) = last.filter(|last| matches!(last.kind(), Kind::Response { .. })) {
                        self.deliver(answer).await;
                    }
                    return match ended {
                        Some(Err(error)) => error.to_string(),
                        _ => "the server ended it".to_owned(),
                    };
                }
            };
            match Message::received(event.data) {
                Ok(message) => {
                    backoff.reset();
                    self.deliver(message).await;
                }
                Err(error) => log::warn!("the server sent an event that is {error}; it is dropped"),
            }
        }
    }

    async fn deliver(&self, message: Message) {
        if self.initializing.answer(&message) || self.initializing.answer_inexact(&message) {
            return;
        }
        match message.kind() {
            // All responses come on this stream, also those whose request the server could not read.
            Kind::Response { id, is_error: true } if id.is_null() && !self.notified.load(Ordering::Relaxed) => {
                self.link.client.deliver_response(message).await;
            }
            _ => self.link.client.deliver(message).await,
        }
    }
}
