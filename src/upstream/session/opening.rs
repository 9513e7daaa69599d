//! How is a session opened? By the client's own `initialize`, for as long as trying may help.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::sync::oneshot;

use super::gate::Gate;
use super::initialized::Initialized;
use super::negotiation::negotiate;
use super::placeholder::initialize_response;
use crate::auth::{AuthMode, LoginRequired};
use crate::log;
use crate::message::{Initialize, Message};
use crate::upstream::era::evidence::is_modern_error;
use crate::upstream::era::{Era, remember};
use crate::upstream::exchange::SessionEvent;
use crate::upstream::exchange::backoff::Backoff;
use crate::upstream::transport::{Link, OpenError, Opened, Sending};
use crate::upstream::{Failure, Protocol};

/// A server that is silent for so long on `initialize` is sent it anew: the path to it may be dead.
const SILENT: Duration = Duration::from_secs(120);

/// The longest pauses between two attempts, but for their jitter: to connect costs little, and a person waits; a server
/// that answers is left alone for longer. After these times the pauses grow as they do elsewhere.
const PAUSES: [(Duration, Duration); 2] =
    [(Duration::from_secs(60), Duration::from_secs(1)), (Duration::from_secs(300), Duration::from_secs(5))];
const PAUSES_AFTER_ANSWERS: [(Duration, Duration); 1] = [(Duration::from_secs(60), Duration::from_secs(2))];

/// A server that asks for a longer pause than this is tried all the same: it may have been restarted since.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Gets the response for the client, if that still waits for one.
pub(super) type Settle = oneshot::Sender<Result<Message, Failure>>;

/// Opens a session. Every attempt to open one has an opener of its own.
pub(super) struct Opener {
    pub(super) link: Arc<Link>,
    pub(super) era: Arc<Era>,
    pub(super) gate: Arc<Gate>,
    pub(super) initialized: Arc<Initialized>,
    pub(super) initialize: Message,
    pub(super) settle: Option<Settle>,
}

impl Opener {
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(100));
        let mut is_first_login = true;
        let begun = Instant::now();
        loop {
            let failure = match self.attempt().await {
                Ok(opened) => {
                    self.let_through(&opened, !is_first_login).await;
                    self.settle(Ok(opened.answer.clone()));
                    return remember(&self.era, &self.initialize, &opened);
                }
                Err(OpenError::Error(status, error)) => {
                    self.warn_of_pinned_era(status, &error);
                    self.gate.fail(Failure::Rpc(error.clone()));
                    return self.settle(Ok(error));
                }
                Err(OpenError::Failure(failure)) => failure,
            };
            let failure = match self.link.sender.require_login(failure).await {
                Ok(LoginRequired::OtherToken) => continue,
                Ok(_) => {
                    self.gate.set_trouble(self.link.sender.login_needed().await);
                    self.wait_for_login(is_first_login).await;
                    is_first_login = false;
                    continue;
                }
                Err(failure) => failure,
            };
            if !failure.is_temporary() {
                log::warn!("{failure}");
                self.link.sender.outage.end();
                self.gate.fail(failure.clone());
                return self.settle(Err(failure));
            }
            self.link.sender.outage.note_failed_attempt(&failure);
            let is_unreachable = matches!(failure, Failure::Unreachable(_));
            let pauses = if is_unreachable { &PAUSES[..] } else { &PAUSES_AFTER_ANSWERS };
            let longest = pauses.iter().find(|(until, _)| begun.elapsed() < *until).map(|(_, longest)| *longest);
            let pause = backoff.next_within(longest.unwrap_or(Duration::MAX)).max(retry_after(&failure));
            self.gate.set_trouble(failure);
            self.gate.pause(pause, is_unreachable).await;
        }
    }

    fn settle(&mut self, answer: Result<Message, Failure>) {
        if let Some(settle) = self.settle.take() {
            settle.send(answer).ok();
        }
    }

    async fn attempt(&self) -> Result<Opened, OpenError> {
        let attempt = tokio::time::timeout(SILENT, negotiate(&self.era, &self.initialize)).await;
        attempt.unwrap_or_else(|_| {
            let host = &self.link.sender.host;
            Err(Failure::Broken(format!("{host} has not answered initialize for {} seconds", SILENT.as_secs())).into())
        })
    }

    /// Lets messages through to an opened session; the client's `initialized` first, if it did not wait for the
    /// response.
    ///
    /// `after_login`: until now the client has had lists as they are without a login.
    async fn let_through(&self, opened: &Opened, after_login: bool) {
        let Self { link, gate, .. } = self;
        if let Some(result) = Initialize::result(&opened.answer) {
            link.capabilities.set_actual(result.capabilities);
        }
        link.client.notify_translator(|| SessionEvent::Opened(opened.answer.clone()));
        let transport = &opened.transport;
        if let Some(initialized) = link.handshake.initialized() {
            self.initialized.send(transport, &initialized).await;
            let in_session = |request: Message| -> Sending<'_> {
                Box::pin(async move { Ok(transport.request_once(&request).await?.outcome) })
            };
            link.replay_state(&in_session).await;
        }
        link.sender.outage.end();
        gate.open(transport);
        link.handshake.clear_early();
        if link.capabilities.has_promised() {
            if after_login { link.lists_changed() } else { link.promise_replaced() }
        }
    }

    /// A user who pins the era may have pinned the wrong one, which the server's own error does not say.
    fn warn_of_pinned_era(&self, status: StatusCode, error: &Message) {
        let host = &self.link.sender.host;
        let is_modern = is_modern_error(status, error);
        match self.era.options.protocol {
            Protocol::Legacy if is_modern => {
                log::warn!(
                    "{host} refuses initialize as servers of 2026-07-28 do; hint: try without --protocol legacy"
                );
            }
            Protocol::Modern if !is_modern => {
                log::warn!(
                    "{host} refuses server/discover as servers before 2026-07-28 do; hint: try without --protocol modern"
                );
            }
            _ => {}
        }
    }

    /// Waits until a login has been made, and lets the client wait only if the user wants that.
    async fn wait_for_login(&mut self, is_first: bool) {
        let auth = &self.link.sender.auth;
        match auth.mode() {
            AuthMode::Wait => auth.login_status().request_login(),
            AuthMode::Error => {
                auth.login_status().request_login();
                drop(auth.login_status().prompt(self.era.options.startup_wait).await);
                let failure = self.link.sender.login_needed().await;
                self.settle(Err(failure));
            }
            // The tab comes later, if the client is still there: many are started only to be looked at.
            AuthMode::Auto | AuthMode::Off => {
                // A login that was worth nothing is not repeated unasked.
                if is_first {
                    auth.login_status().note_first_message();
                }
                let answer = initialize_response(&self.link, &self.era.memory, &self.initialize);
                self.settle(Ok(answer));
            }
        }
        self.link.sender.logged_in().await;
    }
}

/// How long the server has asked to be left alone.
fn retry_after(failure: &Failure) -> Duration {
    match failure {
        Failure::Status { retry_after: Some(seconds), .. } => Duration::from_secs(*seconds).min(LONGEST_RETRY_AFTER),
        _ => Duration::ZERO,
    }
}
