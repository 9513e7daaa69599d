//! May we ask the client something ourselves? Whether it opens an address for its user (2025-11-25, "URL Mode
//! Elicitation"), where it can. Never the only way to a login: some clients say that they can and show nothing.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Context;
use crate::auth::LoginPrompt;
use crate::message::{self, Id, Initialize, Kind, Message};
use crate::task;

/// A person does not read a question and say no to it in this time; a client that shows no questions does.
pub(super) const READ: Duration = Duration::from_secs(1);

/// How long a person may think about it.
const THINK: Duration = Duration::from_secs(300);

/// How long after a question a login may come that it was about.
const LOGIN: Duration = Duration::from_secs(3600);

/// Our own questions that the client has not answered.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: Mutex<HashMap<Id, oneshot::Sender<Message>>>,
    /// The address asked about last: several requests at once wait for one login.
    asked: Mutex<Option<String>>,
}

/// What the person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// Go on: said yes, was not asked, or was perhaps not shown the question.
    GoOn,
    /// No.
    No,
}

impl Questions {
    /// Takes the answer to one of our questions. False if it is an answer to the server.
    pub(super) fn take(&self, message: &Message) -> bool {
        let Kind::Response { id, .. } = message.kind() else { return false };
        let Some(asked) = self.open.lock().remove(id) else { return false };
        // Ours even if nobody waits for it any more.
        asked.send(message.clone()).ok();
        true
    }
}

/// Asks the person to open the address, if the client can and nobody has asked about it before.
pub(super) async fn sign_in(context: &Arc<Context>, prompt: &LoginPrompt) -> Reply {
    if !can_open(context) || !first_time(context, &prompt.url) {
        return Reply::GoOn;
    }
    let host = context.sender.host();
    let digest = ring::digest::digest(&ring::digest::SHA256, prompt.url.as_bytes());
    let number = digest.as_ref().iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let elicitation = format!("mcp-ferry-{number:x}");
    let raw_id = json!(elicitation).to_string();
    let (answered, answer) = oneshot::channel();
    let questions = &context.questions;
    questions.open.lock().insert(Id::from_json(&raw_id), answered);
    let params = json!({
        "mode": "url",
        "elicitationId": elicitation,
        "url": prompt.url,
        "message": sentence(host, prompt),
    });
    context.client.outgoing.send_now(message::request(&raw_id, "elicitation/create", &params).into_text());
    let asked_at = Instant::now();
    let completing = task::spawn(complete(Arc::clone(context), elicitation)).abort_handle();
    let login_status = context.sender.auth().login_status();
    let answer = tokio::select! {
        answer = tokio::time::timeout(THINK, answer) => answer.ok().and_then(Result::ok),
        _ = login_status.finished(THINK) => None,
    };
    match answer {
        Some(answer) if refuses(&answer) && asked_at.elapsed() > READ => {
            completing.abort();
            Reply::No
        }
        _ => Reply::GoOn,
    }
}

/// What the person is asked to do.
pub(super) fn sentence(host: &str, prompt: &LoginPrompt) -> String {
    let code = prompt.code.as_ref().map(|code| format!(" and type the code {code}")).unwrap_or_default();
    format!("Sign in to {host}: open this address{code}.")
}

/// Tells the client when somebody has logged in, however long the request that asked for it waits, and whatever the
/// person said.
async fn complete(context: Arc<Context>, elicitation: String) {
    if !context.sender.auth().login_status().finished(LOGIN).await {
        return;
    }
    let params = json!({ "elicitationId": elicitation });
    let complete = message::notification("notifications/elicitation/complete", &params);
    context.client.outgoing.send_now(complete.into_text());
}

/// Whether nobody has asked the person to open this address before.
pub(super) fn first_time(context: &Context, url: &str) -> bool {
    let mut asked = context.questions.asked.lock();
    asked.replace(url.to_owned()).as_deref() != Some(url)
}

/// Whether the client has declared that it opens addresses; `{}` alone means forms.
fn can_open(context: &Context) -> bool {
    // A modern client is sent no requests.
    if context.client.translated {
        return false;
    }
    let (Some(initialize), _) = context.gate.greeting() else { return false };
    Initialize::params(&initialize).is_some_and(|asked| asked.capabilities["elicitation"]["url"].is_object())
}

/// `decline` and `cancel`, and not an error: that says that there was nobody to ask.
fn refuses(answer: &Message) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        result: Value,
    }
    answer.read::<Answer>().is_some_and(|answer| matches!(answer.result["action"].as_str(), Some("decline" | "cancel")))
}
