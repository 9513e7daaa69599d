//! How is a modern client's own `subscriptions/listen` carried? Until the server, or the client, ends it in good order.
//! Breaks of the stream are repaired out of the client's sight: to the client the bridge is the server, and that is
//! still there.

use std::time::Duration;

use http::StatusCode;

use super::stream::{ListenResponse, next_message, open};
use crate::log;
use crate::message::{self, Kind, Message};
use crate::translate::meta;
use crate::translate::to_modern::{
    NotificationFilter, SubscriptionEvent, result_with_subscription_id, with_subscription_id,
};
use crate::upstream::Failure;
use crate::upstream::exchange::backoff::{Backoff, is_passing};
use crate::upstream::exchange::response::EventStream;
use crate::upstream::transport::modern::server::{Answered, ModernServer};

/// Carries a subscription. `is_acknowledged`: the client has its acknowledgement already. `on_acknowledged` is called
/// when the server acknowledges for the first time: only a modern server does.
pub(crate) async fn forward(
    server: &ModernServer,
    request: &Message,
    is_acknowledged: bool,
    on_acknowledged: &(dyn Fn() + Sync),
) -> Result<Answered, Failure> {
    let mut input_ended = server.input_ended.subscribe();
    let mut forwarding = Forwarding {
        server,
        raw_id: request.raw_id().unwrap_or("null"),
        acknowledged: None,
        is_acknowledged,
        on_acknowledged,
        backoff: Backoff::new(Duration::from_secs(1)),
    };
    tokio::select! {
        answered = forwarding.run(request) => answered,
        _ = input_ended.wait_for(|ended| *ended) => forwarding.end().ok_or(Failure::Ending),
    }
}

/// A client's own subscription, on one stream after another.
struct Forwarding<'a> {
    server: &'a ModernServer,
    /// The client's id for it, as spelled.
    raw_id: &'a str,
    /// What the server sends, once it has acknowledged the subscription.
    acknowledged: Option<NotificationFilter>,
    is_acknowledged: bool,
    on_acknowledged: &'a (dyn Fn() + Sync),
    backoff: Backoff,
}

impl Drop for Forwarding<'_> {
    fn drop(&mut self) {
        self.server.subscriptions.remove(self.raw_id);
    }
}

impl Forwarding<'_> {
    async fn run(&mut self, request: &Message) -> Result<Answered, Failure> {
        let Self { server, raw_id, .. } = *self;
        let mut attempt = request.clone();
        loop {
            match open(server, &attempt).await {
                Ok(ListenResponse::Stream(mut events)) => {
                    let tag = (attempt.raw_id() != Some(raw_id)).then_some(raw_id);
                    if let Some(answer) = self.read(&mut events, tag).await {
                        return Ok(Answered::new(StatusCode::OK, answer.with_id(raw_id)));
                    }
                    if self.acknowledged.is_none() {
                        let host = &server.link.sender.host;
                        return Err(Failure::Broken(format!(
                            "the stream from {host} broke before it was acknowledged"
                        )));
                    }
                }
                Ok(ListenResponse::Answer(answered)) if self.acknowledged.is_none() || !is_passing(answered.status) => {
                    return Ok(Answered::new(answered.status, answered.answer.with_id(raw_id)));
                }
                Ok(ListenResponse::Answer(_)) => {}
                // The client need not learn that from its stream.
                Err(failure) if failure.wants_login() && self.acknowledged.is_some() => {
                    server.link.sender.wait_for_other_login(&failure).await;
                }
                Err(failure) if self.acknowledged.is_some() && may_be_repaired(&failure) => {
                    log::debug!("there is no stream of notifications for now: {failure}");
                }
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(self.backoff.next()).await;
            attempt = request.with_id(&server.link.own_requests.next_id());
        }
    }

    /// Delivers the notifications of a stream, under this id where the server knows another, until its response. `None`
    /// where the stream breaks first.
    async fn read(&mut self, events: &mut EventStream, tag: Option<&str>) -> Option<Message> {
        while let Some(message) = next_message(events).await {
            match (message.kind(), SubscriptionEvent::of(&message)) {
                // The last response names the subscription too.
                (Kind::Response { .. }, _) => {
                    return Some(tag.and_then(|tag| result_with_subscription_id(&message, tag)).unwrap_or(message));
                }
                (_, SubscriptionEvent::Acknowledged(filter)) => {
                    self.acknowledge(NotificationFilter::acknowledged(filter.as_deref()), message).await;
                }
                (Kind::Notification { .. }, _) => {
                    self.backoff.reset();
                    let message = tag.and_then(|tag| with_subscription_id(&message, Some(tag))).unwrap_or(message);
                    self.server.link.client.deliver(message).await;
                }
                _ => log::warn!("the server sent a message on a stream that has no place there; it is dropped"),
            }
        }
        None
    }

    /// The server has acknowledged the subscription, or a repaired stream of it.
    async fn acknowledge(&mut self, filter: NotificationFilter, message: Message) {
        let client = &self.server.link.client;
        match self.acknowledged.replace(filter.clone()) {
            None => {
                (self.on_acknowledged)();
                if !std::mem::replace(&mut self.is_acknowledged, true) {
                    client.deliver(message).await;
                }
                self.server.subscriptions.add(client, self.raw_id, &filter);
            }
            Some(before) => {
                for notification in before.missed(Some(self.raw_id)) {
                    client.deliver(notification).await;
                }
            }
        }
    }

    /// The response that ends the subscription in good order, if it has begun.
    fn end(&self) -> Option<Answered> {
        self.acknowledged.as_ref()?;
        Some(Answered::new(StatusCode::OK, ended(self.raw_id)))
    }
}

/// The response to a `subscriptions/listen` that ends in good order.
pub(crate) fn ended(raw_id: &str) -> Message {
    let result = format!(r#"{{"resultType":"complete","_meta":{{"{}":{raw_id}}}}}"#, meta::SUBSCRIPTION_ID);
    message::result(raw_id, &result)
}

/// Whether a server that has acknowledged before may do so again. An error that is no JSON-RPC comes from a proxy while
/// the server is restarted, whatever the status.
fn may_be_repaired(failure: &Failure) -> bool {
    failure.is_temporary() || matches!(failure, Failure::Status { .. })
}
