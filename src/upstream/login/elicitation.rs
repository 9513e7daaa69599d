//! May the bridge ask the client to open an address for its user (2025-11-25, "URL Mode Elicitation")? Where the client
//! declares that it can. This is never the only way to a login: some clients declare it and show nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::LoginState;
use crate::auth::LoginPrompt;
use crate::files::sha256;
use crate::message::{self, Id, Initialize, Message};
use crate::stdio::Outgoing;
use crate::task;

/// A person does not read a question and decline it in this time; a client that shows no questions does.
pub(super) const READ: Duration = Duration::from_secs(1);

/// How long a person may think about it.
const THINK: Duration = Duration::from_secs(300);

/// How long after the question the login may be made.
const LOGIN: Duration = Duration::from_secs(3600);

/// What came of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// Accepted; or not asked, or perhaps not shown to the person: the request goes on waiting.
    Continue,
    Declined,
}

/// Asks the person to open the address, if the client can do that and the person was not asked before.
pub(super) async fn ask(state: &Arc<LoginState>, prompt: &LoginPrompt) -> Reply {
    let Some(outgoing) = can_open(state) else { return Reply::Continue };
    if !state.is_new_prompt(&prompt.url) {
        return Reply::Continue;
    }
    let number = sha256(prompt.url.as_bytes()).iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let elicitation = format!("mcp-ferry-{number:x}");
    let raw_id = json!(elicitation).to_string();
    let params = json!({
        "mode": "url",
        "elicitationId": elicitation,
        "url": prompt.url,
        "message": sentence(&state.sender().host, prompt),
    });
    let answer = state.session.link.own_requests.wait(Id::from_json(&raw_id));
    outgoing.send_now(message::request(&raw_id, "elicitation/create", &params).into_text());
    let asked_at = Instant::now();
    let completing = task::spawn(complete(Arc::clone(state), elicitation)).abort_handle();
    let answer = tokio::select! {
        answer = tokio::time::timeout(THINK, answer) => answer.ok().flatten(),
        _ = state.status().finished(THINK) => None,
    };
    match answer {
        Some(answer) if is_declined(&answer) && asked_at.elapsed() > READ => {
            completing.abort();
            Reply::Declined
        }
        _ => Reply::Continue,
    }
}

/// What the person is asked to do.
pub(super) fn sentence(host: &str, prompt: &LoginPrompt) -> String {
    let code = prompt.code.as_ref().map(|code| format!(" and type the code {code}")).unwrap_or_default();
    let warning = prompt.warning.as_ref().map(|warning| format!(" Before that: {warning}.")).unwrap_or_default();
    format!("Sign in to {host}: open this address{code}.{warning}")
}

/// Notifies the client when the login is made, however long the request waits that needs it, and whatever the person
/// replied.
async fn complete(state: Arc<LoginState>, elicitation: String) {
    if !state.status().finished(LOGIN).await {
        return;
    }
    let params = json!({ "elicitationId": elicitation });
    let complete = message::notification("notifications/elicitation/complete", &params);
    state.client().deliver_own(complete);
}

/// The way to the client, if it has declared that it opens addresses; `{}` alone means forms. A modern client is sent
/// no requests.
fn can_open(state: &LoginState) -> Option<&Outgoing> {
    let outgoing = state.client().direct()?;
    let initialize = Initialize::params(&state.session.link.handshake.initialize()?)?;
    initialize.capabilities["elicitation"]["url"].is_object().then_some(outgoing)
}

/// `decline` and `cancel`. An error says that no person could be asked.
fn is_declined(answer: &Message) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        result: Value,
    }
    answer.read::<Answer>().is_some_and(|answer| matches!(answer.result["action"].as_str(), Some("decline" | "cancel")))
}
