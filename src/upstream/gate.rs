//! May a message go to the server now?
//!
//! All state of the connection that more than one task looks at is here, behind one watch channel, changed only in
//! steps without an await between look and change.

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::{Wire, legacy};
use crate::message::Message;
use crate::upstream::Failure;

/// A server that refused is asked again when a request comes, but not for every one.
const ASK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Gate {
    state: watch::Sender<State>,
    opener: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// The client's own, to be said again to a server that has forgotten.
    initialize: Option<Message>,
    initialized: Option<Message>,
    /// `initialized` is on its way; requests must not overtake it.
    initializing: bool,
    /// Why there is no session yet.
    trouble: Option<Failure>,
    /// The session whose `initialize` is being answered, on a stream on which the server may ask things first.
    early: Option<Arc<legacy::Session>>,
}

#[derive(Default)]
enum Phase {
    /// No `initialize` yet.
    #[default]
    Idle,
    Opening,
    Open(Wire),
    /// Nothing that waiting would mend.
    Failed(Failure, Instant),
    Closed,
}

impl Gate {
    /// A new session is wanted. Returns the one that is open.
    pub(super) fn begin(&self, initialize: Message) -> Option<Wire> {
        self.stop_opener();
        let mut old = None;
        self.state.send_modify(|state| {
            let fresh = State { phase: Phase::Opening, initialize: Some(initialize), ..State::default() };
            if let Phase::Open(wire) = std::mem::replace(state, fresh).phase {
                old = Some(wire);
            }
        });
        old
    }

    /// The same session is wanted once more after a failure.
    pub(super) fn begin_again(&self) {
        self.stop_opener();
        self.state.send_modify(|state| {
            state.phase = Phase::Opening;
            state.trouble = None;
            state.early = None;
        });
    }

    /// Another session is wanted in place of this one, if it is the one that is open. Returns what to open it with.
    pub(super) fn leave(&self, wire: &Wire) -> Option<Message> {
        let mut initialize = None;
        self.state.send_modify(|state| {
            if matches!(&state.phase, Phase::Open(open) if open.is(wire)) {
                state.phase = Phase::Opening;
                initialize.clone_from(&state.initialize);
            }
        });
        initialize
    }

    /// Whether this is the session that is open.
    pub(super) fn is_at(&self, wire: &Wire) -> bool {
        matches!(&self.state.borrow().phase, Phase::Open(open) if open.is(wire))
    }

    pub(super) fn opener(&self, handle: AbortHandle) {
        *self.opener.lock() = Some(handle);
    }

    fn stop_opener(&self) {
        if let Some(handle) = self.opener.lock().take() {
            handle.abort();
        }
    }

    /// The server has begun to answer `initialize` with a stream.
    pub(super) fn begun(&self, session: Arc<legacy::Session>) {
        self.state.send_modify(|state| state.early = Some(session));
    }

    /// That session, for as long as none is open.
    pub(super) fn early(&self) -> Option<Arc<legacy::Session>> {
        let state = self.state.borrow();
        matches!(state.phase, Phase::Opening).then(|| state.early.clone())?
    }

    /// Whether no session was ever asked for.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state.borrow().phase, Phase::Idle)
    }

    /// Why it takes so long.
    pub(super) fn trouble(&self, failure: Failure) {
        self.state.send_modify(|state| state.trouble = Some(failure));
    }

    pub(super) fn known_trouble(&self) -> Option<Failure> {
        let state = self.state.borrow();
        matches!(state.phase, Phase::Opening).then(|| state.trouble.clone())?
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.state.send_modify(|state| state.phase = Phase::Failed(failure, Instant::now()));
    }

    /// The session is there. If the client has said `initialized` by now, the server must hear it first: then this
    /// returns it and opens nothing.
    pub(super) fn open(&self, wire: &Wire, told_initialized: bool) -> Option<Message> {
        let mut first = None;
        self.state.send_modify(|state| {
            if told_initialized || state.initialized.is_none() {
                state.phase = Phase::Open(wire.clone());
                state.trouble = None;
                state.early = None;
            } else {
                first.clone_from(&state.initialized);
            }
        });
        first
    }

    /// Takes the client's `initialized`. Returns the session that is open and must be told; without one, whoever opens
    /// it tells.
    pub(super) fn initialized(&self, message: Message) -> Option<Wire> {
        let mut wire = None;
        self.state.send_modify(|state| {
            state.initialized = Some(message);
            if let Phase::Open(open) = &state.phase {
                wire = Some(open.clone());
                state.initializing = true;
            }
        });
        wire
    }

    /// The server has `initialized`.
    pub(super) fn all_set(&self) {
        self.state.send_modify(|state| state.initializing = false);
    }

    /// What a server that has forgotten us must hear again: `initialize`, and `initialized` if it was said.
    pub(super) fn greeting(&self) -> (Option<Message>, Option<Message>) {
        let state = self.state.borrow();
        (state.initialize.clone(), state.initialized.clone())
    }

    /// Answers at once if there is nothing to wait for.
    pub(super) fn try_pass(&self) -> Option<Result<Option<Wire>, Failure>> {
        let state = self.state.borrow();
        match &state.phase {
            _ if state.initializing => None,
            Phase::Idle => Some(Ok(None)),
            Phase::Opening => None,
            Phase::Open(wire) => Some(Ok(Some(wire.clone()))),
            Phase::Failed(_, since) if since.elapsed() >= ASK_AGAIN => None,
            Phase::Failed(failure, _) => Some(Err(failure.clone())),
            Phase::Closed => Some(Err(Failure::Ending)),
        }
    }

    /// The `initialize` to try again with, if the last attempt failed long enough ago.
    pub(super) fn may_retry(&self) -> Option<Message> {
        let state = self.state.borrow();
        matches!(&state.phase, Phase::Failed(_, since) if since.elapsed() >= ASK_AGAIN)
            .then(|| state.initialize.clone())?
    }

    /// Waits for the session, but no longer than `patience`; then the reason is the answer.
    pub(super) async fn pass(&self, host: &str, patience: Duration) -> Result<Option<Wire>, Failure> {
        let mut changes = self.state.subscribe();
        let passed = async {
            loop {
                if let Some(passed) = self.try_pass() {
                    return passed;
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

    pub(super) fn is_open(&self) -> bool {
        let state = self.state.borrow();
        matches!(state.phase, Phase::Open(_) | Phase::Idle) && !state.initializing
    }

    /// No more sessions. Returns the one that is open.
    pub(super) fn close(&self) -> Option<Wire> {
        self.stop_opener();
        let mut open = None;
        self.state.send_modify(|state| {
            if let Phase::Open(wire) = std::mem::replace(&mut state.phase, Phase::Closed) {
                open = Some(wire);
            }
        });
        open
    }
}
