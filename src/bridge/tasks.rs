//! What runs beside the loop? A task for each request, and one for the client's notifications in their order.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::pending::Ticket;
use super::tool_guard::ToolGuard;
use crate::log;
use crate::message::Message;
use crate::stdio::{Outgoing, Reserved};
use crate::task;
use crate::upstream::{Failure, Outcome, Upstream};

/// How long a notification may delay those that follow it.
const NOTIFICATION: Duration = Duration::from_secs(30);

/// The tasks that carry messages to the server. Dropping a task drops its HTTP exchange.
pub(super) struct Tasks {
    upstream: Upstream,
    outgoing: Outgoing,
    guard: Option<ToolGuard>,
    pub(super) running: JoinSet<TaskEnd>,
    /// The queue of the task that POSTs notifications. Without the queue, the task ends when it has sent them.
    pub(super) notifications: Option<mpsc::UnboundedSender<Message>>,
}

pub(super) enum TaskEnd {
    /// The task of a request or a batch. An outcome that is written to the client has its room.
    Request(Ticket, Result<(Outcome, Option<Reserved>), Failure>),
    Notification,
}

impl Tasks {
    pub(super) fn new(upstream: Upstream, outgoing: Outgoing, guard: Option<ToolGuard>) -> Self {
        Self { upstream, outgoing, guard, running: JoinSet::new(), notifications: None }
    }

    pub(super) fn initialize(&mut self, ticket: Ticket, message: Message) -> AbortHandle {
        let outgoing = self.outgoing.clone();
        let outcome = self.upstream.initialize(message);
        self.spawn(async move { TaskEnd::Request(ticket, reserve(&outgoing, outcome.await).await) })
    }

    /// Sends a request or a batch to the server, past the guard.
    pub(super) fn request(&mut self, ticket: Ticket, message: Message) -> AbortHandle {
        let (upstream, outgoing, guard) = (self.upstream.clone(), self.outgoing.clone(), self.guard.clone());
        self.spawn(async move {
            let outcome = match guard {
                // Boxed, or every request's task would have its size.
                Some(guard) => Box::pin(guard.request(&upstream, message)).await,
                None => {
                    let outcome = upstream.request(&message).await;
                    // A large argument is not kept while the answer waits for room.
                    drop(message);
                    outcome
                }
            };
            TaskEnd::Request(ticket, reserve(&outgoing, outcome).await)
        })
    }

    /// Sends a notification after those before it: the server gets them in the client's order.
    pub(super) fn notify_in_order(&mut self, message: Message) {
        let Err(mpsc::error::SendError(message)) = self.notifications().send(message) else { return };
        // The task that sends them has panicked. This starts another one.
        self.notifications = None;
        self.notifications().send(message).ok();
    }

    fn notifications(&mut self) -> &mpsc::UnboundedSender<Message> {
        let Self { upstream, running, notifications, .. } = self;
        notifications.get_or_insert_with(|| {
            let (sender, mut queue) = mpsc::unbounded_channel::<Message>();
            let upstream = upstream.clone();
            task::spawn_in(running, async move {
                while let Some(message) = queue.recv().await {
                    if tokio::time::timeout(NOTIFICATION, upstream.notify_logged(&message)).await.is_err() {
                        log::warn!("the server does not accept {}", message.method().unwrap_or_default());
                    }
                }
                TaskEnd::Notification
            });
            sender
        })
    }

    /// Sends the client's answer, or a batch without requests, at once.
    pub(super) fn notify(&mut self, message: Message) {
        let upstream = self.upstream.clone();
        self.spawn(async move {
            upstream.notify_logged(&message).await;
            TaskEnd::Notification
        });
    }

    /// Sends a cancellation, and then drops the task that it cancels, if given.
    pub(super) fn cancel(&mut self, cancelled: Message, task: Option<AbortHandle>) {
        let upstream = self.upstream.clone();
        self.spawn(async move {
            upstream.cancel(&cancelled).await;
            task.inspect(AbortHandle::abort);
            TaskEnd::Notification
        });
    }

    fn spawn(&mut self, work: impl Future<Output = TaskEnd> + Send + 'static) -> AbortHandle {
        task::spawn_in(&mut self.running, work)
    }
}

/// Waits until the client has read enough so that there is room for the outcome.
async fn reserve(
    outgoing: &Outgoing,
    outcome: Result<Outcome, Failure>,
) -> Result<(Outcome, Option<Reserved>), Failure> {
    let outcome = outcome?;
    let room = match &outcome {
        Outcome::Answer(answer) => Some(outgoing.reserve(answer.text().clone()).await),
        Outcome::Batch(answers) => {
            let all: Vec<_> = answers.iter().map(|answer| &answer.text()[..]).collect();
            Some(outgoing.reserve(all.concat().into()).await)
        }
        Outcome::Done | Outcome::Elsewhere(_) => None,
    };
    Ok((outcome, room))
}
