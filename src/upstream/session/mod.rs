//! The client's session with the server: opened by the client's `initialize`, on whichever transport the server speaks,
//! and opened anew when the server turns out to have changed its era.
//!
//! The client's own `initialize` is the probe: it is carried to the server, and what comes back decides which transport
//! is used from then on. Until then messages wait at the [`gate`]; what delays them is known, so that a request which
//! has waited long enough gets the reason.

mod gate;
mod initialized;
mod keep_alive;
mod negotiation;
mod opening;
pub(super) mod placeholder;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::Failure;
use super::client_program::{ClientProgram, needs_a_failed_start};
use super::era::{Era, Memory, Record, Suspicion, has_changed, may_have_changed};
use super::exchange::{Outcome, Reply, Sender, ToClient};
use super::transport::legacy::{LegacyTransport, notify_early};
use super::transport::modern::ModernServer;
use super::transport::{Link, Transport};
use crate::log;
use crate::message::{Kind, Message};
use crate::task;
use crate::upstream::{Options, Protocol};
use gate::Gate;
use initialized::Initialized;
use opening::Opener;

/// One session. It may be opened several times, each time on a transport of its own.
pub(super) struct Session {
    pub(super) link: Arc<Link>,
    pub(super) era: Arc<Era>,
    gate: Arc<Gate>,
    initialized: Arc<Initialized>,
    /// How many requests in a row were answered with an error that fits either era. Each request changes it.
    errors_in_a_row: AtomicU32,
}

impl Session {
    /// Connects to nothing yet.
    pub(super) fn new(
        sender: Arc<Sender>,
        memory: Memory,
        options: Arc<Options>,
        client: ToClient,
        suspicion: Arc<Suspicion>,
    ) -> Arc<Self> {
        let link = Arc::new(Link::new(sender, client));
        let server = Arc::new(ModernServer::new(Arc::clone(&link)));
        let interval = options.ping_interval;
        let era = Arc::new(Era::new(options, memory, server, suspicion));
        let session = Arc::new(Self {
            link,
            era,
            gate: Arc::default(),
            initialized: Arc::default(),
            errors_in_a_row: AtomicU32::new(0),
        });
        if let Some(interval) = interval {
            let session = Arc::clone(&session);
            task::spawn(async move {
                let send = |ping: Message| -> BoxFuture<'_, _> {
                    let session = &session;
                    Box::pin(async move { session.request(&ping).await })
                };
                keep_alive::keep_alive(&session.gate, &session.link.sender, interval, send).await;
            });
        }
        session
    }

    /// Begins to open the session with the client's `initialize`. The returned future gives the server's response if
    /// that comes in time, else one made from the last that is known; the opening goes on. Messages that follow wait for
    /// it.
    pub(super) fn initialize(
        self: &Arc<Self>,
        message: Message,
    ) -> impl Future<Output = Result<Outcome, Failure>> + Send + use<> {
        let answer = self.open(message.clone());
        let session = Arc::clone(self);
        async move {
            let Era { memory, options, .. } = &*session.era;
            let known_wait = options.wait_for_answer(true);
            let is_known = memory.recall(Record::is_known);
            let mut wait = options.wait_for_answer(is_known);
            let waited_before = session.era.waited_before();
            if let Some(waited) = waited_before {
                wait = wait.saturating_sub(waited).max(known_wait);
            }
            // A client that has waited for this server once does not wait for what is known to be in vain.
            let gives_up = async {
                match waited_before {
                    Some(_) => session.gate.until_trouble().await,
                    None => std::future::pending().await,
                }
            };
            let answered = tokio::select! {
                biased;
                answered = session.era.in_time(wait, answer) => answered,
                () = gives_up => None,
            };
            match answered {
                Some(Ok(answer)) => answer.map(Outcome::Answer),
                Some(Err(_)) => Err(Failure::NotOpen("another initialize took the place of this one".to_owned())),
                None => {
                    let reason = session.link.sender.outage.reason();
                    if let Some(reason) = reason.filter(|_| !is_known && needs_a_failed_start(&message)) {
                        return Err(reason);
                    }
                    log::info!("{} has not answered in time; answering initialize for it", session.link.sender.host);
                    Ok(Outcome::Answer(placeholder::initialize_response(&session.link, memory, &message)))
                }
            }
        }
    }

    fn open(&self, initialize: Message) -> oneshot::Receiver<Result<Message, Failure>> {
        if let Some(state) = &self.link.session_state {
            state.clear();
        }
        let next_step = ClientProgram::of(&initialize).map(ClientProgram::next_step);
        self.link.sender.auth.login_status().set_next_step(next_step);
        self.link.handshake.begin(initialize.clone());
        if let Some(open) = self.gate.begin() {
            // A client that initializes again leaves its first session behind.
            task::spawn(async move { open.close().await });
        }
        self.spawn_opener(initialize)
    }

    fn spawn_opener(&self, initialize: Message) -> oneshot::Receiver<Result<Message, Failure>> {
        let (settle, settled) = oneshot::channel();
        let opener = Opener {
            link: Arc::clone(&self.link),
            era: Arc::clone(&self.era),
            gate: Arc::clone(&self.gate),
            initialized: Arc::clone(&self.initialized),
            initialize,
            settle: Some(settle),
        };
        self.gate.set_opener(task::spawn(opener.run()).abort_handle());
        settled
    }

    /// Takes the client's `notifications/initialized`. Requests that come after it wait until the server has it.
    pub(super) fn initialized(self: &Arc<Self>, message: Message) {
        self.link.handshake.set_initialized(message.clone());
        // Without an open session, the task that opens one sends it.
        let Some(transport) = self.gate.initialized() else { return };
        let session = Arc::clone(self);
        task::spawn(async move {
            session.initialized.send(&transport, &message).await;
            session.gate.all_set();
        });
    }

    /// Carries a request or a batch. The error is that a login is missing where the session cannot be opened without.
    pub(super) async fn request(&self, message: &Message) -> Result<Outcome, Failure> {
        let transport = self.wait_until_open(false).await?;
        if let Some(answer) = self.link.capabilities.empty_list(message) {
            return Ok(Outcome::Answer(answer));
        }
        let Some(transport) = transport else {
            let transport = LegacyTransport::without_session(&self.link);
            return Ok(Box::pin(transport.request(message)).await?.outcome);
        };
        self.initialized.send_again(&self.link, &transport).await;
        let reply = transport.request(message).await;
        let outcome = match reply {
            Ok(Reply { outcome, .. }) if !outcome.is_error() => {
                self.errors_in_a_row.store(0, Ordering::Relaxed);
                Ok(outcome)
            }
            failed => Box::pin(self.recheck_era(transport, message, failed)).await,
        };
        if let Some(state) = &self.link.session_state {
            state.note(message, &outcome);
        }
        outcome
    }

    /// What came of a request that failed. If it was refused because the session is of the wrong era, what came of it
    /// in a session that fits: a request that is refused so is not carried out.
    async fn recheck_era(
        &self,
        transport: Transport,
        message: &Message,
        reply: Result<Reply, Failure>,
    ) -> Result<Outcome, Failure> {
        let Self { link, era, gate, errors_in_a_row, .. } = self;
        era.suspicion.note_reply(&reply);
        let count_error = || errors_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if era.options.protocol != Protocol::Auto
            || !may_have_changed(&era.suspicion, &transport, message, &reply, count_error)
        {
            return Ok(reply?.outcome);
        }
        errors_in_a_row.store(0, Ordering::Relaxed);
        if !has_changed(era, &transport, || gate.is_at(&transport)).await {
            return Ok(reply?.outcome);
        }
        let was_modern = transport.is_modern();
        let is_first = gate.leave(&transport);
        if is_first && let Some(initialize) = link.handshake.initialize() {
            log::info!("{} speaks another era than before; opening a session anew", link.sender.host);
            task::spawn(async move { transport.close().await });
            drop(self.spawn_opener(initialize));
        }
        let Some(new) = self.wait_until_open(false).await? else { return Ok(reply?.outcome) };
        if is_first {
            link.lists_changed();
        }
        if new.is_modern() == was_modern {
            // The era was not the reason, so the request may have been carried out.
            return Ok(reply?.outcome);
        }
        Ok(Box::pin(new.request(message)).await?.outcome)
    }

    /// Carries a notification, or the client's response to a request of the server.
    pub(super) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        self.link.client.server_requests.note_received(message);
        if let Kind::Response { .. } = message.kind()
            && self.gate.is_opening()
            && let Some(notified) = notify_early(&self.link, message).await
        {
            // The server sent a request before it answered initialize, and waits for this.
            return notified;
        }
        match self.wait_until_open(true).await? {
            Some(transport) => transport.notify(message).await,
            None => LegacyTransport::without_session(&self.link).notify(message).await,
        }
    }

    /// The same where a failure can only be logged.
    pub(super) async fn notify_logged(&self, message: &Message) {
        if let Err(failure) = self.notify(message).await {
            log_lost(message, &failure);
        }
    }

    /// Waits for the session, or for the reason why there is none; `even_for_login`: a missing login is waited for too.
    /// `None`: the client never wanted one.
    async fn wait_until_open(&self, even_for_login: bool) -> Result<Option<Transport>, Failure> {
        if let Some(passed) = self.gate.try_pass() {
            return passed;
        }
        // The last attempt has failed, but that is a while ago, and a message wants the session again.
        if self.gate.begin_again()
            && let Some(initialize) = self.link.handshake.initialize()
        {
            self.link.handshake.clear_early();
            drop(self.spawn_opener(initialize));
        }
        let sender = &self.link.sender;
        if even_for_login {
            return self.gate.pass_in_time(&sender.outage, sender.patience).await;
        }
        self.gate.pass(&sender.outage, || sender.auth.login_status().is_wanted()).await
    }

    /// Waits until messages go through, or until it is known why they never will.
    pub(super) async fn until_open(&self) {
        self.gate.passed(|| false).await.ok();
    }

    /// Whether messages go through at once, so that what was sent before may have arrived.
    pub(super) fn is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// Why no session is open yet, if there is a reason.
    pub(super) fn trouble(&self) -> Option<Failure> {
        self.gate.trouble()
    }

    /// Logs why a request failed.
    pub(super) fn log_failure(&self, failure: &Failure) {
        self.link.sender.outage.log_failure(failure);
    }

    /// Closes the session: at most a second.
    pub(super) async fn close(&self) {
        if let Some(transport) = self.gate.close() {
            transport.close().await;
        }
    }
}

/// Logs that a message of the client, which wants no response, was lost.
pub(super) fn log_lost(message: &Message, failure: &Failure) {
    log::warn!("{} did not arrive: {failure}", message.method().unwrap_or("the client's answer"));
}
