//! What do all that speak to one server share? The way there, what is known of it, and what the user chose.

use parking_lot::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use super::elicit::Questions;
use super::first::Promises;
use super::gate::Gate;
use super::lasting::Lasting;
use super::memory::Memory;
use super::send::Sender;
use super::sign_in::People;
use super::translated::Translated;
use super::{Options, Protocol, ToClient, Upstream, era, modern};
use crate::auth::Authorizer;
use crate::net::Http;

/// What all transports share.
pub(super) struct Context {
    pub(super) sender: Arc<Sender>,
    pub(super) client: ToClient,
    pub(super) options: Options,
    pub(super) memory: Memory,
    pub(super) gate: Gate,
    pub(super) lasting: Lasting,
    pub(super) promises: Mutex<Promises>,
    pub(super) questions: Questions,
    pub(super) people: People,
    /// Counts the HTTP+SSE streams of this process, whichever session they belong to.
    pub(super) streams: AtomicU64,
    /// Who turns a modern client's words into this server's, from the first such word on.
    pub(super) translated: OnceLock<Translated>,
    /// Counts the requests that were translated.
    pub(super) asked: AtomicU64,
    pub(super) era: era::Verdict,
    pub(super) modern: modern::Server,
}

impl Context {
    pub(super) fn new(options: Options, authorizer: Authorizer, http: Http, client: ToClient) -> Self {
        let sender = Sender::new(authorizer, http, &options, Arc::clone(&client.unanswered));
        let memory = Memory::new(options.home.as_deref(), &options.uri);
        Self::unopened(Arc::new(sender), memory, options, client)
    }

    /// Makes further connections to the same server, on the same way there.
    pub(super) fn beside(&self) -> impl Fn(ToClient) -> Upstream + Send + use<> {
        let (sender, memory) = (Arc::clone(&self.sender), self.memory.clone());
        // The other side of it is for clients that need no translator.
        let options = Options { protocol: Protocol::Legacy, tasks: false, ..self.options.clone() };
        let doubts = self.era.doubts();
        move |client| {
            let era = era::Verdict::of_session(&doubts);
            Upstream::with(Self { era, ..Self::unopened(Arc::clone(&sender), memory.clone(), options.clone(), client) })
        }
    }

    fn unopened(sender: Arc<Sender>, memory: Memory, options: Options, client: ToClient) -> Self {
        Self {
            sender,
            client,
            options,
            memory,
            gate: Gate::default(),
            lasting: Lasting::default(),
            promises: Mutex::default(),
            questions: Questions::default(),
            people: People::default(),
            streams: AtomicU64::new(0),
            translated: OnceLock::new(),
            asked: AtomicU64::new(0),
            era: era::Verdict::default(),
            modern: modern::Server::default(),
        }
    }
}
