//! How is one `subscriptions/listen` kept for a legacy client? Through any outage, on one stream after another.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::stream::{ListenResponse, next_message, open};
use crate::log;
use crate::message::{Kind, Message, code, error_code};
use crate::task;
use crate::translate::to_modern::{NotificationFilter, SubscriptionEvent};
use crate::upstream::Failure;
use crate::upstream::exchange::backoff::{Backoff, is_passing};
use crate::upstream::exchange::response::EventStream;
use crate::upstream::transport::modern::call::Caller;

/// The server's first response to a listener: the resources that it leaves out, or why it does not listen at all.
pub(super) type ListenResult = Result<Vec<String>, Failure>;

/// What all listeners of one client share.
pub(super) struct Subscriber {
    caller: Arc<Caller>,
    /// What may have changed while there was no stream. A listener whose stream ends sets it; the next one that is
    /// acknowledged takes it.
    missed: Mutex<Option<NotificationFilter>>,
}

impl Subscriber {
    pub(super) fn new(caller: &Arc<Caller>) -> Self {
        Self { caller: Arc::clone(caller), missed: Mutex::default() }
    }

    async fn deliver(&self, notification: Message) {
        self.caller.server.link.client.deliver(notification).await;
    }

    /// Notifies the client of what it may have missed, now that there is a stream again.
    async fn make_up(&self) {
        let missed = self.missed.lock().take();
        for notification in missed.iter().flat_map(|filter| filter.missed(None)) {
            self.deliver(notification).await;
        }
    }
}

/// A stream that is closed when this is dropped.
pub(super) struct Listener(AbortHandle);

impl Listener {
    /// Begins to listen. The receiver gets the server's first response.
    pub(super) fn begin(
        subscriber: &Arc<Subscriber>,
        filter: NotificationFilter,
    ) -> (Self, oneshot::Receiver<ListenResult>) {
        let (result, first) = oneshot::channel();
        (Self(task::spawn(listen(Arc::clone(subscriber), filter, result)).abort_handle()), first)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(subscriber: Arc<Subscriber>, filter: NotificationFilter, result: oneshot::Sender<ListenResult>) {
    let caller = &subscriber.caller;
    let backoff = Backoff::new(Duration::from_secs(1));
    let mut listening =
        Listening { subscriber: &subscriber, filter, acknowledged: None, result: Some(result), backoff };
    loop {
        let request = caller.own_request("subscriptions/listen", &listening.filter.params());
        match open(&caller.server, &request).await {
            Ok(ListenResponse::Stream(mut events)) => {
                let answer = listening.read(&mut events).await;
                listening.stream_ended();
                if let Some(refusal) = answer.filter(|answer| listening.is_refused_by(StatusCode::OK, answer)) {
                    return listening.refused(Failure::Rpc(refusal));
                }
            }
            Ok(ListenResponse::Answer(answered)) if listening.is_refused_by(answered.status, &answered.answer) => {
                return listening.refused(Failure::Rpc(answered.answer));
            }
            Ok(ListenResponse::Answer(answered)) => {
                log::debug!("there is no stream of notifications for now: {}", answered.status);
            }
            Err(failure @ Failure::Status { status, .. }) if listening.is_refused_with(status) => {
                return listening.refused(failure);
            }
            // Nobody waits for this: no login begins because of it.
            Err(failure) if failure.wants_login() => {
                caller.server.link.sender.wait_for_other_login(&failure).await;
            }
            Err(failure) => log::debug!("there is no stream of notifications for now: {failure}"),
        }
        tokio::time::sleep(listening.backoff.next()).await;
    }
}

struct Listening<'a> {
    subscriber: &'a Subscriber,
    filter: NotificationFilter,
    /// What the server sends on this stream, once it has acknowledged it.
    acknowledged: Option<NotificationFilter>,
    /// Until the server has acknowledged or refused once.
    result: Option<oneshot::Sender<ListenResult>>,
    backoff: Backoff,
}

impl Listening<'_> {
    /// Delivers the notifications of a stream until it ends. Returns the response that ended it, if there was one.
    async fn read(&mut self, events: &mut EventStream) -> Option<Message> {
        while let Some(message) = next_message(events).await {
            match SubscriptionEvent::of(&message) {
                SubscriptionEvent::Acknowledged(filter) => self.acknowledge(filter.as_deref()).await,
                SubscriptionEvent::Notification(notification) => {
                    self.backoff.reset();
                    // Some servers do not acknowledge.
                    if self.acknowledged.is_none() {
                        self.acknowledge(None).await;
                    }
                    self.subscriber.deliver(notification).await;
                }
                SubscriptionEvent::Ended => return Some(message),
                SubscriptionEvent::Other => {}
            }
        }
        None
    }

    /// The server has acknowledged the stream, or one that took its place.
    async fn acknowledge(&mut self, filter: Option<&str>) {
        let acknowledged =
            filter.map_or_else(|| self.filter.clone(), |filter| NotificationFilter::acknowledged(Some(filter)));
        let left_out = self.filter.resources_beyond(Some(&acknowledged));
        self.acknowledged = Some(acknowledged);
        self.subscriber.make_up().await;
        if self.result.is_none() {
            // The server may know them again the next time.
            for uri in left_out {
                log::warn!("the server sends no notifications of changes to {uri} any more");
            }
            return;
        }
        for uri in &left_out {
            self.filter.unsubscribe(uri);
        }
        self.send_result(Ok(left_out));
    }

    /// From now on changes are missed.
    fn stream_ended(&mut self) {
        if let Some(acknowledged) = self.acknowledged.take() {
            self.subscriber.missed.lock().replace(acknowledged);
        }
    }

    /// Whether no further attempt is made after this response. Once the server has acknowledged, only an error that it
    /// does not know the method is final: any other may come from a proxy while the server is restarted.
    fn is_refused_by(&self, status: StatusCode, answer: &Message) -> bool {
        matches!(answer.kind(), Kind::Response { is_error: true, .. })
            && !is_passing(status)
            && (self.result.is_some() || error_code(answer) == Some(code::METHOD_NOT_FOUND))
    }

    fn is_refused_with(&self, status: StatusCode) -> bool {
        self.result.is_some() && status.is_client_error() && !is_passing(status)
    }

    fn refused(mut self, failure: Failure) {
        log::warn!("the server does not listen for changes: {}", failure.for_log());
        self.send_result(Err(failure));
    }

    fn send_result(&mut self, result: ListenResult) {
        if let Some(first) = self.result.take() {
            first.send(result).ok();
        }
    }
}
