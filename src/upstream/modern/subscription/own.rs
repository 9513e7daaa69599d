//! A modern client's own subscriptions.

use std::time::Duration;

use http::StatusCode;

use super::{Opened, may_pass, next, open};
use crate::log;
use crate::message::{self, Kind, Message};
use crate::translate::meta;
use crate::translate::to_modern::{
    NotificationFilter, SubscriptionEvent, result_with_subscription_id, with_subscription_id,
};
use crate::upstream::Failure;
use crate::upstream::answer::EventStream;
use crate::upstream::backoff::Backoff;
use crate::upstream::modern::Answered;
use crate::upstream::{Context, sign_in};

/// Carries a modern client's own `subscriptions/listen` until the server, or the client, ends it in order. Breaks are
/// mended out of the client's sight: to it the bridge is the server, and that is still there.
pub(in crate::upstream) async fn pass(context: &Context, request: &Message) -> Result<Answered, Failure> {
    let mut ended = context.modern.ended.subscribe();
    let mut passing = Passing {
        context,
        raw_id: request.raw_id().unwrap_or("null"),
        known: None,
        is_acknowledged: context.people.modern.has_acknowledged(request),
        backoff: Backoff::new(Duration::from_secs(1)),
    };
    tokio::select! {
        passed = mended(&mut passing, request) => passed,
        _ = ended.wait_for(|ended| *ended) => passing.ended().ok_or(Failure::Ending),
    }
}

async fn mended(passing: &mut Passing<'_>, request: &Message) -> Result<Answered, Failure> {
    let Passing { context, raw_id, .. } = *passing;
    let mut attempt = request.clone();
    loop {
        match open(context, &attempt).await {
            Ok(Opened::Stream(mut events)) => {
                let tag = (attempt.raw_id() != Some(raw_id)).then_some(raw_id);
                if let Some(answer) = passing.hear(&mut events, tag).await {
                    return Ok(Answered { status: StatusCode::OK, answer: answer.with_id(raw_id) });
                }
                if passing.known.is_none() {
                    let host = context.sender.host();
                    return Err(Failure::Broken(format!("the stream from {host} broke before it listened")));
                }
            }
            Ok(Opened::Answer(Answered { status, answer })) if passing.known.is_none() || !may_pass(status) => {
                return Ok(Answered { status, answer: answer.with_id(raw_id) });
            }
            Ok(Opened::Answer(_)) => {}
            // The client need not hear of that from its stream.
            Err(Failure::SignIn { .. }) if passing.known.is_some() => sign_in::logged_in(context).await,
            Err(failure) if passing.known.is_some() && may_be_mended(&failure) => {
                log::debug!("nothing is heard of changes for now: {failure}");
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(passing.backoff.next()).await;
        attempt = request.with_id(&context.modern.ids.next());
    }
}

/// Whether a server that has listened before may do so again. An error that is no JSON-RPC is said by whoever stands in
/// for it while it is restarted, whatever the status.
fn may_be_mended(failure: &Failure) -> bool {
    failure.is_temporary() || matches!(failure, Failure::Status { .. })
}

/// A client's own subscription, over one stream after another.
struct Passing<'a> {
    context: &'a Context,
    /// The client's id for it, as spelled.
    raw_id: &'a str,
    /// What the server tells, since it has said so.
    known: Option<NotificationFilter>,
    /// The client has been told.
    is_acknowledged: bool,
    backoff: Backoff,
}

impl Passing<'_> {
    /// Passes on what the server says, under this id where it knows another, until its answer; `None` where the stream
    /// breaks first.
    async fn hear(&mut self, events: &mut EventStream, tag: Option<&str>) -> Option<Message> {
        while let Some(message) = next(events).await {
            match (message.kind(), SubscriptionEvent::of(&message)) {
                (Kind::Response { .. }, _) => return Some(tagged_answer(&message, tag)),
                (_, SubscriptionEvent::Acknowledged(filter)) => {
                    let filter = NotificationFilter::acknowledged(filter.as_deref());
                    self.acknowledged(filter, message).await;
                }
                (Kind::Notification { .. }, _) => {
                    self.backoff.reset();
                    let message = tag.and_then(|tag| with_subscription_id(&message, Some(tag))).unwrap_or(message);
                    self.context.client.deliver(message).await;
                }
                _ => log::warn!("the server sent on a stream what has no place there; it is dropped"),
            }
        }
        None
    }

    /// The client listens no more: the end, in order, of what it was told has begun.
    fn ended(&self) -> Option<Answered> {
        let raw_id = self.raw_id;
        self.known.as_ref()?;
        let own = format!(r#"{{"resultType":"complete","_meta":{{"{}":{raw_id}}}}}"#, meta::SUBSCRIPTION_ID);
        let answer = message::result(raw_id, &own);
        Some(Answered { status: StatusCode::OK, answer })
    }

    /// The server has said once, or once more, what it will tell.
    async fn acknowledged(&mut self, filter: NotificationFilter, message: Message) {
        let Self { context, raw_id, known, is_acknowledged, .. } = self;
        match known.replace(filter) {
            None => {
                context.found(true, None);
                if !std::mem::replace(is_acknowledged, true) {
                    context.client.deliver(message).await;
                }
            }
            Some(known) => {
                for missed in known.missed(Some(raw_id)) {
                    context.client.deliver(missed).await;
                }
            }
        }
    }
}

/// The server's last word names the subscription too.
fn tagged_answer(message: &Message, tag: Option<&str>) -> Message {
    tag.and_then(|tag| result_with_subscription_id(message, tag)).unwrap_or_else(|| message.clone())
}
