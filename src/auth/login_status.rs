//! What do waiting clients and the process that logs in know of each other?

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// How many logins begin unasked in this span, whatever becomes of them. More are a person's to begin, by a request
/// that needs one.
const MOST_UNASKED: usize = 3;
const UNASKED_SPAN: Duration = Duration::from_secs(3600);

/// The state of this process's login.
#[derive(Debug, Default)]
pub struct LoginStatus {
    /// Refused requests and the background login write it; clients that wait for a login read it.
    state: watch::Sender<State>,
    /// A client that needs the login notifies it; the background login waits for it.
    pub(super) requested: Notify,
    /// A client whose first message needs the login notifies it; the background login waits for it.
    pub(super) first_message: Notify,
    /// A client that asks for more than its first message notifies it; the background login waits for it.
    pub(super) used: Notify,
    /// A person who asks for another tab notifies it; the login under way waits for it.
    pub(super) tab_requested: Notify,
    /// What the client's user does after the login to have the new tools. The client's first message sets it; the page
    /// that the browser shows reads it.
    next_step: Mutex<Option<String>>,
    /// When clients whose first message needed the login last had one begin unasked. Each such client adds to it.
    unasked: Mutex<Vec<Instant>>,
    /// Which login requests use, by its number in the record. Requests and the background
    /// login change it; the bridge's own requests that were refused wait for another one.
    login_number: watch::Sender<u64>,
    /// There is a login, and only one with this scope is missing: most requests do not need it. Refused requests write
    /// it; each request reads it while a login is missing.
    missing_scope: Mutex<Option<String>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
enum State {
    /// As far as is known no login is missing.
    #[default]
    NotNeeded,
    /// A login is missing and has not begun.
    Needed,
    /// A person can sign in there.
    Prompt(LoginPrompt),
    /// The login failed for this reason.
    Failed(String),
}

/// Where a person can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginPrompt {
    /// The address at the authorization server.
    pub url: String,
    /// A short address on this machine that leads there.
    pub short: Option<String>,
    /// This machine shows no browser to the person, whose own cannot reach the short address.
    pub is_elsewhere: bool,
    /// What became of the tab.
    pub tab: Tab,
    /// The code to type there (RFC 8628).
    pub code: Option<String>,
    /// What the person should know before.
    pub warning: Option<String>,
}

/// Does a browser show where to sign in?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// It is being opened.
    Opening,
    /// Since then.
    Open(Instant),
    /// No.
    None,
}

impl LoginPrompt {
    /// The address that a person is shown.
    pub fn address(&self) -> &str {
        self.short.as_deref().unwrap_or(&self.url)
    }

    /// The address for a browser on another machine, where it is not the same.
    pub fn address_elsewhere(&self) -> Option<&str> {
        (self.is_elsewhere && self.short.is_some()).then_some(self.url.as_str())
    }

    /// Whether both are for one login under way.
    pub fn is_same_login(&self, other: &Self) -> bool {
        // The address of a pushed request changes from time to time.
        self.short == other.short && self.code == other.code && (self.short.is_some() || self.url == other.url)
    }

    /// Whether a browser shows where to sign in.
    pub fn has_tab(&self) -> bool {
        matches!(self.tab, Tab::Open(_))
    }
}

impl LoginStatus {
    /// Notes that requests need a login; with `step_up`, only some requests need one with this scope. True if no login
    /// was needed before.
    pub(super) fn require(&self, step_up: Option<&str>) -> bool {
        let mut missing = self.missing_scope.lock();
        *missing = step_up.filter(|_| missing.is_some() || !self.is_wanted()).map(str::to_owned);
        drop(missing);
        self.state.send_if_modified(|state| {
            let is_new = *state == State::NotNeeded;
            if is_new {
                *state = State::Needed;
            }
            is_new
        })
    }

    pub(super) fn set_prompt(&self, prompt: LoginPrompt) {
        self.state.send_replace(State::Prompt(prompt));
    }

    /// The address of the login under way is another one now.
    pub(super) fn set_url(&self, url: &str) {
        self.change_prompt(|prompt| url.clone_into(&mut prompt.url));
    }

    /// What became of the tab of the login under way.
    pub(super) fn set_tab(&self, tab: Tab) {
        self.change_prompt(|prompt| prompt.tab = tab);
    }

    fn change_prompt(&self, change: impl FnOnce(&mut LoginPrompt)) {
        self.state.send_if_modified(|state| {
            let State::Prompt(prompt) = state else { return false };
            let before = prompt.clone();
            change(prompt);
            *prompt != before
        });
    }

    /// A person wants a tab. True if a login is under way that opens one, or says that it did not.
    pub fn request_tab(&self) -> bool {
        let is_under_way = self.state.send_if_modified(|state| match state {
            State::Prompt(prompt) if prompt.short.is_some() && prompt.tab != Tab::Opening => {
                prompt.tab = Tab::Opening;
                true
            }
            _ => false,
        });
        if is_under_way {
            self.tab_requested.notify_one();
        }
        is_under_way
    }

    /// Sets what the client's user does after the login to have the new tools.
    pub fn set_next_step(&self, next_step: Option<String>) {
        *self.next_step.lock() = next_step;
    }

    pub(super) fn next_step(&self) -> Option<String> {
        self.next_step.lock().clone()
    }

    pub(super) fn fail(&self, why: String) {
        self.clear_requests();
        self.state.send_replace(State::Failed(why));
    }

    /// There is a login, made by this process or another one.
    pub(super) fn succeed(&self) {
        self.clear_requests();
        self.missing_scope.lock().take();
        self.state.send_replace(State::NotNeeded);
    }

    /// Requests for the login that has ended do not begin the next one.
    fn clear_requests(&self) {
        self.requested.notified().now_or_never();
        self.first_message.notified().now_or_never();
        self.used.notified().now_or_never();
        self.tab_requested.notified().now_or_never();
    }

    /// The first message of a client that needs the login. The client may have come only to look: the login begins if
    /// it is there after a while. A login that is worth nothing must not begin so again and again.
    pub fn note_first_message(&self) {
        if !self.is_wanted() {
            return;
        }
        let mut unasked = self.unasked.lock();
        unasked.retain(|begun| begun.elapsed() < UNASKED_SPAN);
        if unasked.len() < MOST_UNASKED {
            unasked.push(Instant::now());
            self.first_message.notify_one();
        }
    }

    /// Requests use this login from now on.
    pub(super) fn set_login_number(&self, number: u64) {
        if *self.login_number.borrow() != number {
            self.login_number.send_replace(number);
        }
    }

    pub(super) fn login_number(&self) -> u64 {
        *self.login_number.borrow()
    }

    /// Whether requests use a login.
    pub fn has_login(&self) -> bool {
        self.login_number() > 0
    }

    /// Waits until requests use another login than this.
    pub(super) async fn wait_for_other_login(&self, number: u64) {
        self.login_number.subscribe().wait_for(|now| *now != number).await.ok();
    }

    /// The client goes on after its first message: it did not come only to see whether the server is there.
    pub fn note_use(&self) {
        if self.is_wanted() {
            self.used.notify_one();
        }
    }

    /// A client needs the login now. A login that failed is tried again.
    pub fn request_login(&self) {
        if !self.is_wanted() {
            // It has been made meanwhile: the next one must not begin because of this.
            return;
        }
        self.state.send_if_modified(|state| {
            let failed = matches!(state, State::Failed(_));
            if failed {
                *state = State::Needed;
            }
            failed
        });
        self.requested.notify_one();
    }

    /// Whether all requests need a login.
    pub fn is_needed(&self) -> bool {
        self.is_wanted() && self.missing_scope.lock().is_none()
    }

    /// The scope that a login must have which some requests need, where others do without it.
    pub fn missing_scope(&self) -> Option<String> {
        self.missing_scope.lock().clone()
    }

    /// Whether a login is missing, for all requests or for some.
    pub fn is_wanted(&self) -> bool {
        *self.state.borrow() != State::NotNeeded
    }

    /// Whether a person is shown where to sign in.
    pub(super) fn is_prompted(&self) -> bool {
        matches!(*self.state.borrow(), State::Prompt(_))
    }

    /// Waits for the login. False if there is none after `limit`.
    pub async fn logged_in(&self, limit: Duration) -> bool {
        self.wait_for(limit, |state| *state == State::NotNeeded).await.is_some()
    }

    /// Waits until the login has succeeded or failed. False if it has failed, or has not ended after `limit`.
    pub async fn finished(&self, limit: Duration) -> bool {
        let ended = self.wait_for(limit, |state| matches!(state, State::NotNeeded | State::Failed(_))).await;
        ended == Some(State::NotNeeded)
    }

    /// Whether the last login has failed, and no other was requested since.
    pub fn has_failed(&self) -> bool {
        matches!(*self.state.borrow(), State::Failed(_))
    }

    /// Where a person can sign in, once that is known, or after `limit`; `Err` says why the login failed.
    pub async fn prompt(&self, limit: Duration) -> Result<Option<LoginPrompt>, String> {
        match self.wait_for(limit, |state| *state != State::Needed).await {
            Some(State::Prompt(prompt)) => Ok(Some(prompt)),
            Some(State::Failed(why)) => Err(why),
            _ => Ok(None),
        }
    }

    /// The same, once it is known whether a browser shows it.
    pub async fn settled_prompt(&self, limit: Duration) -> Result<Option<LoginPrompt>, String> {
        let is_settled = |state: &State| match state {
            State::Needed => false,
            State::Prompt(prompt) => prompt.tab != Tab::Opening,
            State::NotNeeded | State::Failed(_) => true,
        };
        match self.wait_for(limit, is_settled).await {
            Some(State::Prompt(prompt)) => Ok(Some(prompt)),
            Some(State::Failed(why)) => Err(why),
            // Whatever opens the tab takes too long; there may be an address all the same.
            None => self.prompt(Duration::ZERO).await,
            _ => Ok(None),
        }
    }

    /// The first state of this kind; `None` if there is none within `limit`.
    async fn wait_for(&self, limit: Duration, is_wanted: impl Fn(&State) -> bool) -> Option<State> {
        let mut states = self.state.subscribe();
        let wanted = tokio::time::timeout(limit, states.wait_for(|state| is_wanted(state))).await;
        wanted.ok()?.ok().map(|state| state.clone())
    }
}
