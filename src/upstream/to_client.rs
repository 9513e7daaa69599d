//! Where does a message of the server's go? What answers nothing to the client, answers to whoever owns the requests.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Event;
use super::unanswered::Unanswered;
use crate::log;
use crate::message::{Id, Kind, Message};
use crate::net::SseError;
use crate::stdio::Outgoing;
use crate::tools::Changes;
use crate::upstream::Failure;

/// Where messages from the server go: what answers nothing, straight to the client; answers, to whoever owns the
/// requests.
#[derive(Debug, Clone)]
pub struct ToClient {
    pub(super) outgoing: Outgoing,
    events: mpsc::UnboundedSender<Event>,
    /// Noted where somebody keeps what lists of tools have shown.
    changes: Option<Changes>,
    /// What it asks of the client.
    pub(super) unanswered: Arc<Unanswered>,
    /// A translator stands in between, which hears everything as events.
    pub(super) translated: bool,
}

impl ToClient {
    /// `events` is read by the owner of the requests.
    pub fn new(outgoing: Outgoing, events: mpsc::UnboundedSender<Event>, changes: Option<Changes>) -> Self {
        Self { outgoing, events, changes, unanswered: Arc::default(), translated: false }
    }

    /// The same for a connection whose messages a translator reads.
    pub(super) fn to_translator(&self, events: mpsc::UnboundedSender<Event>) -> Self {
        Self { events, translated: true, ..self.clone() }
    }

    /// The server's tools may have changed.
    pub(super) fn tools_changed(&self) {
        self.changes.iter().for_each(Changes::note);
    }

    /// Delivers one message, once the client has read enough of those before.
    pub(super) async fn deliver(&self, message: Message) {
        self.deliver_during(None, message).await;
    }

    /// Delivers a message that came on the stream of the request with this id.
    pub(super) async fn deliver_during(&self, request: Option<&Id>, message: Message) {
        match message.kind() {
            Kind::Batch(elements) => {
                for element in elements.clone() {
                    Box::pin(self.deliver_during(request, element)).await;
                }
            }
            Kind::Response { .. } => {
                let room = self.outgoing.reserve(message.text().clone()).await;
                self.events.send(Event::Answer(message, room)).ok();
            }
            Kind::Invalid(_) => log::warn!("the server sent JSON that is no JSON-RPC message; it is dropped"),
            Kind::Request { .. } => self.say(request, message).await,
            Kind::Notification { method } => {
                if &**method == "notifications/tools/list_changed" {
                    self.tools_changed();
                }
                self.say(request, message).await;
            }
        }
    }

    async fn say(&self, during: Option<&Id>, message: Message) {
        self.unanswered.said(during, &message);
        if self.translated {
            let room = Some(self.outgoing.reserve(message.text().clone()).await);
            self.tell(Event::Said { message, during: during.cloned(), room });
        } else {
            self.outgoing.send(message.text().clone()).await;
        }
    }

    /// Says one of the few things that are said in the server's stead.
    pub(super) fn say_now(&self, message: Message) {
        if self.translated {
            self.tell(Event::Said { message, during: None, room: None });
        } else {
            self.outgoing.send_now(message.into_text());
        }
    }

    /// Tells a translator, if there is one.
    pub(super) fn tell_translator(&self, event: impl FnOnce() -> Event) {
        if self.translated {
            self.tell(event());
        }
    }

    pub(super) fn tell(&self, event: Event) {
        self.events.send(event).ok();
    }

    /// An event was too long; the request whose answer it was has none now.
    pub(super) fn too_long(&self, host: &str, error: &SseError) {
        let failure = Failure::TooLarge(format!("{host}: {error}"));
        log::warn!("{failure}");
        if let SseError::TooLong { answer_id: Some(id), .. } = error {
            self.tell(Event::Undeliverable(Id::from_json(id), failure));
        }
    }
}
