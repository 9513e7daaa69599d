//! What is known of the requests that wait for a login, and of what the client was shown about it?

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::auth::{AuthMode, LoginPrompt, LoginStatus};
use crate::message::{Id, Kind, Message};
use crate::upstream::Failure;
use crate::upstream::client_program::ClientProgram;
use crate::upstream::exchange::{Outcome, Sender, ToClient};
use crate::upstream::session::Session;
use crate::upstream::session::placeholder::login_tool;

/// Carries a request to the server, whatever route it takes.
pub(crate) type Carry<'a> = dyn Fn(Message) -> BoxFuture<'a, Result<Outcome, Failure>> + Sync + 'a;

/// What came of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// The person was shown the address, and goes there.
    Accepted,
    Declined,
    /// Not asked, or perhaps not shown to the person.
    NotShown,
}

/// The last question, and its reply once there is one.
pub(super) type Question = (LoginPrompt, watch::Receiver<Option<Reply>>);

/// A session, and who waits for a login in it. Each request that needs a login reads it and adds itself.
pub(super) struct LoginState {
    pub(super) session: Arc<Session>,
    /// How many requests wait for a person, with nothing of theirs in flight.
    waiting: watch::Sender<usize>,
    /// A task notifies the client of the login when it is made; one is enough, however often the client requests lists.
    announcing: AtomicBool,
    /// The bridge's own tool was in a list that the client got. Set once; each call of a tool reads it.
    offered_tool: AtomicBool,
    /// The name of the bridge's own tool.
    pub(super) tool_name: Arc<str>,
    /// The bridge's own tool was called.
    was_called: AtomicBool,
    /// How many lists of the server's own tools the client was given.
    pub(super) lists: watch::Sender<u64>,
    /// The first list of tools that was refused for want of a login was held, or is.
    had_first_list: AtomicBool,
    /// The first request that was refused for want of a login has come.
    had_first_request: AtomicBool,
    /// What the person was asked last by elicitation.
    pub(super) question: Mutex<Option<Question>>,
    /// The login whose address a modern client was returned last, and when.
    prompted: Mutex<Option<(LoginPrompt, Instant)>>,
    /// The login whose address the user of a modern client accepted.
    accepted: Mutex<Option<LoginPrompt>>,
    /// The login whose address the call of a tool was answered with.
    shown: Mutex<Option<LoginPrompt>>,
    /// The login, with its tab, that a request was held for in vain.
    waited_for: Mutex<Option<LoginPrompt>>,
    /// A modern client's subscriptions that are acknowledged, though the server has not been sent them.
    acknowledged: Mutex<HashSet<Id>>,
}

impl LoginState {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self {
            tool_name: login_tool(&session.link.sender).into(),
            session,
            waiting: watch::Sender::default(),
            announcing: AtomicBool::default(),
            offered_tool: AtomicBool::default(),
            was_called: AtomicBool::default(),
            lists: watch::Sender::default(),
            had_first_list: AtomicBool::default(),
            had_first_request: AtomicBool::default(),
            question: Mutex::default(),
            prompted: Mutex::default(),
            accepted: Mutex::default(),
            shown: Mutex::default(),
            waited_for: Mutex::default(),
            acknowledged: Mutex::default(),
        }
    }

    pub(super) fn sender(&self) -> &Sender {
        &self.session.link.sender
    }

    pub(super) fn client(&self) -> &ToClient {
        &self.session.link.client
    }

    pub(super) fn status(&self) -> &LoginStatus {
        self.sender().auth.login_status()
    }

    /// Counts requests that wait, until the guard is dropped.
    pub(super) fn wait_for_person(&self, requests: usize) -> WaitingForPerson<'_> {
        self.waiting.send_modify(|waiting| *waiting += requests);
        WaitingForPerson(self, requests)
    }

    /// Ready when this many requests wait for a person.
    pub(super) async fn until_waiting(&self, requests: usize) {
        if self.waiting.subscribe().wait_for(|waiting| *waiting >= requests).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the caller is to notify the client of the login; false where a task does already.
    pub(super) fn begin_announcing(&self) -> bool {
        !self.announcing.swap(true, Ordering::Relaxed)
    }

    pub(super) fn end_announcing(&self) {
        self.announcing.store(false, Ordering::Relaxed);
    }

    pub(super) fn set_offered_tool(&self) {
        self.offered_tool.store(true, Ordering::Relaxed);
    }

    /// Whether the client was given a list with the bridge's own tool.
    pub(super) fn has_listed_tool(&self) -> bool {
        self.offered_tool.load(Ordering::Relaxed)
    }

    /// Whether the client may call the bridge's own tool. A client that was offered it, by this process or an earlier
    /// one, may call it after the login.
    pub(super) fn offers_tool(&self) -> bool {
        self.has_listed_tool() || self.status().is_wanted() || self.status().has_login()
    }

    /// Whether this is the first call of the bridge's own tool.
    pub(super) fn is_first_call(&self) -> bool {
        !self.was_called.swap(true, Ordering::Relaxed)
    }

    /// The client, if it is one of those that read the list of tools once.
    pub(super) fn client_program(&self) -> Option<&'static ClientProgram> {
        ClientProgram::of(&self.session.link.handshake.initialize()?)
    }

    /// Whether this is the first list of tools that was refused for want of a login.
    pub(super) fn is_first_list(&self) -> bool {
        !self.had_first_list.swap(true, Ordering::Relaxed)
    }

    /// The client is given a list of the server's own tools.
    pub(super) fn note_list(&self) {
        self.lists.send_modify(|lists| *lists += 1);
    }

    /// A request that needs a login was answered without one. `is_new`: it is the first since a login is missing. A
    /// client that is still there after a while gets the login without a word.
    pub(super) fn note_answered_locally(&self, is_new: bool) {
        if is_new && self.sender().auth.mode() == AuthMode::Auto {
            self.status().note_first_message();
        }
    }

    /// Whether a request is the first of the client that needs a login.
    pub(super) fn is_first_request(&self) -> bool {
        !self.had_first_request.swap(true, Ordering::Relaxed)
    }

    /// Whether a modern client was not returned this login's address before. Notes that it is now.
    pub(super) fn is_new_prompt(&self, prompt: &LoginPrompt) -> bool {
        let before = self.prompted.lock().replace((prompt.clone(), Instant::now()));
        before.is_none_or(|(before, _)| !before.is_same_login(prompt))
    }

    /// When a modern client was last returned an address.
    pub(super) fn prompted_at(&self) -> Option<Instant> {
        self.prompted.lock().as_ref().map(|(_, at)| *at)
    }

    /// The user of a modern client has accepted the address that it was returned last.
    pub(super) fn note_accepted(&self) {
        *self.accepted.lock() = self.prompted.lock().as_ref().map(|(prompt, _)| prompt.clone());
    }

    pub(super) fn is_accepted(&self, prompt: &LoginPrompt) -> bool {
        self.accepted.lock().as_ref().is_some_and(|accepted| accepted.is_same_login(prompt))
    }

    /// The call of a tool is answered with this login's address. True if one was before: the person has had the time to
    /// read it.
    pub(super) fn note_shown(&self, prompt: &LoginPrompt) -> bool {
        let before = self.shown.lock().replace(prompt.clone());
        before.is_some_and(|before| before.is_same_login(prompt))
    }

    /// A request was held for this login as long as a client allows.
    pub(super) fn note_waited(&self, prompt: Option<LoginPrompt>) {
        *self.waited_for.lock() = prompt;
    }

    /// Whether a request was held for this login, with this tab, and nobody logged in.
    pub(super) fn has_waited_for(&self, prompt: &LoginPrompt) -> bool {
        self.waited_for.lock().as_ref().is_some_and(|held| held.tab == prompt.tab && held.is_same_login(prompt))
    }

    /// Notes that a subscription is acknowledged, until the guard is dropped.
    pub(super) fn acknowledge(&self, id: Id) -> Acknowledged<'_> {
        self.acknowledged.lock().insert(id.clone());
        Acknowledged(self, id)
    }

    /// Whether this is a subscription that the client has an acknowledgement of.
    pub(super) fn is_acknowledged(&self, listen: &Message) -> bool {
        matches!(listen.kind(), Kind::Request { id, .. } if self.acknowledged.lock().contains(id))
    }
}

/// Requests that wait for a person.
pub(super) struct WaitingForPerson<'a>(&'a LoginState, usize);

impl Drop for WaitingForPerson<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= self.1);
    }
}

/// A subscription that is acknowledged.
pub(super) struct Acknowledged<'a>(&'a LoginState, Id);

impl Drop for Acknowledged<'_> {
    fn drop(&mut self) {
        self.0.acknowledged.lock().remove(&self.1);
    }
}

/// The members of a request that matter here.
#[derive(Default, Deserialize)]
pub(super) struct RequestParams {
    #[serde(default)]
    pub(super) params: Params,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Params {
    pub(super) name: Option<String>,
    pub(super) arguments: Value,
    pub(super) cursor: Option<Value>,
    #[serde(rename = "_meta")]
    pub(super) meta: Meta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) progress_token: Option<Box<RawValue>>,
}
