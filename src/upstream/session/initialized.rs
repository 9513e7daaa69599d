//! When is the server notified that the client is initialized? When the session opens; once more after a login, where a
//! server took `initialize` without one and refused the notification.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use crate::message::Message;
use crate::task;
use crate::upstream::Failure;
use crate::upstream::transport::{Link, Transport};

/// What became of the client's `notifications/initialized`.
#[derive(Default)]
pub(super) struct Initialized {
    /// Whether `refusal` is set; each request reads it.
    is_refused: AtomicBool,
    /// Why the server did not take the notification, where a login can help. Whoever sends the notification changes it,
    /// and other requests wait meanwhile.
    refusal: Mutex<Option<Failure>>,
}

impl Initialized {
    /// Sends the notification in a session that has just opened. Ready when requests may follow.
    pub(super) async fn send(self: &Arc<Self>, transport: &Transport, initialized: &Message) {
        if transport.waits_for_initialized() {
            return self.send_and_wait(transport, initialized).await;
        }
        let (this, transport, initialized) = (Arc::clone(self), transport.clone(), initialized.clone());
        let mut sending = Box::pin(async move { this.send_and_wait(&transport, &initialized).await });
        tokio::select! {
            // First, so that requests are behind the notification.
            biased;
            () = &mut sending => {}
            () = ready(()) => drop(task::spawn(sending)),
        }
    }

    async fn send_and_wait(&self, transport: &Transport, initialized: &Message) {
        let mut refusal = self.refusal.lock().await;
        *refusal = transport.initialized(initialized).await.err();
        self.is_refused.store(refusal.is_some(), Ordering::Relaxed);
    }

    /// Sends it once more, before a request, if a login has been made since it was refused.
    pub(super) async fn send_again(&self, link: &Link, transport: &Transport) {
        if !self.is_refused.load(Ordering::Relaxed) {
            return;
        }
        let mut refusal = self.refusal.lock().await;
        let is_due = refusal.as_ref().is_some_and(|refusal| !link.sender.is_refused_still(refusal));
        if is_due && let Some(initialized) = link.handshake.initialized() {
            *refusal = transport.initialized(&initialized).await.err();
            self.is_refused.store(refusal.is_some(), Ordering::Relaxed);
        }
    }
}
