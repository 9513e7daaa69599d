//! May a message go to the server now?

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::upstream::Failure;
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
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// `initialized` is on its way; requests must not overtake it.
    initializing: bool,
    /// Why there is no session yet.
    trouble: Option<Failure>,
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

    /// Why there is no session yet, while one is being opened.
    pub(super) fn trouble(&self) -> Option<Failure> {
        let state = self.state.borrow();
        matches!(state.phase, Phase::Opening).then(|| state.trouble.clone())?
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

    /// Waits for the session, but no longer than `patience`, and not for a login while `is_login_missing`; then the
    /// error is the reason for the delay.
    pub(super) async fn pass(
        &self,
        host: &str,
        patience: Duration,
        is_login_missing: impl Fn() -> bool,
    ) -> Result<Option<Transport>, Failure> {
        let mut changes = self.state.subscribe();
        let passed = async {
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
        };
        match tokio::time::timeout(patience, passed).await {
            Ok(passed) => passed,
            Err(_) => Err(self.state.borrow().trouble.clone().unwrap_or_else(|| {
                Failure::NotOpen(format!(
                    "{host} has not answered initialize within {} seconds",
                    patience.as_secs_f64()
                ))
            })),
        }
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
