//! How does a legacy session carry one request, or one notification, to its end?

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::log;
use crate::message::{Kind, Message};
use crate::task;
use crate::upstream::Failure;
use crate::upstream::exchange::backoff::{self, Backoff};
use crate::upstream::exchange::response::{Body, EventStream, Owed, error_response, lost_session, no_body, read_body};
use crate::upstream::exchange::response_stream::{ResponseStream, StreamEnd, drain_trailing};
use crate::upstream::exchange::{Outcome, Reply, Sent, ToClient};
use crate::upstream::transport::link::Link;
use crate::upstream::transport::session_headers::SessionHeaders;

pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Resumptions in a row that bring nothing, after which the request is given up. A stream that ends in good order and
/// names a `retry:` is not among them: that is how a server has a long call polled (2025-11-25).
const MOST_EMPTY_RESUMPTIONS: u32 = 8;

/// POSTs a request or a batch, and reads until its response has come.
pub(super) async fn post_request(link: &Link, headers: &SessionHeaders, message: &Message) -> Result<Reply, Failure> {
    let sender = &link.sender;
    let body = message.text().clone();
    let Sent { response, .. } = sender.send(Method::POST, &headers.uri, &headers.post, body, sender.patience).await?;
    let status = response.status();
    let mut owed = Owed::by(message);
    if !status.is_success() {
        let error = Box::pin(error_response(sender, response, headers.has_session())).await?;
        return match &owed {
            Owed::One(one) => Ok(Reply { status, outcome: Outcome::Answer(error.with_id(one.raw_id())) }),
            Owed::Many(_) => Err(Failure::Rpc(error)),
        };
    }
    let outcome = match read_body(sender, response).await? {
        Body::Nothing(status) => Err(no_body(&sender.host, status)),
        Body::Message(answer) => {
            let settled = settle_body(&link.client, &mut owed, answer).await;
            let misfit = || Err(Failure::Unusable(format!("{} answered another request than this", sender.host)));
            settled.unwrap_or_else(misfit)
        }
        Body::Events(events) => {
            let mut stray = None;
            let followed = Box::pin(follow(link, headers, events, &mut owed, &mut stray)).await;
            followed.or_else(|failure| stray.map(Outcome::Answer).ok_or(failure))
        }
    };
    let lost = match &outcome {
        Ok(Outcome::Answer(answer)) | Err(Failure::Rpc(answer)) if headers.has_session() => {
            lost_session(sender, status, answer)
        }
        _ => None,
    };
    lost.map_or_else(|| Ok(Reply { status, outcome: outcome? }), Err)
}

/// POSTs a notification, or the client's response to a request of the server.
pub(super) async fn post_notification(link: &Link, headers: &SessionHeaders, message: &Message) -> Result<(), Failure> {
    let sender = &link.sender;
    let body = message.text().clone();
    let Sent { response, .. } = sender.send(Method::POST, &headers.uri, &headers.post, body, sender.patience).await?;
    if !response.status().is_success() {
        return Err(Failure::Rpc(error_response(sender, response, headers.has_session()).await?));
    }
    let status = response.status();
    let is_notification = !matches!(message.kind(), Kind::Response { .. });
    // The specification says 202 and no body; messages that come all the same are the client's.
    match read_body(sender, response).await {
        Ok(Body::Message(message)) => {
            if let Some(lost) = lost_session(sender, status, &message).filter(|_| headers.has_session()) {
                return Err(lost);
            }
            deliver_beside(&link.client, is_notification, message).await;
        }
        Ok(Body::Events(events)) => drop(task::spawn(deliver_all(link.client.clone(), is_notification, events))),
        Ok(Body::Nothing(_)) | Err(_) => {}
    }
    Ok(())
}

/// Reads the response to `initialize`, which cannot come on another stream.
pub(super) async fn only_answer(link: &Link, body: Body, initialize: &Message) -> Result<Message, Failure> {
    let mut owed = Owed::by(initialize);
    let settled = match body {
        Body::Nothing(status) => return Err(no_body(&link.sender.host, status)),
        Body::Message(answer) => settle_body(&link.client, &mut owed, answer).await,
        Body::Events(mut events) => {
            let mut stray = None;
            let outcome = read(link, &mut events, &mut owed, &mut stray).await;
            drain_trailing(events, Some(link.client.clone()));
            Some(outcome.or_else(|end| stray.map(Outcome::Answer).ok_or(end.failure)))
        }
    };
    match settled.transpose()? {
        Some(Outcome::Answer(answer)) => Ok(answer),
        _ => Err(Failure::Unusable(format!("{} answered another request than initialize", link.sender.host))),
    }
}

/// Reads a stream until the response has come, resuming the stream where the server allows that. `stray`: what counts as
/// the response if no other comes.
async fn follow(
    link: &Link,
    headers: &SessionHeaders,
    mut events: EventStream,
    owed: &mut Owed<'_>,
    stray: &mut Option<Message>,
) -> Result<Outcome, Failure> {
    let mut backoff = Backoff::new(Duration::from_secs(1));
    let mut last_event_id = None;
    let mut empty_resumptions = 0;
    loop {
        let StreamEnd { failure, in_order } = match read(link, &mut events, owed, stray).await {
            Ok(outcome) => {
                drain_trailing(events, Some(link.client.clone()));
                return Ok(outcome);
            }
            Err(end) => end,
        };
        if let Failure::TooLarge(_) | Failure::Unusable(_) | Failure::Rpc(_) = failure {
            return Err(failure);
        }
        let newest_id = events.last_event_id();
        let polled = in_order && events.retry().is_some_and(|retry| retry >= backoff::CONSIDERED);
        if polled || (newest_id.is_some() && newest_id != last_event_id) {
            last_event_id = newest_id.or(last_event_id);
            empty_resumptions = 0;
            backoff.reset();
        }
        let Some(id) = &last_event_id else { return Err(failure) };
        let mut retry = events.retry();
        events = loop {
            empty_resumptions += 1;
            if empty_resumptions > MOST_EMPTY_RESUMPTIONS {
                return Err(failure);
            }
            tokio::time::sleep(backoff.after_stream(retry, in_order && empty_resumptions == 1)).await;
            retry = None;
            if let Some(events) = Box::pin(resume(link, headers, id)).await.map_err(|_| failure.clone())? {
                break events;
            }
        };
    }
}

/// Requests the rest of a stream. `None`: the server cannot send it now; an error: it never will.
async fn resume(link: &Link, headers: &SessionHeaders, last_event_id: &str) -> Result<Option<EventStream>, Failure> {
    let sender = &link.sender;
    let mut get = headers.get.clone();
    let id = HeaderValue::from_str(last_event_id)
        .map_err(|_| Failure::Broken("the event id cannot stand in a header".to_owned()))?;
    get.insert(LAST_EVENT_ID, id);
    match sender.send(Method::GET, &headers.uri, &get, Bytes::new(), sender.patience).await {
        Ok(Sent { response, .. }) if response.status() == StatusCode::OK => match read_body(sender, response).await? {
            Body::Events(events) => Ok(Some(events)),
            _ => Err(Failure::Broken("the stream cannot be resumed".to_owned())),
        },
        Ok(Sent { response, .. }) if response.status().is_server_error() => Ok(None),
        Ok(Sent { response, .. }) => {
            Err(Failure::Broken(format!("the stream cannot be resumed: {}", response.status())))
        }
        Err(failure) if failure.is_temporary() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Reads one stream: the outcome, or how the stream ended without one.
async fn read(
    link: &Link,
    events: &mut EventStream,
    owed: &mut Owed<'_>,
    stray: &mut Option<Message>,
) -> Result<Outcome, StreamEnd> {
    let mut stream = ResponseStream::new(&link.sender, events);
    loop {
        let message = match stream.next(&|id| owed.is_all(id)).await {
            Ok(message) => message,
            Err(end) => stream.unfinished().filter(|message| owed.includes(message)).ok_or(end)?,
        };
        if let Owed::One(one) = &*owed
            && !owed.includes(&message)
        {
            *stray = one.stray_error(&message).or(stray.take());
        }
        if let Some(settled) = settle(&link.client, owed, message).await {
            return settled.map_err(|failure| StreamEnd { failure, in_order: true });
        }
    }
}

/// Takes the body of the response to a POST, as [`settle`] takes a message of a stream.
async fn settle_body(client: &ToClient, owed: &mut Owed<'_>, body: Message) -> Option<Result<Outcome, Failure>> {
    let body = match owed {
        Owed::One(one) => match one.take_only(body) {
            Ok(answer) => return Some(Ok(Outcome::Answer(answer))),
            Err(body) => body,
        },
        Owed::Many(_) => body,
    };
    settle(client, owed, body).await
}

/// Takes a message that came for a POST: delivers it, or returns what settles the POST.
async fn settle(client: &ToClient, owed: &mut Owed<'_>, message: Message) -> Option<Result<Outcome, Failure>> {
    if let Kind::Batch(elements) = message.kind() {
        let mut settled = None;
        for element in elements.clone() {
            settled = settled.or(Box::pin(settle(client, owed, element)).await);
        }
        return settled;
    }
    match owed {
        Owed::One(one) => match one.take(message) {
            Ok(answer) => Some(Ok(Outcome::Answer(answer))),
            Err(message) => {
                client.deliver_during(Some(one.id()), message).await;
                None
            }
        },
        Owed::Many(ids) => match message.kind() {
            // The response to the batch as a whole.
            Kind::Response { id, is_error: true } if id.is_null() => Some(Err(Failure::Rpc(message))),
            Kind::Response { id, .. } => {
                let known = if ids.contains_key(id) { Some(id) } else { ids.keys().find(|owed| owed.resembles(id)) };
                let raw_id = known.cloned().and_then(|id| ids.remove(&id));
                let is_exact = raw_id.as_deref().is_none_or(|raw_id| message.raw_id() == Some(raw_id));
                let message = raw_id.filter(|_| !is_exact).map_or(message.clone(), |raw_id| message.with_id(&raw_id));
                client.deliver(message).await;
                ids.is_empty().then_some(Ok(Outcome::Done))
            }
            _ => {
                client.deliver(message).await;
                None
            }
        },
    }
}

/// Delivers each message of a stream on which no response is awaited.
async fn deliver_all(client: ToClient, after_notification: bool, mut events: EventStream) {
    while let Some(Ok(event)) = events.next().await {
        if let Ok(message) = Message::received(event.data) {
            deliver_beside(&client, after_notification, message).await;
        }
    }
}

/// Delivers a message that a server returns to a notification, or to a response of the client. An error that is returned
/// to a notification is about that notification, whatever its id is.
async fn deliver_beside(client: &ToClient, after_notification: bool, message: Message) {
    let messages = match message.kind() {
        Kind::Batch(elements) => elements.clone(),
        _ => vec![message],
    };
    for message in messages {
        match message.kind() {
            Kind::Response { is_error: true, .. } if after_notification => {
                log::warn!("a notification was refused: {}", Failure::Rpc(message));
            }
            _ => client.deliver(message).await,
        }
    }
}
