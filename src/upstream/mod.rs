//! `Upstream`: the server, whatever it speaks and whatever state it is in.
//!
//! The client's own `initialize` is the probe: it is carried to the server, and what comes back decides which [`Wire`] is spoken
//! from then on. Until that is settled, requests wait at the gate; what keeps them waiting is known, so that the one that has
//! waited long enough is told the reason.

mod answer;
mod backoff;
mod elicit;
mod first;
mod gate;
mod http_sse;
mod keep_alive;
mod legacy;
mod memory;
mod opening;
mod send;
mod sign_in;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{mpsc, oneshot};

use crate::auth::Authorizer;
use crate::config::Settings;
use crate::error::Failure;
use crate::http::SseError;
use crate::message::{Id, Kind, Message};
use crate::stdio::{Outgoing, Reserved};
use crate::tools::Changes;
use elicit::Questions;
use first::Promises;
use gate::Gate;
use memory::Memory;
use send::Sender;

/// A server and our connection to it. Cheap to clone.
#[derive(Clone)]
pub struct Upstream(Arc<Context>);

/// What came of a request that was carried.
#[derive(Debug)]
pub enum Outcome {
    /// Its answer.
    Answer(Message),
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
}

/// Where messages from the server go: what answers nothing, straight to the client; answers, to whoever owns the requests.
#[derive(Debug, Clone)]
pub struct ToClient {
    outgoing: Outgoing,
    events: mpsc::UnboundedSender<Event>,
    /// Noted where somebody keeps what lists of tools have shown.
    changes: Option<Changes>,
}

impl ToClient {
    /// `events` is read by the owner of the requests.
    pub fn new(outgoing: Outgoing, events: mpsc::UnboundedSender<Event>, changes: Option<Changes>) -> Self {
        Self { outgoing, events, changes }
    }

    /// The server's tools may have changed.
    fn tools_changed(&self) {
        self.changes.iter().for_each(Changes::note);
    }

    /// Delivers one message, once the client has read enough of those before.
    async fn deliver(&self, message: Message) {
        match message.kind() {
            Kind::Batch(elements) => {
                for element in elements.clone() {
                    Box::pin(self.deliver(element)).await;
                }
            }
            Kind::Response { .. } => {
                let room = self.outgoing.reserve(message.text().clone()).await;
                self.events.send(Event::Answer(message, room)).ok();
            }
            Kind::Invalid(_) => tracing::warn!("the server sent JSON that is no JSON-RPC message; it is dropped"),
            Kind::Request { .. } => self.outgoing.send(message.text().clone()).await,
            Kind::Notification { method } => {
                if &**method == "notifications/tools/list_changed" {
                    self.tools_changed();
                }
                self.outgoing.send(message.text().clone()).await;
            }
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
    sender: Sender,
    client: ToClient,
    gate: Gate,
    memory: Memory,
    promises: Mutex<Promises>,
    questions: Questions,
    /// Counts the HTTP+SSE streams of this process, whichever session they belong to.
    streams: AtomicU64,
    transport: crate::cli::Transport,
    startup_wait: Duration,
    patience: Duration,
}

/// A transport on which a session is open.
#[derive(Clone)]
enum Wire {
    Legacy(Arc<legacy::Session>),
    HttpSse(Arc<http_sse::Session>),
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
        let upstream = Self(Arc::new(Context {
            sender: Sender::new(auth, settings),
            client,
            gate: Gate::default(),
            memory: Memory::new(settings.home.as_deref(), &settings.upstream),
            promises: Mutex::default(),
            questions: Questions::default(),
            streams: AtomicU64::new(0),
            transport: settings.transport,
            startup_wait: settings.startup_wait,
            patience: settings.patience,
        }));
        if let Some(interval) = settings.ping_interval {
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
        if !self.0.sender.auth().standing().is_needed() {
            match self.carry(message).await {
                Err(Failure::SignIn { .. }) => {}
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
        let wire = self.pass().await?;
        if let Some(answer) = self.0.empty_list(message) {
            return Ok(Outcome::Answer(answer));
        }
        let outcome = match wire {
            Some(Wire::Legacy(session)) => session.request(message).await,
            Some(Wire::HttpSse(session)) => session.request(message).await,
            None => legacy::Session::bare(&self.0).request(message).await,
        };
        if let Ok(Outcome::Answer(answer)) = &outcome
            && message.method() == Some("tools/list")
            && self.0.sender.auth().can_log_in()
        {
            sign_in::remember(&self.0, message, answer);
        }
        outcome
    }

    /// Carries a notification, or the client's answer to a request of the server.
    pub async fn notify(&self, message: &Message) -> Result<(), Failure> {
        if self.0.questions.take(message) {
            return Ok(());
        }
        if let (Kind::Response { .. }, Some(session)) = (message.kind(), self.0.gate.early()) {
            // The server asks something before it answers initialize, and waits for this.
            return session.notify(message).await;
        }
        match self.pass().await? {
            Some(Wire::Legacy(session)) => session.notify(message).await,
            Some(Wire::HttpSse(session)) => session.notify(message).await,
            None => legacy::Session::bare(&self.0).notify(message).await,
        }
    }

    /// Whether messages go through at once, so that what was sent before may have arrived.
    pub fn is_open(&self) -> bool {
        self.0.gate.is_open()
    }

    /// Why no session is open yet, if none is and there is a reason.
    pub fn trouble(&self) -> Option<Failure> {
        self.0.gate.known_trouble()
    }

    /// Ends the session in good manners: at most a second.
    pub async fn close(&self) {
        if let Some(wire) = self.0.gate.close() {
            wire.close().await;
        }
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

impl Wire {
    /// Tells the server that the client is initialized, and begins to listen to it.
    async fn initialized(&self, message: &Message) {
        let telling = async {
            match self {
                Self::Legacy(session) => session.notify(message).await,
                Self::HttpSse(session) => session.notify(message).await,
            }
        };
        match tokio::time::timeout(INITIALIZED, telling).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!("the server did not take notifications/initialized: {failure}"),
            Err(_) => tracing::warn!("the server does not say whether it took notifications/initialized; going on"),
        }
        if let Self::Legacy(session) = self {
            session.listen();
        }
    }

    async fn close(&self) {
        match self {
            Self::Legacy(session) => session.close().await,
            Self::HttpSse(session) => session.close(),
        }
    }
}
