//! Which era does the server speak, as far as that is known?

use std::sync::Arc;

use parking_lot::Mutex;

use super::memory::Memory;
use super::suspicion::Suspicion;
use crate::message::Members;
use crate::upstream::transport::modern::ModernServer;
use crate::upstream::{Options, Protocol, TransportStrategy};

/// The server's era.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerEra {
    /// Only trying can show it.
    Unknown,
    /// An earlier run found it modern.
    RememberedModern,
    Modern,
    Legacy,
}

/// What is known of the server's era, and whom to ask. The client's session and `Upstream` share it.
pub(crate) struct Era {
    pub(crate) options: Arc<Options>,
    pub(crate) memory: Memory,
    pub(crate) server: Arc<ModernServer>,
    /// Requests change it with what their responses show; every request of a modern client reads it until its route is
    /// decided.
    known: Mutex<ServerEra>,
    pub(crate) suspicion: Arc<Suspicion>,
}

impl Era {
    /// `suspicion` is shared with the sessions that a translator opens.
    pub(crate) fn new(
        options: Arc<Options>,
        memory: Memory,
        server: Arc<ModernServer>,
        suspicion: Arc<Suspicion>,
    ) -> Self {
        let known = match memory.findings().modern {
            Some(true) => ServerEra::RememberedModern,
            Some(false) => ServerEra::Legacy,
            None => ServerEra::Unknown,
        };
        Self { options, memory, server, known: Mutex::new(known), suspicion }
    }

    pub(super) fn is_auto(&self) -> bool {
        self.options.protocol == Protocol::Auto
    }

    /// Whether the server takes modern requests; `None` if only trying can show it.
    pub(crate) fn takes_modern(&self) -> Option<bool> {
        match self.options.protocol {
            Protocol::Modern => Some(true),
            Protocol::Legacy => Some(false),
            Protocol::Auto if self.options.transport == TransportStrategy::SseOnly => Some(false),
            Protocol::Auto => match *self.known.lock() {
                ServerEra::Modern | ServerEra::RememberedModern => Some(true),
                ServerEra::Legacy => Some(false),
                ServerEra::Unknown => None,
            },
        }
    }

    /// Whether this run has seen the server take a modern request, or the user says so.
    pub(crate) fn is_proven_modern(&self) -> bool {
        self.options.protocol == Protocol::Modern || *self.known.lock() == ServerEra::Modern
    }

    /// Notes that the server is modern, for this run and later ones. `discovered`: the result of its `server/discover`,
    /// JSON text.
    pub(crate) fn set_modern(&self, discovered: Option<&str>) {
        if !self.is_auto() {
            return;
        }
        *self.known.lock() = ServerEra::Modern;
        let discovered = discovered.and_then(|text| serde_json::from_str(text).ok());
        self.memory.learn(move |record| {
            record.modern = Some(true);
            if discovered.is_some() {
                record.discover.clone_from(&discovered);
            }
        });
    }

    /// Notes that the server is not modern, for this run and later ones.
    pub(crate) fn set_legacy(&self) {
        if !self.is_auto() {
            return;
        }
        *self.known.lock() = ServerEra::Legacy;
        self.memory.learn(|record| (record.modern, record.translated) = (Some(false), false));
    }

    /// Notes what a result shows: only a modern server's has a `supportedVersions` or a `resultType`.
    pub(super) fn note_result(&self, result: Option<&str>) {
        let members = result.and_then(Members::of);
        let has = |name| members.as_ref().is_some_and(|members| members.get(name).is_some());
        if has("supportedVersions") {
            self.set_modern(result);
        } else if has("resultType") && !self.is_proven_modern() {
            self.set_modern(None);
        }
    }
}
