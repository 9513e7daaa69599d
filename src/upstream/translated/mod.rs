//! A modern client before this legacy server: the translator at work.
//!
//! One task owns the [`ToLegacy`](to_legacy::ToLegacy) machine and does what it says. Each session that it opens is an
//! [`Upstream`] of its own, on the same way to the server; what those hear comes back here as events instead of going
//! to the client. A request of the client's waits for the machine's one answer; dropped, it is given up there.

mod act;
mod driver;

use parking_lot::Mutex;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::context::Context;
use super::{Outcome, ToClient, Upstream};
use crate::log;
use crate::message::{Id, Kind, Message};
use crate::task;
use crate::translate::to_legacy;
use crate::upstream::ClientProtocol;
use crate::upstream::Failure;
use driver::Driver;

/// The way to the translator's task.
pub(super) struct Translated {
    asks: mpsc::UnboundedSender<Ask>,
    /// The session that was opened last, to ask why it is not open yet.
    newest: Newest,
}

type Newest = Arc<Mutex<Option<Upstream>>>;

/// What the client wants.
enum Ask {
    /// An answer to this request. The number tells it from a later one of the same id.
    Request(Message, u64, oneshot::Sender<Message>),
    /// The same for a subscription that is acknowledged.
    Listen(Message, u64, oneshot::Sender<Message>),
    /// Nothing: a notification.
    Notice(Message),
    /// No answer any more.
    Abandoned(Id, u64),
    /// It has nothing more to say.
    EndOfInput,
    /// An end in good manners, and to know when.
    Close(oneshot::Sender<()>),
}

impl Translated {
    /// Starts the task. `session` makes a further connection to the server, which tells all it hears to this
    /// `ToClient`.
    pub(super) fn start(client: ToClient, session: impl Fn(ToClient) -> Upstream + Send + 'static) -> Self {
        let (sender, asks) = mpsc::unbounded_channel();
        let newest = Newest::default();
        let driver = Driver::new(Arc::clone(&newest), client, Box::new(session));
        task::spawn(driver.run(asks));
        Self { asks: sender, newest }
    }

    /// Waits for the answer to a request. Dropped, it wants none any more. `is_acknowledged`: it is a subscription, and
    /// the client has been told that it stands.
    pub(super) async fn request(
        &self,
        message: &Message,
        number: u64,
        is_acknowledged: bool,
    ) -> Result<Outcome, Failure> {
        let Kind::Request { id, .. } = message.kind() else { return Err(Failure::Panicked) };
        let (sender, answer) = oneshot::channel();
        let kind = if is_acknowledged { Ask::Listen } else { Ask::Request };
        self.asks.send(kind(message.clone(), number, sender)).map_err(|_| Failure::Panicked)?;
        let mut given_up = GivenUp(Some((self, id, number)));
        let answer = answer.await;
        given_up.0 = None;
        // It is never left unanswered, unless the task has died.
        answer.map(Outcome::Answer).map_err(|_| Failure::Panicked)
    }

    /// Takes a notification, cancellations among them.
    pub(super) fn notify(&self, message: &Message) {
        self.asks.send(Ask::Notice(message.clone())).ok();
    }

    /// The client has nothing more to say.
    pub(super) fn end_of_input(&self) {
        self.asks.send(Ask::EndOfInput).ok();
    }

    /// Why the client waits, if it is for a session that is not open yet.
    pub(super) fn trouble(&self) -> Option<Failure> {
        self.newest.lock().as_ref()?.trouble()
    }

    /// Ends all sessions: at most a second.
    pub(super) async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        self.asks.send(Ask::Close(sender)).ok();
        closed.await.ok();
    }
}

/// Says that nobody waits any more, unless somebody was answered.
struct GivenUp<'a>(Option<(&'a Translated, &'a Id, u64)>);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some((translated, id, number)) = self.0 {
            translated.asks.send(Ask::Abandoned(id.clone(), number)).ok();
        }
    }
}

impl Context {
    /// The translator, if this is a request of a client that is known to be modern by it, or by the user's word.
    pub(super) fn translated_for(&self, message: &Message) -> Option<&Translated> {
        // A client that has shaken hands is legacy, and so are the sessions that a translator opened.
        if self.client.translated || !self.gate.is_idle() || self.options.client_protocol == ClientProtocol::Legacy {
            return None;
        }
        if !matches!(message.kind(), Kind::Request { .. }) {
            return None;
        }
        let is_known = self.translated.get().is_some() || self.options.client_protocol == ClientProtocol::Modern;
        if !is_known && !to_legacy::is_modern(message) {
            return None;
        }
        Some(self.translated.get_or_init(|| {
            log::info!("the client is modern and {} is not; translating", self.sender.host());
            Translated::start(self.client.clone(), self.beside())
        }))
    }
}
