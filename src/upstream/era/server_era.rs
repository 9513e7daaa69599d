//! Which era does the server speak, as far as that is known?

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// Since when the client waits for an answer, if the bridge has answered its `server/discover` because the server
    /// did not. `server/discover` sets it, `initialize` reads it.
    unanswered: Mutex<Option<Instant>>,
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
        Self { options, memory, server, known: Mutex::new(known), suspicion, unanswered: Mutex::default() }
    }

    /// What the server returns, if that comes within `wait`. A server that wants a login has the whole startup wait: its
    /// client then learns of that with the first answer. Where the user wants a login to be waited for, it is.
    pub(crate) async fn in_time<T>(&self, wait: Duration, answer: impl Future<Output = T>) -> Option<T> {
        let begun = Instant::now();
        let sender = &self.server.link.sender;
        let mut answer = pin!(answer);
        let mut answered = tokio::select! {
            biased;
            answered = tokio::time::timeout(wait, &mut answer) => answered.ok(),
            _ = sender.outage.absent() => None,
        };
        if answered.is_none() && sender.is_challenged() {
            let left = self.options.startup_wait.saturating_sub(begun.elapsed());
            answered = tokio::time::timeout(left, &mut answer).await.ok();
        }
        if answered.is_none() && sender.auth.is_waited_for() {
            answered = Some(answer.await);
        }
        answered
    }

    /// The client began to wait then for the server, which has not answered.
    pub(super) fn set_unanswered(&self, since: Instant) {
        *self.unanswered.lock() = Some(since);
    }

    /// How long the client has waited already for an answer that the server did not give.
    pub(crate) fn waited_before(&self) -> Option<Duration> {
        self.unanswered.lock().map(|since| since.elapsed())
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

    /// Whether the client's requests go, as they are or translated, to a modern server.
    pub(crate) fn is_served_as_modern(&self) -> bool {
        self.is_proven_modern()
            || self.memory.findings().translated
            || *self.known.lock() == ServerEra::RememberedModern
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
