//! How does a request end before its answer? The client cancels it, or it has had its time.

use tokio::task::AbortHandle;

use super::{Bridge, Done};
use crate::log;
use crate::message::{self, Message, cancelled_id};
use crate::task;
use crate::upstream::Failure;

impl Bridge {
    /// Cancelling posts the notification, with the id that the server knows, and then drops the exchange. Nothing is
    /// posted for a request that is answered already, but with questions, or that has not been sent.
    pub(super) fn cancel(&mut self, message: Message) {
        let Some(id) = cancelled_id(&message) else { return self.notice(message) };
        let Some(task) = self.pending.cancel(&id) else {
            if self.upstream.is_translated() {
                // It may have been answered with questions that crossed this.
                return self.tell_server(message, None);
            }
            log::debug!("request {id} is not in flight; its cancellation goes no further");
            return;
        };
        self.cancel_with_server(task, message);
    }

    /// The oldest request in flight has had its time: it is answered, and cancelled with the server.
    pub(super) fn expire(&mut self) {
        let (Some((_, ticket)), Some(limit)) = (self.deadlines.pop_front(), self.limit) else { return };
        for (raw_id, task) in self.pending.abandon(ticket) {
            let failure = Failure::TimedOut(limit);
            log::warn!("{failure}");
            self.outgoing.send_now(failure.answer(&raw_id).into_text());
            self.cancel_with_server(task, message::cancelled(&raw_id, "timed out"));
        }
    }

    /// Tells the server that nobody waits any more, if it has been asked, then drops the task, unless others of its
    /// batch need it.
    fn cancel_with_server(&mut self, task: AbortHandle, message: Message) {
        let wanted = self.pending.is_wanted(&task);
        if !self.upstream.is_open() && !wanted {
            task.abort();
            return;
        }
        self.tell_server(message, Some(task).filter(|_| !wanted));
    }

    /// Carries a cancellation, then drops this task.
    fn tell_server(&mut self, cancelled: Message, dropped: Option<AbortHandle>) {
        let upstream = self.upstream.clone();
        task::spawn_in(&mut self.tasks, async move {
            upstream.cancel(&cancelled).await;
            dropped.inspect(AbortHandle::abort);
            Done::Notice
        });
    }
}
