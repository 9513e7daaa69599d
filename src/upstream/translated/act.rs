//! What is done of what the machine says?

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::driver::{Done, Driver, InFlight, Session};
use crate::log;
use crate::message::{Id, Kind, Message};
use crate::stdio::{Outgoing, Reserved};
use crate::task;
use crate::translate::to_legacy::Action;
use crate::upstream::Upstream;

impl Driver {
    /// Does what the machine says. `room`: among what waits for the client, for what came of a message of the server's.
    pub(super) fn act(&mut self, mut room: Option<Reserved>) {
        for action in self.machine.actions() {
            match action {
                Action::Open { session, initialize, initialized } => self.open(session, initialize, initialized),
                Action::Close { session } => self.leave(session),
                Action::Request { session, message } => self.send(session, message),
                Action::Notify { session, message } => {
                    self.spawn_notice(session, async move |upstream| upstream.tell(&message).await);
                }
                Action::Reply { session, exchange, message } => self.reply(session, exchange, message),
                Action::Cancel { session, id, message } => self.cancel(session, id, message),
                Action::Answer(answer) => {
                    let Kind::Response { id, .. } = answer.kind() else { continue };
                    if let Some((_, waiter)) = self.waiting.remove(id) {
                        waiter.send(answer).ok();
                    }
                }
                Action::Deliver(message) => match room.take() {
                    Some(room) => self.outgoing().commit(room.with_text(message.text().clone())),
                    None => self.outgoing().send_now(message.text().clone()),
                },
                Action::Warn(what) => log::warn!("{what}"),
            }
        }
    }

    fn outgoing(&self) -> &Outgoing {
        &self.client.outgoing
    }

    fn open(&mut self, session: u64, initialize: Message, initialized: Message) {
        let (sender, events) = mpsc::unbounded_channel();
        let upstream = (self.connect)(self.client.to_translator(sender));
        let answer = upstream.initialize(initialize);
        // It goes out when the server has answered, and before any request.
        upstream.initialized(initialized);
        task::spawn_in(&mut self.tasks, async move { Done::Opened(session, answer.await) });
        *self.newest.lock() = Some(upstream.clone());
        self.sessions.insert(session, Session { upstream, events, lost: None });
    }

    fn send(&mut self, session: u64, message: Message) {
        let Some(upstream) = self.sessions.get(&session).map(|session| session.upstream.clone()) else { return };
        let Kind::Request { id, .. } = message.kind() else { return };
        let (id, raw_id) = (id.clone(), message.raw_id().unwrap_or("null").into());
        let key = (session, id.clone());
        let task = task::spawn_in(&mut self.tasks, async move {
            let outcome = upstream.request(&message).await;
            Done::Request(session, id, outcome)
        });
        self.in_flight.insert(key, InFlight { raw_id, task, elsewhere: None });
    }

    fn reply(&mut self, session: u64, exchange: u64, message: Message) {
        let Some(upstream) = self.sessions.get(&session).map(|session| session.upstream.clone()) else { return };
        task::spawn_in(&mut self.tasks, async move {
            match upstream.notify(&message).await {
                Ok(()) => Done::Nothing,
                Err(failure) => Done::Refused(exchange, failure),
            }
        });
    }

    fn cancel(&mut self, session: u64, id: Id, message: Message) {
        let Some(request) = self.in_flight.remove(&(session, id)) else { return };
        let is_open = self.sessions.get(&session).is_some_and(|session| session.upstream.is_open());
        if !is_open {
            // It has not been sent.
            return request.task.abort();
        }
        self.spawn_notice(session, async move |upstream| {
            upstream.cancel(&message).await;
            request.task.abort();
        });
    }

    fn spawn_notice<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        session: u64,
        tell: impl FnOnce(Upstream) -> F,
    ) {
        let Some(upstream) = self.sessions.get(&session).map(|session| session.upstream.clone()) else { return };
        let telling = tell(upstream);
        task::spawn_in(&mut self.tasks, async move {
            telling.await;
            Done::Nothing
        });
    }

    fn leave(&mut self, session: u64) {
        for (_, request) in self.in_flight.extract_if(|(of, _), _| *of == session) {
            request.task.abort();
        }
        if let Some(left) = self.sessions.remove(&session) {
            task::spawn_in(&mut self.tasks, async move {
                left.upstream.close().await;
                Done::Nothing
            });
        }
    }

    pub(super) async fn close(&mut self) {
        self.tasks.abort_all();
        join_all(self.sessions.values().map(|session| session.upstream.close())).await;
    }
}
