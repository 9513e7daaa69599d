//! How does a request wait for a person to log in? The client learns where, and that the bridge still waits.

use std::time::Duration;

use super::elicitation::{self, Reply};
use super::state::{LoginState, RequestParams};
use crate::auth::AuthMode;
use crate::message::{self, Message};
use crate::upstream::Failure;
use std::sync::Arc;

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
        let prompt = status.prompt(PROMPT).await;
        let _waiting = state.wait_for_person(request.requests().len());
        if let Ok(Some(prompt)) = &prompt
            && elicitation::ask(state, prompt).await == Reply::Declined
        {
            return false;
        }
        // A login that cannot be begun need not be waited for, and a user who wants errors wants them at once.
        let is_waited_for = prompt.is_ok() && state.sender().auth.mode() != AuthMode::Error;
        is_waited_for && status.finished(HOLD).await
    };
    let logged_in = tokio::select! {
        logged_in = tokio::time::timeout(HOLD, waiting) => logged_in.unwrap_or(false),
        () = send_progress(state, request) => false,
    };
    if logged_in { Ok(()) } else { Err(state.sender().login_needed().await) }
}

/// Sends progress of a request for as long as this is polled; none, if the client does not want any.
async fn send_progress(state: &LoginState, request: &Message) {
    let token = request.read::<RequestParams>().and_then(|request| request.params.meta.progress_token);
    let Some(token) = token else { return std::future::pending().await };
    for count in 1u32.. {
        let prompt = state.status().prompt(Duration::ZERO).await.ok().flatten();
        let at = prompt.map(|prompt| {
            let code = prompt.code.map(|code| format!(" (type the code {code} there)")).unwrap_or_default();
            format!(": {}{code}", prompt.url)
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
