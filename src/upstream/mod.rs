//! `Upstream`: the server, whatever it speaks and whatever state it is in.
//!
//! The client's own `initialize` is the probe: it is carried to the server, and what comes back decides which [`Wire`]
//! is spoken from then on. Until that is settled, requests wait at the gate; what keeps them waiting is known, so that
//! the one that has waited long enough is told the reason.

mod answer;
mod awaited;
mod backoff;
mod context;
mod elicit;
mod era;
mod event;
mod failure;
mod first;
mod gate;
mod http_sse;
mod keep_alive;
mod lasting;
mod legacy;
mod memory;
mod modern;
mod opening;
mod options;
mod send;
mod sign_in;
mod to_client;
mod translated;
mod turned;
mod unanswered;
mod wire;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::auth::Authorizer;
use crate::log;
use crate::message::{Kind, Message};
use crate::net::Http;
use crate::task;
use context::Context;
use sign_in::question::Back;
use translated::Translated;
use wire::{NotOpened, Opened, SECRET_ID, Wire};

pub use event::Event;
pub use failure::Failure;
pub use options::{ClientProtocol, Options, Protocol, TransportStrategy};
pub(crate) use send::post_headers;
pub use to_client::ToClient;

/// How long a server may take to hear of a cancellation before its exchange is dropped all the same.
const CANCEL: Duration = Duration::from_secs(5);

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

impl Upstream {
    /// Connects to nothing yet.
    pub fn new(options: Options, authorizer: Authorizer, http: Http, client: ToClient) -> Self {
        Self::with(Context::new(options, authorizer, http, client))
    }

    fn with(context: Context) -> Self {
        let upstream = Self(Arc::new(context));
        if let Some(interval) = upstream.0.options.ping_interval {
            task::spawn(keep_alive::keep_alive(upstream.clone(), interval));
        }
        upstream
    }

    /// Begins to open a session with the client's `initialize`. The returned future gives the server's answer if that
    /// comes within the startup wait, else one made from the last that is known; the opening goes on. Messages that
    /// follow wait for it.
    pub fn initialize(&self, message: Message) -> impl Future<Output = Result<Outcome, Failure>> + use<> {
        let answer = self.open(message.clone());
        let context = Arc::clone(&self.0);
        async move {
            let mut answer = std::pin::pin!(answer);
            let mut answered = tokio::time::timeout(context.options.startup_wait, &mut answer).await;
            if answered.is_err() && context.sender.auth().is_waited_for() {
                answered = Ok(answer.await);
            }
            match answered {
                Ok(Ok(answer)) => answer.map(Outcome::Answer),
                Ok(Err(_)) => Err(Failure::NotOpen("another initialize took the place of this one".to_owned())),
                Err(_) => {
                    log::info!("{} has not answered in time; answering initialize for it", context.sender.host());
                    Ok(Outcome::Answer(context.first_answer(&message)))
                }
            }
        }
    }

    fn open(&self, initialize: Message) -> oneshot::Receiver<Result<Message, Failure>> {
        self.0.lasting.forget();
        if let Some(old) = self.0.gate.begin(initialize.clone()) {
            // A client that initializes again leaves its first session behind.
            task::spawn(async move { old.close().await });
        }
        self.spawn_opener(initialize)
    }

    fn spawn_opener(&self, initialize: Message) -> oneshot::Receiver<Result<Message, Failure>> {
        let (settle, settled) = oneshot::channel();
        let opener = task::spawn(opening::open(Arc::clone(&self.0), initialize, settle));
        self.0.gate.opener(opener.abort_handle());
        settled
    }

    /// Takes the client's `notifications/initialized`. Requests that come after it wait until the server has it.
    pub fn initialized(&self, message: Message) {
        if self.0.gate.is_idle() {
            // Without an initialize it opens nothing; it is carried like any notification.
            let upstream = self.clone();
            task::spawn(async move { upstream.notify(&message).await });
            return;
        }
        let Some(wire) = self.0.gate.initialized(message.clone()) else { return };
        let context = Arc::clone(&self.0);
        task::spawn(async move {
            wire.initialized(&message).await;
            context.gate.all_set();
        });
    }

    /// Carries a request, or a batch, to the server and what it says on the way to the client.
    pub async fn request(&self, message: &Message) -> Result<Outcome, Failure> {
        let back = Back::of(message);
        if let Some(back) = &back
            && let Some(refused) = Box::pin(back.refused(&self.0)).await
        {
            return refused;
        }
        let message = back.as_ref().map_or(message, |back| &back.request);
        // A client that asks this, and can, falls back to a handshake, and does not wait for a login.
        let is_probe = message.method() == Some("server/discover");
        if is_probe || !self.0.sender.auth().login_status().is_needed() {
            match self.carry(message).await {
                Err(Failure::SignIn { .. }) => {}
                carried => return carried,
            }
        }
        Box::pin(self.without_login(message)).await
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
            let is_acknowledged = self.0.people.modern.has_acknowledged(message);
            let outcome = translated.request(message, number, is_acknowledged).await?;
            return Box::pin(self.corrected(message, outcome)).await;
        }
        let wire = self.pass().await?;
        if let Some(answer) = self.0.empty_list(message) {
            return Ok(Outcome::Answer(answer));
        }
        match wire {
            Some(wire) => {
                let outcome = wire.request(message).await;
                let outcome = self.in_its_era(wire, message, outcome).await;
                // A translator keeps that in mind itself.
                if !self.0.client.translated {
                    self.0.lasting.note(message, &outcome);
                }
                outcome
            }
            None => legacy::Session::bare(&self.0).request(message).await,
        }
    }

    /// Carries a notification, or the client's answer to a request of the server.
    pub async fn notify(&self, message: &Message) -> Result<(), Failure> {
        if self.0.questions.take(message) || self.0.modern.takes_answer(message) {
            return Ok(());
        }
        self.0.client.unanswered.told(message);
        if let Some(translated) = self.0.translated.get().filter(|_| self.is_translated()) {
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
            Some(wire) => wire.notify(message).await,
            None => legacy::Session::bare(&self.0).notify(message).await,
        }
    }

    /// The same where nobody can do anything about a failure but read of it.
    pub async fn tell(&self, message: &Message) {
        if let Err(failure) = self.notify(message).await {
            log::warn!("{} did not arrive: {failure}", message.method().unwrap_or("the client's answer"));
        }
    }

    /// Tells the server that nobody waits for a request any more, for as long as its exchange may be kept for that.
    pub async fn cancel(&self, cancelled: &Message) {
        tokio::time::timeout(CANCEL, self.tell(cancelled)).await.ok();
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

    /// Whether `server/discover` has an answer here, or may have one: else the client does better to speak the server's
    /// era.
    pub fn discovers(&self) -> bool {
        self.0.options.client_protocol == ClientProtocol::Modern || self.is_translated() || self.may_discover()
    }

    /// Whether the client is of the modern era and the server is not.
    pub fn is_translated(&self) -> bool {
        self.0.is_translating() && self.0.gate.is_idle()
    }

    /// Whether the client's batches are to be taken apart: the modern era knows none.
    pub fn parts_batches(&self) -> bool {
        self.is_translated() || (self.0.options.client_protocol == ClientProtocol::Modern && self.0.gate.is_idle())
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
        self.0.gate.pass(self.0.sender.host(), self.0.options.patience).await
    }
}
