//! HTTP+SSE of 2024-11-05: the `endpoint` event, POST there, replies on the stream.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Uri};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use super::answer::{self, Body, EventStream};
use super::backoff::Backoff;
use super::lasting::Asked;
use super::send::{self, Sent};
use super::{Context, Event, NotOpened, Opened, Outcome, SECRET_ID, Wire, lasting};
use crate::log;
use crate::message::{Id, Initialize, Kind, Message};
use crate::net::{self, SseError};
use crate::task;
use crate::upstream::Failure;

/// How long a server may take to answer the `initialize` that is said to it again.
const REPLAY: Duration = Duration::from_secs(30);

/// A server's stream and where it wants its messages.
pub(super) struct Session {
    context: Arc<Context>,
    stream: watch::Sender<Stream>,
    /// Who waits for the answer to `initialize`: it is not the client's, or not yet.
    greeting: Mutex<Option<(Id, oneshot::Sender<Message>)>>,
    reader: Mutex<Option<AbortHandle>>,
    /// The server has answered `initialize`, so that the session is worth coming back to.
    greeted: AtomicBool,
    /// The last stream whose session the server has forgotten.
    forgotten: watch::Sender<u64>,
}

struct Stream {
    /// Of all the streams of this process.
    number: u64,
    /// Where to POST; none while the stream is broken or the server has not been greeted on it.
    endpoint: Option<Uri>,
    /// Why it has not come back.
    trouble: Option<Failure>,
}

impl Context {
    fn next_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A stream just opened, and where its server wants its messages.
pub(super) type Opening = (EventStream, Uri);

/// Says `initialize` on a stream and makes a session of it.
pub(super) async fn begin(
    context: &Arc<Context>,
    initialize: &Message,
    (events, endpoint): Opening,
) -> Result<Opened, NotOpened> {
    let session = Arc::new(Session {
        context: Arc::clone(context),
        stream: watch::Sender::new(Stream { number: context.next_stream(), endpoint: None, trouble: None }),
        greeted: AtomicBool::new(false),
        greeting: Mutex::default(),
        reader: Mutex::default(),
        forgotten: watch::Sender::new(0),
    });
    let reader = task::spawn(Arc::clone(&session).read(events)).abort_handle();
    // Whoever opens may be told to stop at any await; then nobody is to read.
    let unless_opened = AbortOnDrop(Some(reader.clone()));
    let answer = session.greet(&endpoint, initialize).await?;
    if let Kind::Response { is_error: true, .. } = answer.kind() {
        return Err(NotOpened::Error(http::StatusCode::OK, answer));
    }
    log::info!("session opened with {} (HTTP+SSE)", context.sender.host());
    session.greeted.store(true, Ordering::Relaxed);
    session.stream.send_modify(|stream| stream.endpoint = Some(endpoint));
    *session.reader.lock() = Some(reader);
    unless_opened.disarm();
    Ok(Opened { wire: Wire::HttpSse(session), answer })
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

/// Opens the stream and waits, within `bound`, for its first event, which says where messages go.
pub(super) async fn connect(context: &Context, bound: Duration) -> Result<Opening, Failure> {
    let sender = &context.sender;
    let none = || Failure::Unusable(format!("{} opened a stream but named no endpoint on it", sender.host()));
    let connecting = async {
        let Sent { response, moved } =
            sender.send(Method::GET, sender.uri(), &send::get_headers(), Bytes::new(), Duration::ZERO).await?;
        if !response.status().is_success() {
            return match answer::refusal(sender, response, false).await {
                Ok(error) => Err(Failure::Rpc(error)),
                Err(failure) => Err(failure),
            };
        }
        if !answer::is(response.headers(), "text/event-stream") {
            return Err(Failure::Unusable(format!("{} opened no stream", sender.host())));
        }
        let Body::Events(mut events) = answer::body(sender, response).await? else { return Err(none()) };
        loop {
            match events.next().await {
                Some(Ok(event)) if event.name == "endpoint" => {
                    let base = moved.unwrap_or_else(|| sender.uri().clone());
                    let endpoint = endpoint(&base, &event.data).map_err(Failure::Unusable)?;
                    return Ok((events, endpoint));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    return Err(Failure::Broken(format!("the stream from {} broke: {error}", sender.host())));
                }
                None => return Err(none()),
            }
        }
    };
    tokio::time::timeout(bound, connecting).await.unwrap_or_else(|_| Err(none()))
}

/// What an `endpoint` event names, which must be of the stream's own origin.
fn endpoint(base: &Uri, data: &[u8]) -> Result<Uri, String> {
    let host = net::origin(base);
    let text = String::from_utf8_lossy(data);
    let base = url::Url::parse(&base.to_string()).map_err(|error| error.to_string())?;
    let endpoint =
        base.join(text.trim()).map_err(|error| format!("the endpoint that {host} names is no address: {error}"))?;
    log::hide_url(&endpoint, SECRET_ID);
    if endpoint.origin() != base.origin() {
        let there = endpoint.origin().ascii_serialization();
        return Err(format!("{host} names an endpoint at {there}, which must not get this origin's messages"));
    }
    endpoint.as_str().parse().map_err(|_| format!("the endpoint that {host} names is no address"))
}

impl Session {
    /// POSTs a request or batch; its answers come on the stream.
    pub(super) async fn request(&self, message: &Message) -> Result<Outcome, Failure> {
        let (number, answer) = self.post_in_session(message).await?;
        match answer {
            Some(answer) => match message.raw_id() {
                // A JSON-RPC error in an HTTP error, or a server that answers at once.
                Some(raw_id) => Ok(Outcome::Answer(answer.with_id(raw_id))),
                None => Err(Failure::Rpc(answer)),
            },
            None => Ok(Outcome::Elsewhere(number)),
        }
    }

    /// The same without another stream for it.
    pub(super) async fn ask_once(&self, message: &Message) -> Result<Outcome, Failure> {
        let (number, endpoint) = self.endpoint(0).await?;
        Ok(self.post(&endpoint, message).await?.map_or(Outcome::Elsewhere(number), Outcome::Answer))
    }

    /// POSTs a notification, or the client's answer to a request of the server.
    pub(super) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        match self.post_in_session(message).await?.1 {
            Some(error) if matches!(error.kind(), Kind::Response { is_error: true, .. }) => Err(Failure::Rpc(error)),
            _ => Ok(()),
        }
    }

    /// POSTs where the open stream says. If the server has forgotten that stream's session, a new stream is opened, and
    /// what was refused for lack of a session is sent there, once.
    async fn post_in_session(&self, message: &Message) -> Result<(u64, Option<Message>), Failure> {
        let (number, endpoint) = self.endpoint(0).await?;
        match self.post(&endpoint, message).await {
            Err(lost @ Failure::SessionLost { .. })
                if self.context.client.translated && lasting::is_lasting(message) =>
            {
                Err(lost)
            }
            Err(Failure::SessionLost { .. }) => {
                self.forgotten.send_modify(|forgotten| *forgotten = number.max(*forgotten));
                let (number, endpoint) = self.endpoint(number).await?;
                Ok((number, self.post(&endpoint, message).await?))
            }
            settled => Ok((number, settled?)),
        }
    }

    /// Closing the stream is all the farewell there is. Whoever waits for an answer on it is told.
    pub(super) fn close(&self) {
        let why = Failure::Broken("the session was closed before the answer".to_owned());
        self.context.client.tell(Event::StreamLost(self.stream.borrow().number, why));
        if let Some(reader) = self.reader.lock().take() {
            reader.abort();
        }
    }

    /// Where to POST, once the server has been greeted on a stream after this one.
    async fn endpoint(&self, after: u64) -> Result<(u64, Uri), Failure> {
        let mut changes = self.stream.subscribe();
        let open = changes.wait_for(|stream| stream.number > after && stream.endpoint.is_some());
        match tokio::time::timeout(self.context.options.patience, open).await {
            Ok(Ok(stream)) => stream.endpoint.clone().map(|endpoint| (stream.number, endpoint)).ok_or(Failure::Ending),
            Ok(Err(_)) => Err(Failure::Ending),
            Err(_) => Err(self.stream.borrow().trouble.clone().unwrap_or_else(|| {
                Failure::NotOpen(format!("the stream from {} broke and has not come back", self.context.sender.host()))
            })),
        }
    }

    /// The server's answer where it does not come on the stream.
    async fn post(&self, endpoint: &Uri, message: &Message) -> Result<Option<Message>, Failure> {
        let sender = &self.context.sender;
        let headers = send::post_headers();
        let body = message.text().clone();
        let Sent { response, .. } =
            sender.send(Method::POST, endpoint, &headers, body, self.context.options.patience).await?;
        if !response.status().is_success() {
            return answer::refusal(sender, response, true).await.map(Some);
        }
        // "Accepted" in plain text, as most say it.
        let plain = !response.headers().contains_key(CONTENT_TYPE) || answer::is(response.headers(), "text/plain");
        match answer::body(sender, response).await {
            Ok(Body::Message(answer)) if matches!(answer.kind(), Kind::Response { .. }) => Ok(Some(answer)),
            Ok(Body::Nothing(_)) => Ok(None),
            Ok(_) => Err(Failure::Unusable(format!("{} took the message but answered with another", sender.host()))),
            Err(failure) if !plain => Err(failure),
            Err(_) => Ok(None),
        }
    }

    /// Says `initialize` and waits for its answer on the stream.
    async fn greet(&self, endpoint: &Uri, initialize: &Message) -> Result<Message, Failure> {
        let Kind::Request { id, .. } = initialize.kind() else {
            return Err(Failure::Unusable("initialize without an id".to_owned()));
        };
        let (waiter, answer) = oneshot::channel();
        *self.greeting.lock() = Some((id.clone(), waiter));
        if let Some(answer) = self.post(endpoint, initialize).await? {
            return Ok(answer.with_id(initialize.raw_id().unwrap_or("null")));
        }
        answer.await.map_err(|_| {
            Failure::Broken(format!("the stream from {} broke before the answer", self.context.sender.host()))
        })
    }

    /// Reads the stream, and the next one when it breaks, for as long as the process lives.
    async fn read(self: Arc<Self>, mut events: EventStream) {
        let mut backoff = Backoff::new(Duration::from_millis(500));
        let mut endpoint = None;
        loop {
            let cause = self.follow_and_greet(&mut events, &mut backoff, endpoint).await;
            let mut number = 0;
            self.stream.send_modify(|stream| {
                stream.endpoint = None;
                number = stream.number;
            });
            drop(self.greeting.lock().take());
            let lost = format!("the stream from {} broke before the answer: {cause}", self.context.sender.host());
            self.context.client.tell(Event::StreamLost(number, Failure::Broken(lost)));
            if !self.greeted.load(Ordering::Relaxed) {
                // There is no session yet: whoever opens it tries again.
                return;
            }
            let mut retry = events.retry();
            endpoint = loop {
                tokio::time::sleep(backoff.after_stream(retry.take(), false)).await;
                match connect(&self.context, REPLAY).await {
                    Ok((next, endpoint)) => {
                        events = next;
                        break Some(endpoint);
                    }
                    Err(failure) => {
                        log::info!("{failure}; trying again");
                        self.stream.send_modify(|stream| stream.trouble = Some(failure));
                    }
                }
            };
            let number = self.context.next_stream();
            self.stream.send_modify(|stream| {
                stream.number = number;
                stream.trouble = None;
            });
        }
    }

    /// Follows a stream to its end; on one that replaces another, the server is greeted meanwhile. One that does not
    /// take us back counts as ended.
    async fn follow_and_greet(&self, events: &mut EventStream, backoff: &mut Backoff, endpoint: Option<Uri>) -> String {
        let Some(endpoint) = endpoint else { return self.follow(events, backoff).await };
        let mut follow = std::pin::pin!(self.follow(events, backoff));
        let greeted = tokio::select! {
            cause = &mut follow => return cause,
            greeted = tokio::time::timeout(REPLAY, self.return_to(endpoint)) => greeted,
        };
        match greeted {
            Ok(Ok(())) => follow.await,
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => "the server did not answer initialize".to_owned(),
        }
    }

    /// Greets the server on a new stream with the client's own words, then lets requests through.
    async fn return_to(&self, endpoint: Uri) -> Result<(), Failure> {
        let (Some(initialize), initialized) = self.context.gate.greeting() else { return Err(Failure::Ending) };
        let answer = self.greet(&endpoint, &initialize).await?;
        let Some(result) = Initialize::result(&answer) else { return Err(Failure::Rpc(answer)) };
        self.context.learned(result.capabilities);
        if let Some(initialized) = initialized {
            self.post(&endpoint, &initialized).await?;
        }
        let Context { lasting, modern, .. } = &*self.context;
        let there = &endpoint;
        let ask = |request: Message| -> Asked<'_> {
            // Where the answer comes on the stream, nobody waits for it there.
            Box::pin(async move { Ok(self.post(there, &request).await?.map_or(Outcome::Done, Outcome::Answer)) })
        };
        lasting.ask_again(&modern.ids, &ask).await;
        self.stream.send_modify(|stream| stream.endpoint = Some(endpoint));
        self.context.client.tell_translator(|| Event::Renewed);
        self.context.tell_changed();
        Ok(())
    }

    /// Delivers what the stream says until it ends; why it did.
    async fn follow(&self, events: &mut EventStream, backoff: &mut Backoff) -> String {
        let number = self.stream.borrow().number;
        let mut forgotten = self.forgotten.subscribe();
        loop {
            let said = tokio::select! {
                said = events.next() => said,
                _ = forgotten.wait_for(|forgotten| *forgotten >= number) => return "the server has forgotten its session".to_owned(),
            };
            let event = match said {
                Some(Ok(event)) if event.name == "endpoint" || event.data.is_empty() => continue,
                Some(Ok(event)) => event,
                Some(Err(error @ SseError::TooLong { .. })) => {
                    self.context.client.too_long(self.context.sender.host(), &error);
                    continue;
                }
                Some(Err(SseError::Broken(cause))) => return cause,
                None => return "the server ended it".to_owned(),
            };
            let message = match Message::parse(event.data) {
                Ok(message) => message,
                Err(error) => {
                    log::warn!("the server sent an event that is {error}; it is dropped");
                    continue;
                }
            };
            backoff.reset();
            if let Some(waiter) = self.greeted_by(&message) {
                waiter.send(message).ok();
            } else {
                self.context.client.deliver(message).await;
            }
        }
    }

    fn greeted_by(&self, message: &Message) -> Option<oneshot::Sender<Message>> {
        let Kind::Response { id, .. } = message.kind() else { return None };
        let mut greeting = self.greeting.lock();
        greeting.take_if(|(awaited, _)| awaited == id).map(|(_, waiter)| waiter)
    }
}
