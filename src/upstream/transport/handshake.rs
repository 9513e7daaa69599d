//! What did the client send to open its session? It is sent again to a server that has lost the session.

use std::sync::Arc;

use parking_lot::Mutex;

use super::session_headers::SessionHeaders;
use crate::message::{Initialize, Message};
use crate::translate::takes_requests;

/// The client's `initialize` and `notifications/initialized`. The bridge sets them as they come; whoever opens a
/// session reads them.
#[derive(Default)]
pub(crate) struct Handshake(Mutex<State>);

#[derive(Default)]
struct State {
    initialize: Option<Message>,
    initialized: Option<Message>,
    /// The session whose `initialize` is being answered on a stream: the server may send requests on it first.
    early: Option<Arc<SessionHeaders>>,
}

impl Handshake {
    /// The client begins anew.
    pub(crate) fn begin(&self, initialize: Message) {
        *self.0.lock() = State { initialize: Some(initialize), ..State::default() };
    }

    pub(crate) fn set_initialized(&self, initialized: Message) {
        self.0.lock().initialized = Some(initialized);
    }

    pub(crate) fn initialize(&self) -> Option<Message> {
        self.0.lock().initialize.clone()
    }

    pub(crate) fn initialized(&self) -> Option<Message> {
        self.0.lock().initialized.clone()
    }

    /// Whether the server may send the client requests.
    pub(super) fn takes_requests(&self) -> bool {
        let declared = self.initialize().and_then(|initialize| Initialize::params(&initialize));
        declared.is_none_or(|declared| takes_requests(&declared.capabilities))
    }

    pub(super) fn set_early(&self, headers: SessionHeaders) {
        self.0.lock().early = Some(Arc::new(headers));
    }

    pub(super) fn early(&self) -> Option<Arc<SessionHeaders>> {
        self.0.lock().early.clone()
    }

    pub(crate) fn clear_early(&self) {
        self.0.lock().early = None;
    }
}
