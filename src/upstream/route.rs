//! Which route does a message take? Decided once, when it is known what the two sides speak.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::ClientProtocol;
use super::era::Era;
use crate::message::{Kind, Message};
use crate::translate::to_legacy::is_modern;

/// The way of a message to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// In the session that the client's `initialize` has opened; without one, as it is.
    Session,
    /// As it is, by a modern client to a server that is, or may be, modern.
    Modern,
    /// Through the translator: a modern client and a legacy server.
    Translator,
}

/// Finds the route of each message until it is the same for all.
pub(super) struct Router {
    era: Arc<Era>,
    /// Set by the client's `initialize`, by the first request that goes through the translator, and by a response which
    /// proves that the server of a modern client is modern; every message reads it.
    decided: Mutex<Option<Route>>,
    /// The client has sent a modern request. Set once; its notifications read it.
    has_sent_modern: AtomicBool,
    /// The client has sent a modern request other than `server/discover`, which any client may send first. Set once;
    /// `server/discover` reads it.
    goes_on_modern: AtomicBool,
}

impl Router {
    pub(super) fn new(era: Arc<Era>) -> Self {
        Self {
            era,
            decided: Mutex::default(),
            has_sent_modern: AtomicBool::new(false),
            goes_on_modern: AtomicBool::new(false),
        }
    }

    pub(super) fn decide(&self, route: Route) {
        *self.decided.lock() = Some(route);
    }

    fn decided(&self) -> Option<Route> {
        *self.decided.lock()
    }

    /// The route of a request or a batch.
    pub(super) fn of(&self, message: &Message) -> Route {
        let client = self.era.options.client_protocol;
        match self.decided() {
            Some(Route::Session) => Route::Session,
            _ if client == ClientProtocol::Legacy => Route::Session,
            _ if self.may_go_as_it_is(message) => Route::Modern,
            _ if !matches!(message.kind(), Kind::Request { .. }) => Route::Session,
            Some(_) => Route::Translator,
            None if client == ClientProtocol::Modern || is_modern(message) => Route::Translator,
            None => Route::Session,
        }
    }

    /// Whether this is a modern client's request, and the server may take it as it is.
    fn may_go_as_it_is(&self, message: &Message) -> bool {
        self.may_be_modern() && (message.method() == Some("server/discover") || is_modern(message))
    }

    /// Whether the client and the server may both be modern.
    pub(super) fn may_be_modern(&self) -> bool {
        let is_open = matches!(self.decided(), None | Some(Route::Modern));
        let client = self.era.options.client_protocol;
        is_open && client != ClientProtocol::Legacy && self.era.takes_modern() != Some(false)
    }

    /// Whether the client's messages go through the translator.
    pub(super) fn is_translated(&self) -> bool {
        self.decided() == Some(Route::Translator)
    }

    /// Whether the client's `initialize` has begun a session.
    pub(super) fn is_session(&self) -> bool {
        self.decided() == Some(Route::Session)
    }

    /// Whether this `initialize` begins a session. From a client that is known to be modern it is a request like any
    /// other, for a method that the server does not know.
    pub(super) fn begins_session(&self, message: &Message) -> bool {
        let is_modern_client = self.era.options.client_protocol == ClientProtocol::Modern
            || self.is_translated()
            || (self.has_sent_modern() && self.era.is_proven_modern());
        message.method() == Some("initialize") && !(is_modern_client && is_modern(message))
    }

    /// Notes a request that is carried as a modern client's.
    pub(super) fn note_modern(&self, request: &Message) {
        self.has_sent_modern.store(true, Ordering::Relaxed);
        self.note_going_on(request);
    }

    /// Notes whether a client goes on to send modern requests after `server/discover`.
    pub(super) fn note_going_on(&self, request: &Message) {
        if request.method() != Some("server/discover") && is_modern(request) {
            self.goes_on_modern.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn has_sent_modern(&self) -> bool {
        self.has_sent_modern.load(Ordering::Relaxed)
    }

    /// Whether a client that has sent `server/discover` will not send `initialize`, or need not.
    pub(super) fn is_modern_client(&self) -> bool {
        self.era.takes_modern() == Some(true)
            || self.era.options.client_protocol == ClientProtocol::Modern
            || self.goes_on_modern.load(Ordering::Relaxed)
    }
}
