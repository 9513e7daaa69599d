//! How does what wants no answer get to the server?

use std::time::Duration;

use tokio::sync::mpsc;

use super::{Bridge, Done};
use crate::log;
use crate::message::Message;
use crate::task;

/// How long a notification may keep those that follow it waiting.
const NOTICE: Duration = Duration::from_secs(30);

impl Bridge {
    /// Notifications keep their order, so they are posted one after the other.
    pub(super) fn notice(&mut self, message: Message) {
        let Err(mpsc::error::SendError(message)) = self.queue().send(message) else { return };
        // The task that posts them has died of a bug; this one starts another.
        self.notices = None;
        self.queue().send(message).ok();
    }

    fn queue(&mut self) -> &mpsc::UnboundedSender<Message> {
        let Self { upstream, tasks, notices, .. } = self;
        notices.get_or_insert_with(|| {
            let (sender, mut queue) = mpsc::unbounded_channel::<Message>();
            let upstream = upstream.clone();
            task::spawn_in(tasks, async move {
                while let Some(message) = queue.recv().await {
                    if tokio::time::timeout(NOTICE, upstream.notify_logged(&message)).await.is_err() {
                        log::warn!("the server does not take {}", message.method().unwrap_or_default());
                    }
                }
                Done::Notice
            });
            sender
        })
    }

    /// An answer to the server is urgent and stands alone.
    pub(super) fn post(&mut self, message: Message) {
        let upstream = self.upstream.clone();
        task::spawn_in(&mut self.tasks, async move {
            upstream.notify_logged(&message).await;
            Done::Notice
        });
    }
}
