//! `Upstream`: the server, whatever it speaks and whatever state it is in.
//!
//! The client's own `initialize` is the probe: it is carried to the server, and what comes back decides which [`Wire`] is spoken
//! from then on. Until that is settled, requests wait at the gate; what keeps them waiting is known, so that the one that has
//! waited long enough is told the reason.

mod answer;
mod backoff;
mod elicit;
mod era;
mod first;
mod gate;
mod http_sse;
mod keep_alive;
mod legacy;
mod memory;
mod modern;
mod opening;
mod send;
mod sign_in;
mod translated;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{mpsc, oneshot};

use crate::auth::Authorizer;
use crate::cli::{ClientProtocol, Protocol};
use crate::config::Settings;
use crate::error::Failure;
use crate::http::SseError;
use crate::message::{Id, Kind, Message};
use crate::stdio::{Outgoing, Reserved};
use crate::tools::Changes;
use crate::translate::to_legacy;
use elicit::Questions;
use first::Promises;
use gate::Gate;
use memory::Memory;
use send::Sender;
use translated::Translated;

/// A server and our connection to it. Cheap to clone.
#[derive(Clone)]
pub struct Upstream(Arc<Context>);

/// What came of a request that was carried.
#[derive(Debug)]
pub enum Outcome {
    /// Its answer.
    Answer(Message),
    /// The answers to a batch, to be given as one.
    Batch(Vec<Message>),
    /// Its answers have gone their own way, as [`Event::Answer`]: a batch.
    Done,
    /// Accepted; the answer comes on the stream of this number, as [`Event::Answer`].
    Elsewhere(u64),
}

/// What concerns requests but comes from no request's own exchange.
#[derive(Debug)]
pub enum Event {
    /// An answer, with its room among what waits for the client.
    Answer(Message, Reserved),
    /// The answer to this request came, but cannot be delivered.
    Undeliverable(Id, Failure),
    /// Streams up to this number are gone, and with them every answer that was to come on them.
    StreamLost(u64, Failure),
    /// Something that answers nothing, for a translator: during which request it came, if that is known, and its room.
    Said {
        /// A request or a notification.
        message: Message,
        /// The id of the request on whose own stream it came.
        during: Option<Id>,
        /// Its room among what waits for the client.
        room: Option<Reserved>,
    },
    /// The server's own answer to `initialize`, for a translator.
    Opened(Message),
    /// The server had forgotten the session and was greeted anew, for a translator.
    Renewed,
}

/// Where messages from the server go: what answers nothing, straight to the client; answers, to whoever owns the requests.
#[derive(Debug, Clone)]
pub struct ToClient {
    outgoing: Outgoing,
    events: mpsc::UnboundedSender<Event>,
    /// Noted where somebody keeps what lists of tools have shown.
    changes: Option<Changes>,
    /// A translator stands in between, which hears everything as events.
    translated: bool,
}

impl ToClient {
    /// `events` is read by the owner of the requests.
    pub fn new(outgoing: Outgoing, events: mpsc::UnboundedSender<Event>, changes: Option<Changes>) -> Self {
        Self { outgoing, events, changes, translated: false }
    }

    /// The same for a connection whose messages a translator reads.
    fn to_translator(&self, events: mpsc::UnboundedSender<Event>) -> Self {
        Self { events, translated: true, ..self.clone() }
    }

    /// The server's tools may have changed.
    fn tools_changed(&self) {
        self.changes.iter().for_each(Changes::note);
    }

    /// Delivers one message, once the client has read enough of those before.
    async fn deliver(&self, message: Message) {
        self.deliver_during(None, message).await;
    }

    /// Delivers a message that came on the stream of the request with this id.
    async fn deliver_during(&self, request: Option<&Id>, message: Message) {
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
            Kind::Invalid(_) => tracing::warn!("the server sent JSON that is no JSON-RPC message; it is dropped"),
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
        if self.translated {
            let room = Some(self.outgoing.reserve(message.text().clone()).await);
            self.tell(Event::Said { message, during: during.cloned(), room });
        } else {
            self.outgoing.send(message.text().clone()).await;
        }
    }

    /// Says one of the few things that are said in the server's stead.
    fn say_now(&self, text: Bytes) {
        match Message::parse(text.clone()) {
            Ok(message) if self.translated => self.tell(Event::Said { message, during: None, room: None }),
            _ => self.outgoing.send_now(text),
        }
    }

    /// Tells a translator, if there is one.
    fn tell_translator(&self, event: impl FnOnce() -> Event) {
        if self.translated {
            self.tell(event());
        }
    }

    fn tell(&self, event: Event) {
        self.events.send(event).ok();
    }

    /// An event was too long; the request whose answer it was has none now.
    fn too_long(&self, host: &str, error: &SseError) {
        let failure = Failure::TooLarge(format!("{host}: {error}"));
        tracing::warn!("{failure}");
        if let SseError::TooLong { answer_id: Some(id), .. } = error {
            self.tell(Event::Undeliverable(Id::from_json(id), failure));
        }
    }
}

/// How long requests wait for the server to take `initialized`.
const INITIALIZED: Duration = Duration::from_secs(5);

/// A session's id of at least this many bytes opens the session to whoever has it, and must not be told. A shorter one is a word.
const SECRET_ID: usize = 12;

/// What all transports share.
struct Context {
    sender: Arc<Sender>,
    client: ToClient,
    gate: Gate,
    memory: Memory,
    promises: Mutex<Promises>,
    questions: Questions,
    people: sign_in::People,
    /// Counts the HTTP+SSE streams of this process, whichever session they belong to.
    streams: AtomicU64,
    transport: crate::cli::Transport,
    startup_wait: Duration,
    patience: Duration,
    ping_interval: Option<Duration>,
    /// Who turns a modern client's words into this server's, from the first such word on.
    translated: OnceLock<Translated>,
    /// Counts the requests that were translated.
    asked: AtomicU64,
    client_protocol: ClientProtocol,
    protocol: Protocol,
    era: era::Verdict,
    modern: modern::Server,
    /// Whether a legacy client's calls may become tasks.
    tasks: bool,
}

/// A transport on which a session is open.
#[derive(Clone)]
enum Wire {
    Legacy(Arc<legacy::Session>),
    HttpSse(Arc<http_sse::Session>),
    /// None, but a legacy client takes it for one.
    Modern(Arc<modern::Session>),
}

/// The client's `initialize`, answered.
struct Opened {
    wire: Wire,
    /// A result.
    answer: Message,
}

/// Why there is no session.
enum NotOpened {
    /// The server's JSON-RPC error, and the status it came with.
    Error(StatusCode, Message),
    /// Anything else.
    Failure(Failure),
}

impl From<Failure> for NotOpened {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Upstream {
    /// Connects to nothing yet.
    pub fn new(settings: &Settings, client: ToClient) -> Self {
        let auth = Authorizer::new(settings);
        Self::with(Context {
            sender: Arc::new(Sender::new(auth, settings)),
            client,
            gate: Gate::default(),
            memory: Memory::new(settings.home.as_deref(), &settings.upstream),
            promises: Mutex::default(),
            questions: Questions::default(),
            people: sign_in::People::default(),
            streams: AtomicU64::new(0),
            transport: settings.transport,
            startup_wait: settings.startup_wait,
            patience: settings.patience,
            ping_interval: settings.ping_interval,
            translated: OnceLock::new(),
            asked: AtomicU64::new(0),
            client_protocol: settings.client_protocol,
            protocol: settings.protocol,
            era: era::Verdict::default(),
            modern: modern::Server::default(),
            tasks: settings.tasks,
        })
    }

    fn with(context: Context) -> Self {
        let upstream = Self(Arc::new(context));
        if let Some(interval) = upstream.0.ping_interval {
            tokio::spawn(keep_alive::keep_alive(upstream.clone(), interval));
        }
        upstream
    }

    /// Begins to open a session with the client's `initialize`. The returned future gives the server's answer if that comes within
    /// the startup wait, else one made from the last that is known; the opening goes on. Messages that follow wait for it.
    pub fn initialize(&self, message: Message) -> impl Future<Output = Result<Outcome, Failure>> + use<> {
        let answer = self.open(message.clone());
        let context = Arc::clone(&self.0);
        async move {
            match tokio::time::timeout(context.startup_wait, answer).await {
                Ok(Ok(answer)) => answer.map(Outcome::Answer),
                Ok(Err(_)) => Err(Failure::NotOpen("another initialize took the place of this one".to_owned())),
                Err(_) => {
                    tracing::info!("{} has not answered in time; answering initialize for it", context.sender.host());
                    Ok(Outcome::Answer(context.first_answer(&message)))
                }
            }
        }
    }

    fn open(&self, initialize: Message) -> oneshot::Receiver<Result<Message, Failure>> {
        if let Some(old) = self.0.gate.begin(initialize.clone()) {
            // A client that initializes again leaves its first session behind.
            tokio::spawn(async move { old.close().await });
        }
        self.spawn_opener(initialize)
    }

    fn spawn_opener(&self, initialize: Message) -> oneshot::Receiver<Result<Message, Failure>> {
        let (settle, settled) = oneshot::channel();
        let opener = tokio::spawn(opening::open(Arc::clone(&self.0), initialize, settle));
        self.0.gate.opener(opener.abort_handle());
        settled
    }

    /// Takes the client's `notifications/initialized`. Requests that come after it wait until the server has it.
    pub fn initialized(&self, message: Message) {
        if self.0.gate.is_idle() {
            // Without an initialize it opens nothing; it is carried like any notification.
            let upstream = self.clone();
            tokio::spawn(async move { upstream.notify(&message).await });
            return;
        }
        let Some(wire) = self.0.gate.initialized(message.clone()) else { return };
        let context = Arc::clone(&self.0);
        tokio::spawn(async move {
            wire.initialized(&message).await;
            context.gate.all_set();
        });
    }

    /// Carries a request, or a batch, to the server and what it says on the way to the client.
    pub async fn request(&self, message: &Message) -> Result<Outcome, Failure> {
        // Whoever asks this falls back to a handshake, and does not wait for a login.
        let is_probe = message.method() == Some("server/discover");
        if is_probe || !self.0.sender.auth().standing().is_needed() {
            match self.carry(message).await {
                Err(Failure::SignIn { .. }) if !is_probe => {}
                carried => return carried,
            }
        }
        Box::pin(self.without_login(message)).await
    }

    /// The same while nobody is logged in.
    async fn without_login(&self, message: &Message) -> Result<Outcome, Failure> {
        let context = &self.0;
        if sign_in::is_ours(context, message) {
            return Ok(Outcome::Answer(sign_in::sign_in(context, message).await));
        }
        if let Some(answer) = sign_in::locally(self, message) {
            return Ok(Outcome::Answer(answer));
        }
        let left = match message.kind() {
            Kind::Batch(elements) => sign_in::locally_in_batch(self, elements).await,
            _ => None,
        };
        let message = left.as_ref().unwrap_or(message);
        if message.requests().is_empty() {
            if !matches!(message.kind(), Kind::Batch(elements) if elements.is_empty()) {
                Box::pin(self.notify(message)).await?;
            }
            return Ok(Outcome::Done);
        }
        // A login may turn out to be worth nothing, and another be needed: a person is asked twice, not for ever.
        for _ in 0..2 {
            if let Err(failure) = sign_in::hold(context, message).await {
                return sign_in::not_yet(message, failure);
            }
            // The session is opened with the new login, which may be worth nothing.
            tokio::select! {
                _ = self.pass() => {}
                () = context.sender.auth().standing().failed() => break,
            }
            match self.carry(message).await {
                Err(Failure::SignIn { .. }) => {}
                carried => return carried,
            }
        }
        sign_in::not_yet(message, sign_in::needed(context).await)
    }

    async fn carry(&self, message: &Message) -> Result<Outcome, Failure> {
        let outcome = self.carried(message).await;
        if let Ok(Outcome::Answer(answer)) = &outcome
            && message.method() == Some("tools/list")
            && self.0.sender.auth().can_log_in()
        {
            sign_in::remember(&self.0, message, answer);
        }
        outcome
    }

    async fn carried(&self, message: &Message) -> Result<Outcome, Failure> {
        if self.0.gate.is_idle()
            && let Some(outcome) = Box::pin(self.modern(message)).await?
        {
            return Ok(outcome);
        }
        if let Some(translated) = self.0.translated_for(message) {
            let number = self.0.asked.fetch_add(1, Ordering::Relaxed);
            return translated.request(message, number).await;
        }
        let wire = self.pass().await?;
        if let Some(answer) = self.0.empty_list(message) {
            return Ok(Outcome::Answer(answer));
        }
        match wire {
            Some(Wire::Legacy(session)) => session.request(message).await,
            Some(Wire::HttpSse(session)) => session.request(message).await,
            Some(Wire::Modern(session)) => session.request(message).await,
            None => legacy::Session::bare(&self.0).request(message).await,
        }
    }

    /// Carries a notification, or the client's answer to a request of the server.
    pub async fn notify(&self, message: &Message) -> Result<(), Failure> {
        if self.0.questions.take(message) {
            return Ok(());
        }
        if let (Some(translated), true) = (self.0.translated.get(), self.0.gate.is_idle()) {
            translated.notify(message);
            return Ok(());
        }
        if self.0.gate.is_idle()
            && let Some(told) = self.modern_notice(message).await
        {
            return told;
        }
        if let (Kind::Response { .. }, Some(session)) = (message.kind(), self.0.gate.early()) {
            // The server asks something before it answers initialize, and waits for this.
            return session.notify(message).await;
        }
        match self.pass().await? {
            Some(Wire::Legacy(session)) => session.notify(message).await,
            Some(Wire::HttpSse(session)) => session.notify(message).await,
            Some(Wire::Modern(session)) => session.notify(message).await,
            None => legacy::Session::bare(&self.0).notify(message).await,
        }
    }

    /// Whether messages go through at once, so that what was sent before may have arrived.
    pub fn is_open(&self) -> bool {
        self.0.gate.is_open()
    }

    /// Waits until this many requests wait for a person to log in, with nothing of theirs in flight.
    pub async fn held(&self, count: usize) {
        self.0.people.hold(count).await;
    }

    /// Why no session is open yet, if none is and there is a reason.
    pub fn trouble(&self) -> Option<Failure> {
        self.0.gate.known_trouble().or_else(|| self.0.translated.get()?.trouble())
    }

    /// Whether `server/discover` has an answer here, or may have one: else the client does better to speak the server's era.
    pub fn discovers(&self) -> bool {
        self.0.client_protocol == ClientProtocol::Modern || self.is_translated() || self.may_discover()
    }

    /// Whether the client is of the modern era and the server is not.
    pub fn is_translated(&self) -> bool {
        self.0.translated.get().is_some() && self.0.gate.is_idle()
    }

    /// The client has nothing more to say: what it listens to, if that is translated, ends.
    pub fn end_of_input(&self) {
        self.0.translated.get().into_iter().for_each(Translated::end_of_input);
        self.0.modern.ended.send_replace(true);
    }

    /// Ends the session in good manners: at most a second.
    pub async fn close(&self) {
        if let Some(translated) = self.0.translated.get() {
            translated.close().await;
        }
        if let Some(wire) = self.0.gate.close() {
            wire.close().await;
        }
        self.0.sender.auth().close().await;
    }

    /// The answer to a call of the bridge's own tool, which is no server's and is never sent to one.
    pub async fn own_tool(&self, message: &Message) -> Option<Outcome> {
        if !self.0.sender.auth().standing().is_needed() || !sign_in::is_ours(&self.0, message) {
            return None;
        }
        Some(Outcome::Answer(sign_in::sign_in(&self.0, message).await))
    }

    /// The name of the bridge's own tool, while there is one.
    pub fn own_tool_name(&self) -> Option<&'static str> {
        self.0.sender.auth().standing().is_needed().then(|| sign_in::our_tool(&self.0))
    }

    /// Waits for a session, or for the reason why there is none. `None`: the client never asked for one.
    async fn pass(&self) -> Result<Option<Wire>, Failure> {
        if let Some(passed) = self.0.gate.try_pass() {
            return passed;
        }
        if let Some(initialize) = self.0.gate.may_retry() {
            // The first attempt failed for good, but it is a while ago, and somebody asks again.
            self.0.gate.begin_again();
            drop(self.spawn_opener(initialize));
        }
        self.0.gate.pass(self.0.sender.host(), self.0.patience).await
    }
}

impl Context {
    /// The translator, if this is a request of a client that is known to be modern by it, or by the user's word.
    fn translated_for(&self, message: &Message) -> Option<&Translated> {
        // A client that has shaken hands is legacy, and so are the sessions that a translator opened.
        if self.client.translated || !self.gate.is_idle() || self.client_protocol == ClientProtocol::Legacy {
            return None;
        }
        let is_known = self.translated.get().is_some() || self.client_protocol == ClientProtocol::Modern;
        if !is_known && !to_legacy::is_modern(message) {
            return None;
        }
        Some(self.translated.get_or_init(|| {
            tracing::info!("the client is modern and {} is not; translating", self.sender.host());
            Translated::start(self.client.clone(), self.beside())
        }))
    }

    /// Makes further connections to the same server, on the same way there.
    fn beside(&self) -> impl Fn(ToClient) -> Upstream + Send + use<> {
        let (sender, memory) = (Arc::clone(&self.sender), self.memory.clone());
        let (transport, client_protocol) = (self.transport, self.client_protocol);
        let (startup_wait, patience, ping_interval) = (self.startup_wait, self.patience, self.ping_interval);
        move |client| {
            Upstream::with(Context {
                sender: Arc::clone(&sender),
                client,
                gate: Gate::default(),
                memory: memory.clone(),
                promises: Mutex::default(),
                questions: Questions::default(),
                people: sign_in::People::default(),
                streams: AtomicU64::new(0),
                transport,
                startup_wait,
                patience,
                ping_interval,
                translated: OnceLock::new(),
                asked: AtomicU64::new(0),
                client_protocol,
                // The other side of it is for clients that need no translator.
                protocol: Protocol::Legacy,
                era: era::Verdict::default(),
                modern: modern::Server::default(),
                tasks: false,
            })
        }
    }
}

impl Wire {
    /// Tells the server that the client is initialized, and begins to listen to it.
    async fn initialized(&self, message: &Message) {
        let telling = async {
            match self {
                Self::Legacy(session) => session.notify(message).await,
                Self::HttpSse(session) => session.notify(message).await,
                Self::Modern(session) => session.notify(message).await,
            }
        };
        match tokio::time::timeout(INITIALIZED, telling).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!("the server did not take notifications/initialized: {failure}"),
            Err(_) => tracing::warn!("the server does not say whether it took notifications/initialized; going on"),
        }
        match self {
            Self::Legacy(session) => session.listen(),
            Self::HttpSse(_) => {}
            Self::Modern(session) => session.listen(),
        }
    }

    async fn close(&self) {
        match self {
            Self::Legacy(session) => session.close().await,
            Self::HttpSse(session) => session.close(),
            Self::Modern(session) => session.close().await,
        }
    }
}
