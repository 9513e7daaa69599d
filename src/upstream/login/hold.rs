//! How does a request wait for a person to log in? Where somebody can see where to go; else the address is the answer.

use std::sync::Arc;
use std::time::Duration;

use super::elicitation;
use super::state::{LoginState, Reply, RequestParams};
use crate::auth::AuthMode;
use crate::message::{self, Message};
use crate::upstream::Failure;

/// How long a request waits for a person. Clients give a call a minute.
const HOLD: Duration = Duration::from_secs(45);

/// How often a client that wants progress is sent some.
const PROGRESS: Duration = Duration::from_secs(5);

/// The shortest pause between two looks for an address that is not there yet.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long it takes until there is an address to show.
pub(super) const PROMPT: Duration = Duration::from_secs(10);

/// Waits for a login. `Err`: none was made.
pub(super) async fn hold(state: &Arc<LoginState>, request: &Message) -> Result<(), Failure> {
    let status = state.status();
    status.request_login();
    let waiting = async {
        let prompt = status.settled_prompt(PROMPT).await;
        if !status.is_wanted() {
            return true;
        }
        // A login that cannot be begun need not be waited for.
        let Ok(Some(prompt)) = prompt else { return false };
        let _waiting = state.wait_for_person(request.requests().len());
        // A user who wants errors wants them at once, and so does one who did not log in the last time.
        if state.sender().auth.mode() == AuthMode::Error || state.has_waited_for(&prompt) {
            return false;
        }
        // What a tool returns is read by a person, or by a model that passes it on.
        let was_shown = request.method() == Some("tools/call") && state.note_shown(&prompt);
        let is_seen = was_shown || prompt.has_tab() || state.is_accepted(&prompt);
        if !is_seen && elicitation::ask(state, &prompt).await != Reply::Accepted {
            return !status.is_wanted();
        }
        status.finished(HOLD).await
    };
    let logged_in = tokio::select! {
        logged_in = tokio::time::timeout(HOLD, waiting) => logged_in,
        () = send_progress(state, request) => Ok(false),
    };
    match logged_in {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        Err(_) => state.note_waited(status.prompt(Duration::ZERO).await.ok().flatten()),
    }
    Err(state.sender().login_needed().await)
}

/// Sends progress of a request for as long as this is polled; none, if the client does not want any.
async fn send_progress(state: &LoginState, request: &Message) {
    let token = request.read::<RequestParams>().and_then(|request| request.params.meta.progress_token);
    let Some(token) = token else { return std::future::pending().await };
    for count in 1u32.. {
        let prompt = state.status().prompt(Duration::ZERO).await.ok().flatten();
        let at = prompt.map(|prompt| {
            let code = prompt.code.as_ref().map(|code| format!(" (type the code {code} there)")).unwrap_or_default();
            format!(": {}{code}", prompt.address())
        });
        let has_address = at.is_some();
        let text = format!("waiting for you to sign in{}", at.unwrap_or_default());
        state.client().deliver_own(message::progress(token.get(), count, &text));
        if has_address {
            tokio::time::sleep(PROGRESS).await;
        } else {
            // The address is sent as soon as there is one.
            tokio::join!(tokio::time::sleep(LOOK_AGAIN), state.status().prompt(PROGRESS)).1.ok();
        }
    }
}
