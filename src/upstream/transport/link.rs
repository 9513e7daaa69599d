//! What does every transport stand on? The way to the server and the way to the client, and what a session needs that
//! takes the place of another.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::capabilities::{Capabilities, List};
use super::handshake::Handshake;
use super::session_state::{Send, SessionState};
use crate::message::{self, Initialize, OwnRequests};
use crate::upstream::exchange::{Sender, SessionEvent, ToClient};

/// Shared by the transports that one session has, one after the other, and by the session itself.
pub(crate) struct Link {
    pub(crate) sender: Arc<Sender>,
    pub(crate) client: ToClient,
    /// The bridge's own requests that wait for their response. The tasks that send them add to it; whoever reads a
    /// response looks there first.
    pub(crate) own_requests: OwnRequests,
    pub(crate) handshake: Handshake,
    pub(crate) capabilities: Capabilities,
    /// What a new session must have from the one before; `None` where a translator sets that itself.
    pub(crate) session_state: Option<SessionState>,
    /// Counts the HTTP+SSE streams of this process, whichever transport opened them.
    pub(super) streams: AtomicU64,
}

impl Link {
    pub(crate) fn new(sender: Arc<Sender>, client: ToClient) -> Self {
        let session_state = client.direct().is_some().then(SessionState::default);
        Self {
            sender,
            client,
            own_requests: OwnRequests::default(),
            handshake: Handshake::default(),
            capabilities: Capabilities::default(),
            session_state,
            streams: AtomicU64::new(0),
        }
    }

    /// Gives a new session what the one before had, by requests that `send` sends in it.
    pub(crate) async fn replay_state(&self, send: &Send<'_>) {
        if let Some(state) = &self.session_state {
            state.replay(&self.own_requests, send).await;
        }
    }

    /// A new session has taken the place of one that had expired: whoever stands on it must know.
    pub(super) fn session_replaced(&self, result: Option<Initialize>) {
        if let Some(result) = result {
            self.capabilities.set_actual(result.capabilities);
        }
        self.client.notify_translator(|| SessionEvent::Reopened);
        self.lists_changed();
    }

    /// The server's own result has taken the place of a promise.
    pub(crate) fn promise_replaced(&self) {
        for notification in self.capabilities.lists_beside_promise() {
            if notification.method() == Some("notifications/tools/list_changed") {
                self.client.tools_changed();
            }
            self.client.deliver_own(notification);
        }
    }

    /// Tells the client that this list of the server has changed.
    pub(crate) fn list_changed(&self, list: &List) {
        if list.capability == "tools" {
            self.client.tools_changed();
        }
        self.client.deliver_own(message::list_changed(list.capability));
    }

    /// Tells the client that each list of the server may have changed.
    pub(crate) fn lists_changed(&self) {
        self.client.tools_changed();
        for notification in self.capabilities.changed_lists() {
            self.client.deliver_own(notification);
        }
    }
}
