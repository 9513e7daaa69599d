//! May the bridge ask the client to open an address for its user (2025-11-25, "URL Mode Elicitation")? Where no browser
//! could be opened and the client declares that it can. Some clients declare it and show nothing.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::state::{LoginState, Reply};
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

/// Asks the person to open the address, if the client can do that. Requests that need the same login wait for one reply.
pub(super) async fn ask(state: &Arc<LoginState>, prompt: &LoginPrompt) -> Reply {
    let Some(outgoing) = can_open(state) else { return Reply::NotShown };
    let mut reply = {
        let mut question = state.question.lock();
        match question.as_ref().filter(|(asked, _)| asked.is_same_login(prompt)) {
            Some((_, reply)) => reply.clone(),
            None => {
                let (replied, reply) = watch::channel(None);
                *question = Some((prompt.clone(), reply.clone()));
                task::spawn(carry_question(Arc::clone(state), prompt.clone(), outgoing.clone(), replied));
                reply
            }
        }
    };
    reply.wait_for(Option::is_some).await.ok().and_then(|reply| *reply).unwrap_or(Reply::NotShown)
}

/// Sends the question, and notifies the client of the login when it is made, however long the requests wait that need it:
/// a dialog must not stay open for an address that leads nowhere any more.
async fn carry_question(
    state: Arc<LoginState>,
    prompt: LoginPrompt,
    outgoing: Outgoing,
    replied: watch::Sender<Option<Reply>>,
) {
    let digest = sha256(prompt.url.as_bytes());
    let number = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let elicitation = format!("mcp-ferry-{number:x}");
    let raw_id = json!(elicitation).to_string();
    let params = json!({
        "mode": "url",
        "elicitationId": elicitation,
        "url": address(&prompt),
        "message": sentence(&state.sender().host, &prompt),
    });
    let link = &state.session.link;
    let mut finished = pin!(state.status().finished(LOGIN));
    let reply = {
        let answer = link.own_requests.wait(Id::from_json(&raw_id));
        outgoing.send_now(message::request(&raw_id, "elicitation/create", &params).into_text());
        let asked_at = Instant::now();
        tokio::select! {
            answer = tokio::time::timeout(THINK, answer) => Ok(reply_of(answer.ok().flatten().as_ref(), asked_at)),
            logged_in = &mut finished => Err(logged_in),
        }
    };
    let logged_in = match reply {
        Ok(reply) => {
            replied.send_replace(Some(reply));
            if reply == Reply::Declined {
                return;
            }
            finished.await
        }
        Err(logged_in) => {
            replied.send_replace(Some(Reply::NotShown));
            let reason = if logged_in { "signed in" } else { "this address leads nowhere any more" };
            let params = json!({ "requestId": elicitation, "reason": reason });
            state.client().deliver_own(message::notification("notifications/cancelled", &params));
            logged_in
        }
    };
    if logged_in {
        let params = json!({ "elicitationId": elicitation });
        state.client().deliver_own(message::notification("notifications/elicitation/complete", &params));
    }
}

/// The address in a question, which has room for one.
pub(super) fn address(prompt: &LoginPrompt) -> &str {
    prompt.address_elsewhere().unwrap_or_else(|| prompt.address())
}

/// What the person is asked to do.
pub(super) fn sentence(host: &str, prompt: &LoginPrompt) -> String {
    let code = prompt.code.as_ref().map(|code| format!(" and type the code {code}")).unwrap_or_default();
    let warning = prompt.warning.as_ref().map(|warning| format!(" Before that: {warning}.")).unwrap_or_default();
    format!("Sign in to {host}: open this address{code}.{warning}")
}

/// The way to the client, if it has declared that it opens addresses; `{}` alone means forms. A modern client is sent
/// no requests.
fn can_open(state: &LoginState) -> Option<&Outgoing> {
    let outgoing = state.client().direct()?;
    let initialize = Initialize::params(&state.session.link.handshake.initialize()?)?;
    initialize.capabilities["elicitation"]["url"].is_object().then_some(outgoing)
}

/// An error says that no person could be asked.
fn reply_of(answer: Option<&Message>, asked_at: Instant) -> Reply {
    #[derive(Deserialize)]
    struct Answer {
        result: Value,
    }
    let result = answer.and_then(Message::read::<Answer>).map(|answer| answer.result).unwrap_or_default();
    match result["action"].as_str() {
        Some("accept") => Reply::Accepted,
        Some("decline" | "cancel") if asked_at.elapsed() > READ => Reply::Declined,
        _ => Reply::NotShown,
    }
}
