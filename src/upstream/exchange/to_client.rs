//! Where does a message of the server go? A response to the owner of the requests, any other message to the client.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::repeatable::Repeatable;
use super::server_requests::ServerRequests;
use super::{Event, SessionEvent};
use crate::log;
use crate::message::{Id, Kind, Message};
use crate::net::SseError;
use crate::stdio::Outgoing;
use crate::tools::Changes;
use crate::upstream::Failure;

/// The way of the server's messages to the client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ToClient {
    outgoing: Outgoing,
    receiver: Receiver,
    /// Noted where the bridge applies rules to tools.
    changes: Option<Changes>,
    /// How often the client was notified that the tools have changed. Whoever notifies it adds to it; a call of the
    /// bridge's own tool waits for it.
    tool_changes: Arc<watch::Sender<u64>>,
    /// The requests of the server that the client has not answered.
    pub(crate) server_requests: Arc<ServerRequests>,
    /// Which requests may be sent again that were lost.
    pub(crate) repeatable: Arc<Repeatable>,
}

/// Who reads what comes from a session.
#[derive(Debug, Clone)]
enum Receiver {
    /// The client; responses are read by the owner of its requests.
    Client(mpsc::UnboundedSender<Event>),
    /// A translator that stands between the session and the client.
    Translator(mpsc::UnboundedSender<SessionEvent>),
}

impl ToClient {
    /// `events` is read by the owner of the requests.
    pub fn new(outgoing: Outgoing, events: mpsc::UnboundedSender<Event>, changes: Option<Changes>) -> Self {
        Self {
            outgoing,
            receiver: Receiver::Client(events),
            changes,
            tool_changes: Arc::default(),
            server_requests: Arc::default(),
            repeatable: Arc::default(),
        }
    }

    /// The same for a session whose messages a translator reads.
    pub(crate) fn through_translator(&self, events: mpsc::UnboundedSender<SessionEvent>) -> Self {
        Self { receiver: Receiver::Translator(events), ..self.clone() }
    }

    /// The queue to the client; `None` where a translator stands in between, which alone writes to the client.
    pub(crate) fn direct(&self) -> Option<&Outgoing> {
        match self.receiver {
            Receiver::Client(_) => Some(&self.outgoing),
            Receiver::Translator(_) => None,
        }
    }

    /// The queue to the client, for a translator.
    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// Notes that the server's tools may have changed.
    pub(crate) fn tools_changed(&self) {
        self.repeatable.forget_tools();
        self.changes.iter().for_each(Changes::note);
        self.tool_changes.send_modify(|changes| *changes += 1);
    }

    /// How often the client was notified that the tools have changed.
    pub(crate) fn tool_changes(&self) -> watch::Receiver<u64> {
        self.tool_changes.subscribe()
    }

    /// Delivers one message, once the client has read enough of those before.
    pub(crate) async fn deliver(&self, message: Message) {
        self.deliver_during(None, message).await;
    }

    /// Delivers a message that came on the stream of the request with this id.
    pub(crate) async fn deliver_during(&self, request: Option<&Id>, message: Message) {
        match message.kind() {
            Kind::Batch(elements) => {
                for element in elements.clone() {
                    Box::pin(self.deliver_during(request, element)).await;
                }
            }
            // It may be about a notification, or a response of the client.
            Kind::Response { id, is_error: true } if id.is_null() => {
                log::warn!("the server sent an error that belongs to no request: {}", Failure::Rpc(message));
            }
            Kind::Response { .. } => self.deliver_response(message).await,
            Kind::Invalid(id) => {
                log::warn!("the server sent JSON that is no JSON-RPC message; it is dropped");
                if let Some(id) = id {
                    let why = "the server's answer has neither a result nor an error".to_owned();
                    self.send_event(Event::Undeliverable(id.clone(), Failure::Unusable(why)));
                }
            }
            Kind::Request { .. } => self.forward(request, message).await,
            Kind::Notification { method } => {
                if &**method == "notifications/tools/list_changed" {
                    self.tools_changed();
                }
                self.forward(request, message).await;
            }
        }
    }

    /// Delivers a response, also an error without an id.
    pub(crate) async fn deliver_response(&self, message: Message) {
        let room = self.outgoing.reserve(message.text().clone()).await;
        self.send_event(Event::Answer(message, room));
    }

    async fn forward(&self, during: Option<&Id>, message: Message) {
        self.server_requests.note_sent(during, &message);
        match &self.receiver {
            Receiver::Client(_) => self.outgoing.send(message.into_text()).await,
            Receiver::Translator(events) => {
                let room = Some(self.outgoing.reserve(message.text().clone()).await);
                events.send(SessionEvent::Message { message, during: during.cloned(), room }).ok();
            }
        }
    }

    /// Delivers one of the few messages that the bridge writes in the place of the server.
    pub(crate) fn deliver_own(&self, message: Message) {
        match &self.receiver {
            Receiver::Client(_) => self.outgoing.send_now(message.into_text()),
            Receiver::Translator(events) => {
                events.send(SessionEvent::Message { message, during: None, room: None }).ok();
            }
        }
    }

    /// Sends what concerns a translator, if there is one.
    pub(crate) fn notify_translator(&self, event: impl FnOnce() -> SessionEvent) {
        if let Receiver::Translator(events) = &self.receiver {
            events.send(event()).ok();
        }
    }

    /// Sends what concerns the owner of the requests.
    pub(crate) fn send_event(&self, event: Event) {
        match &self.receiver {
            Receiver::Client(events) => drop(events.send(event)),
            Receiver::Translator(events) => drop(events.send(SessionEvent::Response(event))),
        }
    }

    /// An event on a stream was too long. If it was a response, its request has none now.
    pub(crate) fn drop_too_long(&self, host: &str, error: &SseError) {
        let failure = Failure::TooLarge(format!("{host}: {error}"));
        log::warn!("{failure}");
        if let SseError::TooLong { answer_id: Some(id), .. } = error {
            self.send_event(Event::Undeliverable(Id::from_json(id), failure));
        }
    }
}
