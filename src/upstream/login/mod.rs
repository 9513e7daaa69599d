//! What does a client get while a login is missing? The lists of earlier runs, a tool that logs in, and, where only a
//! login helps, a request that waits for it or a response that says where to log in.

mod answers;
mod elicitation;
mod hold;
mod lists;
mod prompt;
mod state;
mod subscription;
mod tool;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Failure;
use super::exchange::Outcome;
use super::session::Session;
use super::transport::List;
use crate::auth::{AuthMode, LoginRequired};
use crate::message::{Kind, Message};
use answers::not_logged_in;
use hold::hold;
use prompt::RepeatedRequest;
use state::{Carry, LoginState};

/// How long a request waits for a login where the user wants it to wait.
const WAIT: Duration = Duration::from_secs(24 * 3600);

/// A session whose requests wait for a login where one is missing. Cheap to clone.
#[derive(Clone)]
pub(super) struct LoginSession(Arc<LoginState>);

impl LoginSession {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self(Arc::new(LoginState::new(session)))
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        &self.0.session
    }

    /// Carries a request in the session, and by what follows where a login is missing.
    pub(super) async fn request(&self, message: &Message) -> Result<Outcome, Failure> {
        let session = &self.0.session;
        match session.request(message).await {
            Err(refused) if refused.wants_login() => {
                let carry =
                    |message: Message| -> BoxFuture<'_, _> { Box::pin(async move { session.request(&message).await }) };
                Box::pin(self.refused(message, refused, &carry)).await
            }
            carried => carried,
        }
    }

    /// A request that a modern client has sent again after a prompt, as it was the first time; or its
    /// response, if the person declined.
    pub(super) async fn repeated(&self, message: &Message) -> Option<Result<Message, Result<Outcome, Failure>>> {
        let repeated = RepeatedRequest::of(message)?;
        Some(match Box::pin(repeated.declined(&self.0)).await {
            Some(declined) => Err(declined),
            None => Ok(repeated.request),
        })
    }

    /// What follows for a request that failed so, for want of a login: it is answered, or held until there is one and
    /// then carried by `carry`. Other requests go on being sent: a server may want a login for some of them alone.
    pub(super) async fn refused(
        &self,
        message: &Message,
        failure: Failure,
        carry: &Carry<'_>,
    ) -> Result<Outcome, Failure> {
        let Self(state) = self;
        if let Some(answer) = lists::answer_ping(state, message) {
            return Ok(Outcome::Answer(answer));
        }
        if message.method() == Some("subscriptions/listen") {
            return Box::pin(subscription::listen(state, message, failure, carry)).await;
        }
        let is_new = match state.sender().require_login(failure).await? {
            LoginRequired::Yes { is_new } => is_new,
            _ => match carry(message.clone()).await {
                Err(failure) if failure.wants_login() => match state.sender().require_login(failure).await? {
                    LoginRequired::Yes { is_new } => is_new,
                    _ => false,
                },
                carried => return carried,
            },
        };
        if let Some(outcome) = Box::pin(self.by_mode(message, carry)).await {
            return outcome;
        }
        if tool::is_called(state, message) {
            return Ok(Outcome::Answer(tool::call(state, message).await));
        }
        if let Some(outcome) = Box::pin(lists::hold_first(state, message, is_new, carry)).await {
            return outcome;
        }
        if let Some(answer) = lists::answer_locally(state, message) {
            state.note_answered_locally(is_new);
            return Ok(Outcome::Answer(answer));
        }
        let rest = match message.kind() {
            Kind::Batch(elements) => Some(lists::answer_batch_locally(state, elements).await),
            _ => None,
        };
        let message = rest.as_ref().unwrap_or(message);
        if message.requests().is_empty() {
            state.note_answered_locally(is_new);
            if !matches!(message.kind(), Kind::Batch(elements) if elements.is_empty()) {
                Box::pin(state.session.notify(message)).await?;
            }
            return Ok(Outcome::Done);
        }
        Box::pin(self.hold_and_carry(message, carry)).await
    }

    /// Holds a request until there is a login, and then carries it.
    async fn hold_and_carry(&self, message: &Message, carry: &Carry<'_>) -> Result<Outcome, Failure> {
        let Self(state) = self;
        // The server may refuse a login, so that another is needed: a person is asked twice, not for ever.
        for _ in 0..2 {
            if let Some(prompt) = Box::pin(prompt::ask(state, message)).await {
                return Ok(Outcome::Answer(prompt));
            }
            if let Err(failure) = hold(state, message).await {
                return not_logged_in(state, message, failure);
            }
            match carry(message.clone()).await {
                Err(failure) if failure.wants_login() => drop(state.sender().require_login(failure).await?),
                carried => return carried,
            }
            if state.status().has_failed() {
                // The new tokens are refused again and again: another login would not help.
                break;
            }
        }
        not_logged_in(state, message, state.sender().login_needed().await)
    }

    /// What the user's `--auth` says of a refused request. A modern client's first one is what `initialize` is of a
    /// legacy one, and so is the first one in a session that the server opened without a login. `Some`: that answers
    /// it.
    async fn by_mode(&self, request: &Message, carry: &Carry<'_>) -> Option<Result<Outcome, Failure>> {
        let Self(state) = self;
        let is_first = state.is_first_request();
        match state.sender().auth.mode() {
            AuthMode::Wait => {
                state.status().request_login();
                if !state.status().finished(WAIT).await {
                    return Some(not_logged_in(state, request, state.sender().login_needed().await));
                }
                Some(match carry(request.clone()).await {
                    Err(failure) if failure.wants_login() => {
                        not_logged_in(state, request, state.sender().login_needed().await)
                    }
                    carried => carried,
                })
            }
            AuthMode::Error if is_first => {
                state.status().request_login();
                drop(state.status().prompt(state.session.era.options.startup_wait).await);
                Some(Err(state.sender().login_needed().await))
            }
            AuthMode::Error | AuthMode::Auto | AuthMode::Off => None,
        }
    }

    /// Keeps a list of the server's, for times when a login is missing or the server is late.
    pub(super) fn note_list(&self, list: &'static List, request: &Message, outcome: &Outcome) {
        let is_own = request.raw_id().is_some_and(|raw_id| self.0.session.link.own_requests.has_made(raw_id));
        if let Outcome::Answer(answer) = outcome
            && !is_own
        {
            lists::note(&self.0, list, request, answer);
        }
    }

    /// A response of the bridge's own with this result, in the words of the client's era.
    pub(super) fn answer(&self, request: &Message, result: Value) -> Message {
        answers::answer(&self.0, request, result)
    }

    /// The response to a call of the bridge's own tool, which is never sent to a server.
    pub(super) async fn own_tool(&self, message: &Message) -> Option<Outcome> {
        if !self.0.offers_tool() || !tool::is_called(&self.0, message) {
            return None;
        }
        // Boxed, because this is a part of every request's future.
        Some(Outcome::Answer(Box::pin(tool::call(&self.0, message)).await))
    }

    /// The name of the bridge's own tool, while there is one.
    pub(super) fn own_tool_name(&self) -> Option<Arc<str>> {
        self.0.offers_tool().then(|| tool::name(&self.0))
    }

    /// Ready when this many requests wait for a person to log in, with nothing of theirs in flight.
    pub(super) async fn until_waiting(&self, requests: usize) {
        self.0.until_waiting(requests).await;
    }

    /// Whether this is a subscription that the client has an acknowledgement of.
    pub(super) fn is_acknowledged(&self, listen: &Message) -> bool {
        self.0.is_acknowledged(listen)
    }
}
