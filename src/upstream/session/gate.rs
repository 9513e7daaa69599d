//! May a message go to the server now?

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::upstream::Failure;
use crate::upstream::exchange::{LAST_ATTEMPT, Outage};
use crate::upstream::transport::Transport;

/// A server that refused a session is tried again when a request comes, but not for every one.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Holds messages until a session is open.
#[derive(Default)]
pub(super) struct Gate {
    /// Changed by the task that opens a session, by the client's handshake and by the end, each time without an await
    /// between look and change; every message waits for it.
    state: watch::Sender<State>,
    /// The task that opens a session. A newer handshake and the end stop it.
    opener: Mutex<Option<AbortHandle>>,
    /// Ends the pause of that task. Requests notify it.
    attempt_wanted: Notify,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// `initialized` is on its way; requests must not overtake it.
    initializing: bool,
    /// Why there is no session yet.
    trouble: Option<Failure>,
    /// The task that opens a session makes a pause, which a request may end.
    may_try: bool,
}

#[derive(Default)]
enum Phase {
    /// No `initialize` yet.
    #[default]
    Idle,
    Opening,
    Open(Transport),
    /// For a reason that waiting does not remove.
    Failed(Failure, Instant),
    Closed,
}

impl Gate {
    /// A new session is wanted. Returns the one that is open.
    pub(super) fn begin(&self) -> Option<Transport> {
        self.stop_opener();
        let mut open = None;
        self.state.send_modify(|state| {
            let fresh = State { phase: Phase::Opening, ..State::default() };
            if let Phase::Open(transport) = std::mem::replace(state, fresh).phase {
                open = Some(transport);
            }
        });
        open
    }

    /// The session is wanted once more after a failure, if that is long enough ago.
    pub(super) fn begin_again(&self) -> bool {
        let is_due = |phase: &Phase| matches!(phase, Phase::Failed(_, since) if since.elapsed() >= TRY_AGAIN);
        let begins = is_due(&self.state.borrow().phase);
        if begins {
            self.stop_opener();
            self.state.send_modify(|state| {
                state.phase = Phase::Opening;
                state.trouble = None;
                state.may_try = false;
            });
        }
        begins
    }

    /// Another session is wanted in place of this one. True if this one is open.
    pub(super) fn leave(&self, transport: &Transport) -> bool {
        self.state.send_if_modified(|state| {
            let is_open = matches!(&state.phase, Phase::Open(open) if open.is(transport));
            if is_open {
                state.phase = Phase::Opening;
            }
            is_open
        })
    }

    /// Whether this is the session that is open.
    pub(super) fn is_at(&self, transport: &Transport) -> bool {
        matches!(&self.state.borrow().phase, Phase::Open(open) if open.is(transport))
    }

    pub(super) fn set_opener(&self, handle: AbortHandle) {
        *self.opener.lock() = Some(handle);
    }

    fn stop_opener(&self) {
        if let Some(handle) = self.opener.lock().take() {
            handle.abort();
        }
    }

    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state.borrow().phase, Phase::Opening)
    }

    /// Notes why the opening takes so long.
    pub(super) fn set_trouble(&self, failure: Failure) {
        self.state.send_modify(|state| state.trouble = Some(failure));
    }

    /// Waits between two attempts to open a session. `may_end`: a request ends the pause.
    pub(super) async fn pause(&self, pause: Duration, may_end: bool) {
        let set = |may_try| self.state.send_modify(|state| state.may_try = may_try);
        let attempt_wanted = self.attempt_wanted.notified();
        set(may_end);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = attempt_wanted, if may_end => {}
        }
        set(false);
    }

    /// Why there is no session yet, while one is being opened.
    pub(super) fn trouble(&self) -> Option<Failure> {
        let state = self.state.borrow();
        matches!(state.phase, Phase::Opening).then(|| state.trouble.clone())?
    }

    /// Ready when there is such a reason, and no login helps.
    pub(super) async fn until_trouble(&self) {
        let is_known = |state: &State| state.trouble.as_ref().is_some_and(|trouble| !trouble.wants_login());
        if self.state.subscribe().wait_for(is_known).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) fn fail(&self, failure: Failure) {
        self.state.send_modify(|state| state.phase = Phase::Failed(failure, Instant::now()));
    }

    /// Lets messages through to this session.
    pub(super) fn open(&self, transport: &Transport) {
        self.state.send_modify(|state| {
            state.phase = Phase::Open(transport.clone());
            state.trouble = None;
        });
    }

    /// The client is initialized. Returns the session that is open and must be notified of that; requests then wait for
    /// [`all_set`](Self::all_set).
    pub(super) fn initialized(&self) -> Option<Transport> {
        let mut transport = None;
        self.state.send_modify(|state| {
            if let Phase::Open(open) = &state.phase {
                transport = Some(open.clone());
                state.initializing = true;
            }
        });
        transport
    }

    /// The server has `initialized`.
    pub(super) fn all_set(&self) {
        self.state.send_modify(|state| state.initializing = false);
    }

    /// The session, or why there is none, if that is known now. `Ok(None)`: no session was ever wanted.
    pub(super) fn try_pass(&self) -> Option<Result<Option<Transport>, Failure>> {
        let state = self.state.borrow();
        match &state.phase {
            _ if state.initializing => None,
            Phase::Idle => Some(Ok(None)),
            Phase::Opening => None,
            Phase::Open(transport) => Some(Ok(Some(transport.clone()))),
            Phase::Failed(_, since) if since.elapsed() >= TRY_AGAIN => None,
            Phase::Failed(failure, _) => Some(Err(failure.clone())),
            Phase::Closed => Some(Err(Failure::Ending)),
        }
    }

    /// Waits for the session, but no longer than requests wait in this outage, and not for a login while
    /// `is_login_missing`; then the error is the reason for the delay.
    pub(super) async fn pass(
        &self,
        outage: &Outage,
        is_login_missing: impl Fn() -> bool,
    ) -> Result<Option<Transport>, Failure> {
        let until = outage.waits_until();
        let passed = if until > Instant::now() {
            tokio::time::timeout_at(until.into(), self.passed(is_login_missing)).await.ok()
        } else {
            // The server may be there again since the last attempt.
            self.last_attempt(is_login_missing).await
        };
        match passed {
            Some(passed) => passed,
            None => Err(self.why_not_open(outage, outage.end_wait())),
        }
    }

    /// The same for a message on which no client waits: it has its own patience, and waits for a login too.
    pub(super) async fn pass_in_time(&self, outage: &Outage, patience: Duration) -> Result<Option<Transport>, Failure> {
        let passed = tokio::time::timeout(patience, self.passed(|| false)).await;
        passed.unwrap_or_else(|_| Err(self.why_not_open(outage, patience)))
    }

    /// Waits for the session, or for the reason why there is none.
    pub(super) async fn passed(&self, is_login_missing: impl Fn() -> bool) -> Result<Option<Transport>, Failure> {
        let mut changes = self.state.subscribe();
        loop {
            if let Some(passed) = self.try_pass() {
                return passed;
            }
            // The task that opens the session may not yet know of a login.
            if let Some(missing) = self.trouble().filter(|trouble| trouble.wants_login() && is_login_missing()) {
                return Err(missing);
            }
            if changes.changed().await.is_err() {
                return Err(Failure::Ending);
            }
        }
    }

    /// What the next attempt to open a session brings, if one is made now. `None`: that it has failed too, or that it
    /// takes too long.
    async fn last_attempt(&self, is_login_missing: impl Fn() -> bool) -> Option<Result<Option<Transport>, Failure>> {
        let mut changes = self.state.subscribe();
        if let Some(passed) = self.try_pass() {
            return Some(passed);
        }
        if !self.state.borrow().may_try {
            return None;
        }
        self.attempt_wanted.notify_waiters();
        let failed = async {
            // The pause ends, and another one begins.
            changes.wait_for(|state| !state.may_try).await.ok();
            changes.wait_for(|state| state.may_try).await.ok();
        };
        tokio::select! {
            biased;
            passed = self.passed(is_login_missing) => Some(passed),
            () = failed => None,
            () = tokio::time::sleep(LAST_ATTEMPT) => None,
        }
    }

    /// Why no session is open after this time.
    fn why_not_open(&self, outage: &Outage, waited: Duration) -> Failure {
        let trouble = self.state.borrow().trouble.clone();
        trouble.or_else(|| outage.reason()).unwrap_or_else(|| {
            let (host, waited) = (outage.host(), waited.as_secs_f64());
            Failure::NotOpen(format!("{host} has not answered initialize within {waited} seconds"))
        })
    }

    /// Whether messages go through at once.
    pub(super) fn is_open(&self) -> bool {
        let state = self.state.borrow();
        matches!(state.phase, Phase::Open(_) | Phase::Idle) && !state.initializing
    }

    /// No more sessions. Returns the one that is open.
    pub(super) fn close(&self) -> Option<Transport> {
        self.stop_opener();
        let mut open = None;
        self.state.send_modify(|state| {
            if let Phase::Open(transport) = std::mem::replace(&mut state.phase, Phase::Closed) {
                open = Some(transport);
            }
        });
        open
    }
}
