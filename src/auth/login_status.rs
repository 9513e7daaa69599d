//! Where does the login stand? What whoever logs in tells whoever waits for it, and the other way round.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};

/// The state of this process's login.
#[derive(Debug, Default)]
pub struct LoginStatus {
    state: watch::Sender<State>,
    wanted: Notify,
    greeted: Notify,
    /// There is a login, but one for more is missing: most requests do without.
    partial: AtomicBool,
}

#[derive(Debug, Clone, Default, PartialEq)]
enum State {
    /// As far as is known no login is missing.
    #[default]
    NotNeeded,
    /// One is, and nobody does anything about it yet.
    Needed,
    /// Somebody can log in there.
    Prompt(LoginPrompt),
    /// It could not be begun, or came to nothing, for this reason.
    Failed(String),
}

/// A way in, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginPrompt {
    /// The address to open.
    pub url: String,
    /// What to type there (RFC 8628).
    pub code: Option<String>,
}

impl LoginStatus {
    /// Nobody can go on without a login; with `step_up`, some requests cannot go on with the one there is. True if that
    /// is news.
    pub(super) fn need(&self, step_up: bool) -> bool {
        if step_up {
            self.partial.fetch_or(!self.is_wanted(), Ordering::Relaxed);
        } else {
            self.partial.store(false, Ordering::Relaxed);
        }
        self.state.send_if_modified(|state| {
            let news = *state == State::NotNeeded;
            if news {
                *state = State::Needed;
            }
            news
        })
    }

    /// There is a way in.
    pub(super) fn offer(&self, prompt: LoginPrompt) {
        self.state.send_replace(State::Prompt(prompt));
    }

    /// There is none, or it led nowhere.
    pub(super) fn fail(&self, why: String) {
        self.forget_wishes();
        self.state.send_replace(State::Failed(why));
    }

    /// Somebody has logged in, here or in another process.
    pub(super) fn settle(&self) {
        self.forget_wishes();
        self.partial.store(false, Ordering::Relaxed);
        self.state.send_replace(State::NotNeeded);
    }

    /// What was wanted of a login that is over begins no other.
    fn forget_wishes(&self) {
        self.wanted.notified().now_or_never();
        self.greeted.notified().now_or_never();
    }

    /// Waits until a client's first message has needed it.
    pub(super) async fn greeted(&self) {
        self.greeted.notified().await;
    }

    /// A client's first message needs it; perhaps the client came only to look.
    pub fn note_first_message(&self) {
        self.greeted.notify_one();
    }

    /// Waits until a client needs it.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// A client needs it now. What failed before is tried again.
    pub fn request_login(&self) {
        self.state.send_if_modified(|state| {
            let failed = matches!(state, State::Failed(_));
            if failed {
                *state = State::Needed;
            }
            failed
        });
        self.wanted.notify_one();
    }

    /// Whether requests go without a login.
    pub fn is_needed(&self) -> bool {
        self.is_wanted() && !self.partial.load(Ordering::Relaxed)
    }

    /// Whether somebody should log in, for all requests or for some.
    pub fn is_wanted(&self) -> bool {
        *self.state.borrow() != State::NotNeeded
    }

    /// Waits for the login. False when `limit` is over.
    pub async fn logged_in(&self, limit: Duration) -> bool {
        let mut state = self.state.subscribe();
        let logged_in = state.wait_for(|state| *state == State::NotNeeded);
        tokio::time::timeout(limit, logged_in).await.is_ok()
    }

    /// Waits for the end of the login, good or bad. False when it is bad, or `limit` is over.
    pub async fn finished(&self, limit: Duration) -> bool {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| matches!(state, State::NotNeeded | State::Failed(_)));
        tokio::time::timeout(limit, settled)
            .await
            .is_ok_and(|state| state.is_ok_and(|state| *state == State::NotNeeded))
    }

    /// Waits until a login has come to nothing.
    pub async fn failed(&self) {
        let mut state = self.state.subscribe();
        if state.wait_for(|state| matches!(state, State::Failed(_))).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The way in, waiting for it no longer than `limit`; `Err` says why there is none.
    pub async fn prompt(&self, limit: Duration) -> Result<Option<LoginPrompt>, String> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| *state != State::Needed);
        match tokio::time::timeout(limit, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Prompt(prompt) => Ok(Some(prompt.clone())),
                State::Failed(why) => Err(why.clone()),
                State::NotNeeded | State::Needed => Ok(None),
            },
            _ => Ok(None),
        }
    }
}
