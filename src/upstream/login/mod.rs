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

use super::Failure;
use super::exchange::Outcome;
use super::session::Session;
use crate::auth::AuthMode;
use crate::message::{Kind, Message};
use answers::{is_modern, not_logged_in};
use hold::hold;
use prompt::RepeatedRequest;
use state::{Carry, LoginState};

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
        if !self.0.status().is_needed() {
            match self.0.session.request(message).await {
                Err(Failure::SignIn { .. }) => {}
                carried => return carried,
            }
        }
        let session = &self.0.session;
        self.request_without_login(message, &|message| Box::pin(async move { session.request(&message).await })).await
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

    /// Answers a request while a login is missing, or holds it until there is one and then has `carry` carry it.
    pub(super) async fn request_without_login(&self, message: &Message, carry: &Carry<'_>) -> Result<Outcome, Failure> {
        let Self(state) = self;
        if let Some(outcome) = Box::pin(self.first_request(message, carry)).await {
            return outcome;
        }
        if message.method() == Some("subscriptions/listen") {
            return Box::pin(subscription::listen(state, message, carry)).await;
        }
        if tool::is_called(state, message) {
            return Ok(Outcome::Answer(tool::call(state, message).await));
        }
        if let Some(answer) = lists::answer_locally(state, message) {
            return Ok(Outcome::Answer(answer));
        }
        let rest = match message.kind() {
            Kind::Batch(elements) => Some(lists::answer_batch_locally(state, elements).await),
            _ => None,
        };
        let message = rest.as_ref().unwrap_or(message);
        if message.requests().is_empty() {
            if !matches!(message.kind(), Kind::Batch(elements) if elements.is_empty()) {
                Box::pin(state.session.notify(message)).await?;
            }
            return Ok(Outcome::Done);
        }
        // The server may refuse a login, so that another is needed: a person is asked twice, not for ever.
        for _ in 0..2 {
            if let Some(prompt) = Box::pin(prompt::ask(state, message)).await {
                return Ok(Outcome::Answer(prompt));
            }
            if let Err(failure) = hold(state, message).await {
                return not_logged_in(state, message, failure);
            }
            // The session is opened with the new login, which the server may refuse.
            tokio::select! {
                _ = state.session.wait_until_open() => {}
                () = state.status().failed() => break,
            }
            match carry(message.clone()).await {
                Err(Failure::SignIn { .. }) => {}
                carried => return carried,
            }
        }
        not_logged_in(state, message, state.sender().login_needed().await)
    }

    /// A modern client's first request that needs a login is what `initialize` is of a legacy one: it does as the
    /// user's `--auth` says. `Some`: that answers it.
    async fn first_request(&self, request: &Message, carry: &Carry<'_>) -> Option<Result<Outcome, Failure>> {
        let Self(state) = self;
        if !is_modern(request) || !state.is_first_request() {
            return None;
        }
        match state.sender().auth.mode() {
            AuthMode::Wait => {
                state.status().request_login();
                state.sender().logged_in().await;
                Some(carry(request.clone()).await)
            }
            AuthMode::Error => {
                state.status().request_login();
                drop(state.status().prompt(state.session.era.options.startup_wait).await);
                Some(Err(state.sender().login_needed().await))
            }
            AuthMode::Auto | AuthMode::Off => {
                state.status().note_first_message();
                None
            }
        }
    }

    /// Keeps the server's tools, for times when a login is missing.
    pub(super) fn note_tools(&self, request: &Message, outcome: &Outcome) {
        if let Outcome::Answer(answer) = outcome
            && self.0.sender().auth.can_log_in()
        {
            lists::remember_tools(&self.0, request, answer);
        }
    }

    /// The response to a call of the bridge's own tool, which is never sent to a server.
    pub(super) async fn own_tool(&self, message: &Message) -> Option<Outcome> {
        if !self.0.status().is_needed() || !tool::is_called(&self.0, message) {
            return None;
        }
        Some(Outcome::Answer(tool::call(&self.0, message).await))
    }

    /// The name of the bridge's own tool, while there is one.
    pub(super) fn own_tool_name(&self) -> Option<&'static str> {
        self.0.status().is_needed().then(|| tool::name(&self.0))
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
