//! What does a legacy client take for a session with a modern server? Each of its requests is translated.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::call::Caller;
use super::server::ModernServer;
use super::subscription::CombinedSubscription;
use crate::log;
use crate::message::{self, Id, Kind, Message, cancelled_id, code};
use crate::translate::to_modern::{Client, LocalAnswer, NotificationFilter};
use crate::upstream::Failure;
use crate::upstream::exchange::Outcome;

/// The revision that had batches, whose responses come as one.
const WITH_BATCHES: &str = "2025-03-26";

/// The transport of modern servers for legacy clients.
pub(crate) struct ModernTransport {
    caller: Arc<Caller>,
    /// The result of `server/discover`, JSON text.
    discovered: Box<str>,
    /// The requests of batches, which are cancelled one by one: by dropping these. The task of a batch adds them, a
    /// cancellation removes one.
    batched: Mutex<HashMap<Id, oneshot::Sender<()>>>,
    subscription: Arc<CombinedSubscription>,
}

impl ModernTransport {
    pub(super) fn new(server: &Arc<ModernServer>, client: Client, discovered: &str) -> Self {
        let caller = Arc::new(Caller::new(Arc::clone(server), client));
        Self {
            subscription: Arc::new(CombinedSubscription::new(&caller, NotificationFilter::of(discovered))),
            caller,
            discovered: discovered.into(),
            batched: Mutex::default(),
        }
    }

    /// The result of `server/discover`, JSON text.
    pub(crate) fn discovered(&self) -> &str {
        &self.discovered
    }

    /// Carries a request, or each of a batch.
    pub(crate) async fn request(&self, message: &Message) -> Result<Outcome, Failure> {
        match message.kind() {
            Kind::Batch(elements) => Ok(Box::pin(self.batch(elements)).await),
            _ => self.single(message).await.map(Outcome::Answer),
        }
    }

    async fn batch(&self, elements: &[Message]) -> Outcome {
        let joined = self.caller.client.lock().revision == WITH_BATCHES;
        self.batched.lock().retain(|_, keep| !keep.is_closed());
        let answers = elements.iter().map(|element| async move {
            let Kind::Request { id, .. } = element.kind() else {
                if let Err(failure) = self.notify(element).await {
                    log::warn!("{} did not arrive: {failure}", element.method().unwrap_or_default());
                }
                return None;
            };
            let cancelled = self.cancelled(id.clone());
            let answer = tokio::select! {
                answer = self.single(element) => answer,
                _ = cancelled => return None,
            };
            let answer = answer.unwrap_or_else(|failure| failure.answer(element.raw_id().unwrap_or("null")));
            if joined {
                return Some(answer);
            }
            self.caller.server.link.client.deliver(answer).await;
            None
        });
        let answers: Vec<_> = join_all(answers).await.into_iter().flatten().collect();
        if joined { Outcome::Batch(answers) } else { Outcome::Done }
    }

    /// Ready when the client has cancelled this request of a batch.
    fn cancelled(&self, id: Id) -> oneshot::Receiver<()> {
        let (keep, cancelled) = oneshot::channel();
        self.batched.lock().insert(id, keep);
        cancelled
    }

    async fn single(&self, message: &Message) -> Result<Message, Failure> {
        let local = self.caller.client.lock().answers_locally(message);
        match local {
            Some(local) => Ok(self.answer_locally(message, local).await),
            None => self.caller.call(message).await,
        }
    }

    /// Answers a request for which a modern server has no word.
    async fn answer_locally(&self, message: &Message, local: LocalAnswer) -> Message {
        let raw_id = message.raw_id().unwrap_or("null");
        match local {
            LocalAnswer::Answer(answer) => return answer,
            _ if !self.subscription.takes_resources() => {
                let why = "the server has no subscriptions to resources";
                return message::error(raw_id, code::METHOD_NOT_FOUND, why, None);
            }
            LocalAnswer::Subscribe(uri) => {
                self.listen();
                if let Err(refused) = self.subscription.subscribe(uri).await {
                    return refused.answer(raw_id);
                }
            }
            LocalAnswer::Unsubscribe(uri) => self.subscription.unsubscribe(&uri).await,
        }
        message::result(raw_id, "{}")
    }

    /// Takes a notification, or the client's response to a request.
    pub(crate) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        match message.kind() {
            Kind::Response { id, .. } => {
                if !self.caller.server.link.own_requests.answer(message) {
                    log::debug!("the client answers {id}, which is no request that waits for an answer");
                }
                Ok(())
            }
            Kind::Batch(elements) => {
                for element in elements {
                    Box::pin(self.notify(element)).await?;
                }
                Ok(())
            }
            Kind::Notification { method } if !Client::is_local_notification(method) => {
                let message = self.caller.client.lock().with_meta(message, None, &[]);
                self.caller.server.notify(&message).await
            }
            _ => {
                if let Some(id) = cancelled_id(message) {
                    self.batched.lock().remove(&id);
                }
                Ok(())
            }
        }
    }

    /// Begins to listen for the notifications that the server sends unasked.
    pub(crate) fn listen(&self) {
        self.subscription.begin();
    }

    /// Stops listening, and waits until the last requests are sent.
    pub(crate) async fn close(&self) {
        self.subscription.end();
        self.caller.close().await;
    }
}
