//! One request until its answer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::owed::Owed;
use super::{Hearing, Session, Terms};
use crate::message::Message;
use crate::task;
use crate::upstream::Failure;
use crate::upstream::answer::{self, Body, EventStream};
use crate::upstream::awaited::{Awaited, Ended};
use crate::upstream::backoff::{self, Backoff};
use crate::upstream::send::Sent;
use crate::upstream::{Context, Outcome, lasting};

pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Resumptions in a row that bring nothing, after which the request is given up. A stream that ends in good order and
/// says when to come back is not among them: that is how a server has a long call polled (2025-11-25).
const MOST_BARREN: u32 = 8;

/// How long a stream may stay open after its answer before it costs its connection.
const AFTERWORD: Duration = Duration::from_secs(5);

impl Session {
    /// Carries a request or batch. A session that the server has forgotten is renewed once: what was refused for lack
    /// of a session has not been carried out, so it may be sent again.
    pub(in crate::upstream) async fn request(self: &Arc<Self>, message: &Message) -> Result<Outcome, Failure> {
        // Boxed, as all that is rare: the future of a request is copied when its task is made.
        if matches!(*self.hearing.borrow(), Hearing::Asked(_)) {
            Box::pin(self.heard(message)).await;
        }
        let terms = self.terms();
        match self.exchange(&terms, message).await {
            Err(Failure::SessionLost { .. }) if !self.is_of_a_translator(message) => {
                Box::pin(self.renew(terms.generation)).await?;
                Box::pin(self.heard(message)).await;
                self.exchange(&self.terms(), message).await
            }
            settled => settled,
        }
    }

    /// Whether a translator asks for what the session is to have. It does so in each session again, so that one which is
    /// lost by that would be followed by another without end; a request of the client's will find it lost.
    fn is_of_a_translator(&self, message: &Message) -> bool {
        self.context.client.translated && lasting::is_lasting(message)
    }

    /// The same without any renewal.
    pub(in crate::upstream) async fn ask_once(&self, message: &Message) -> Result<Outcome, Failure> {
        self.exchange(&self.terms(), message).await
    }

    pub(super) async fn exchange(&self, terms: &Terms, message: &Message) -> Result<Outcome, Failure> {
        let sender = &self.context.sender;
        let body = message.text().clone();
        let Sent { response, .. } =
            sender.send(Method::POST, &terms.uri, &terms.post, body, self.context.options.patience).await?;
        let mut owed = Owed::by(message);
        if !response.status().is_success() {
            let status = response.status();
            let error = Box::pin(answer::refusal(sender, response, terms.has_session())).await?;
            self.context.era.refused_with(status, &error);
            return match &owed {
                Owed::One { raw_id, .. } => Ok(Outcome::Answer(error.with_id(raw_id))),
                Owed::Many(_) => Err(Failure::Rpc(error)),
            };
        }
        match answer::body(sender, response).await? {
            Body::Nothing(status) => Err(answer::nothing(sender.host(), status)),
            Body::Message(answer) => {
                let settled = owed.take(&self.context, answer).await;
                let misfit = || Err(Failure::Unusable(format!("{} answered another request than this", sender.host())));
                settled.unwrap_or_else(misfit)
            }
            Body::Events(events) => Box::pin(self.follow(terms, events, &mut owed)).await,
        }
    }

    /// Reads a stream until the answer has come, resuming it where the server allows.
    async fn follow(&self, terms: &Terms, mut events: EventStream, owed: &mut Owed<'_>) -> Result<Outcome, Failure> {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let mut last_event_id = None;
        let mut barren = 0;
        loop {
            let ended = match read(&self.context, &mut events, owed).await {
                Ok(outcome) => {
                    afterword(&self.context, events);
                    return Ok(outcome);
                }
                Err(ended) => ended,
            };
            let Ended { failure: ended, in_order } = ended;
            if let Failure::TooLarge(_) | Failure::Unusable(_) | Failure::Rpc(_) = ended {
                return Err(ended);
            }
            let news = events.last_event_id();
            let polled = in_order && events.retry().is_some_and(|retry| retry >= backoff::CONSIDERED);
            if polled || (news.is_some() && news != last_event_id) {
                last_event_id = news.or(last_event_id);
                barren = 0;
                backoff.reset();
            }
            let Some(id) = &last_event_id else { return Err(ended) };
            let mut retry = events.retry();
            events = loop {
                barren += 1;
                if barren > MOST_BARREN {
                    return Err(ended);
                }
                tokio::time::sleep(backoff.after_stream(retry, in_order && barren == 1)).await;
                retry = None;
                if let Some(events) = Box::pin(self.resume(terms, id)).await.map_err(|_| ended.clone())? {
                    break events;
                }
            };
        }
    }

    /// Asks for the rest of a stream. `None`: not now; an error: never.
    async fn resume(&self, terms: &Terms, last_event_id: &str) -> Result<Option<EventStream>, Failure> {
        let sender = &self.context.sender;
        let mut headers = terms.get.clone();
        let id = HeaderValue::from_str(last_event_id)
            .map_err(|_| Failure::Broken("the event id cannot stand in a header".to_owned()))?;
        headers.insert(LAST_EVENT_ID, id);
        match sender.send(Method::GET, &terms.uri, &headers, bytes::Bytes::new(), self.context.options.patience).await {
            Ok(Sent { response, .. }) if response.status() == StatusCode::OK => {
                match answer::body(sender, response).await? {
                    Body::Events(events) => Ok(Some(events)),
                    _ => Err(Failure::Broken("the stream cannot be resumed".to_owned())),
                }
            }
            Ok(Sent { response, .. }) if response.status().is_server_error() => Ok(None),
            Ok(Sent { response, .. }) => {
                Err(Failure::Broken(format!("the stream cannot be resumed: {}", response.status())))
            }
            Err(failure) if failure.is_temporary() => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// Reads one stream: the outcome, or how it ended without one.
async fn read(context: &Context, events: &mut EventStream, owed: &mut Owed<'_>) -> Result<Outcome, Ended> {
    let mut awaited = Awaited::new(&context.sender, events);
    loop {
        let message = awaited.next(&|id| owed.is(id)).await?;
        if let Some(settled) = owed.take(context, message).await {
            return settled.map_err(|failure| Ended { failure, in_order: true });
        }
    }
}

/// Lets a stream end by itself after its answer, because a connection whose stream is cut off is lost to the next
/// request.
fn afterword(context: &Context, mut events: EventStream) {
    match events.next().now_or_never() {
        Some(None | Some(Err(_))) => {}
        said => {
            let client = context.client.clone();
            drop(task::spawn(tokio::time::timeout(AFTERWORD, async move {
                let mut next = said.flatten();
                loop {
                    if let Some(Ok(event)) = next
                        && let Ok(message) = Message::parse(event.data)
                    {
                        client.deliver(message).await;
                    }
                    next = events.next().await;
                    if !matches!(next, Some(Ok(_))) {
                        return;
                    }
                }
            })));
        }
    }
}

/// Delivers all that a stream says to which nobody waits for an answer.
pub(super) async fn drain(context: Arc<Context>, mut events: EventStream) {
    while let Some(Ok(event)) = events.next().await {
        if let Ok(message) = Message::parse(event.data) {
            context.client.deliver(message).await;
        }
    }
}

/// The answer to a request that must have one at once: `initialize`.
pub(super) async fn only_answer(context: &Context, body: Body, request: &Message) -> Result<Message, Failure> {
    let mut owed = Owed::by(request);
    let outcome = match body {
        Body::Nothing(status) => return Err(answer::nothing(context.sender.host(), status)),
        Body::Message(answer) => owed.take(context, answer).await,
        Body::Events(mut events) => {
            let outcome = read(context, &mut events, &mut owed).await.map_err(|ended| ended.failure)?;
            afterword(context, events);
            Some(Ok(outcome))
        }
    };
    match outcome.transpose()? {
        Some(Outcome::Answer(answer)) => Ok(answer),
        _ => Err(Failure::Unusable(format!("{} answered another request than initialize", context.sender.host()))),
    }
}
