//! A modern client before a legacy server: runs the [`ToLegacy`](crate::translate::to_legacy::ToLegacy) machine.
//!
//! One task, the [`driver`], owns the machine and performs its actions. Each session that the machine opens is a
//! [`LoginSession`] of its own, to the same server; its messages come back to the driver as events instead of going to
//! the client. A request of the client waits for the machine's one response; dropped, it is abandoned there.

mod driver;
mod sessions;

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::Failure;
use super::exchange::{Outcome, ToClient};
use super::login::LoginSession;
use crate::message::{Id, Kind, Message};
use crate::task;
use driver::{Command, Driver};
use sessions::{Newest, Sessions};

pub(super) use sessions::CANCEL;

/// The way to the translator's task.
pub(super) struct Translator {
    commands: mpsc::UnboundedSender<Command>,
    newest: Newest,
    /// Counts the requests.
    requests: AtomicU64,
}

impl Translator {
    /// Starts the task. `connect` makes a further session with the server.
    pub(super) fn start(client: ToClient, connect: impl Fn(ToClient) -> LoginSession + Send + 'static) -> Self {
        let (sender, commands) = mpsc::unbounded_channel();
        let newest = Newest::default();
        let outgoing = client.outgoing().clone();
        let sessions = Sessions::new(Box::new(connect), client, Newest::clone(&newest));
        task::spawn(Driver::new(sessions, outgoing).run(commands));
        Self { commands: sender, newest, requests: AtomicU64::new(0) }
    }

    /// Waits for the response to a request. Dropped, it abandons the request. `is_acknowledged`: it is a subscription,
    /// and the client has its acknowledgement already.
    pub(super) async fn request(&self, message: &Message, is_acknowledged: bool) -> Result<Outcome, Failure> {
        let Kind::Request { id, .. } = message.kind() else { return Err(Failure::Panicked) };
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let command = if is_acknowledged { Command::Listen } else { Command::Request };
        self.commands.send(command(message.clone(), number, sender)).map_err(|_| Failure::Panicked)?;
        let mut abandoned = Abandoned(Some((self, id, number)));
        let answer = answer.await;
        abandoned.0 = None;
        // The machine answers each request, unless its task has panicked.
        answer.map(Outcome::Answer).map_err(|_| Failure::Panicked)
    }

    /// Takes a notification, cancellations among them.
    pub(super) fn notify(&self, message: &Message) {
        self.commands.send(Command::Notify(message.clone())).ok();
    }

    /// The client has nothing more to send.
    pub(super) fn end_of_input(&self) {
        self.commands.send(Command::EndOfInput).ok();
    }

    /// Why the newest session is not open yet, if it is not.
    pub(super) fn trouble(&self) -> Option<Failure> {
        self.newest.lock().as_ref()?.session().trouble()
    }

    /// Ends all sessions: at most a second.
    pub(super) async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        self.commands.send(Command::Close(sender)).ok();
        closed.await.ok();
    }
}

/// Abandons a request, unless it was answered.
struct Abandoned<'a>(Option<(&'a Translator, &'a Id, u64)>);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some((translator, id, number)) = self.0 {
            translator.commands.send(Command::Abandon(id.clone(), number)).ok();
        }
    }
}
