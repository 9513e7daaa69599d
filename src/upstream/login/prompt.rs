//! How is a modern client's user sent to the address of a login? By the response to a request that needs one, after
//! which the client sends the request again ("Multi Round-Trip Requests"). This is never the only way: a client that
//! was asked once may be held the next time.

use std::time::Duration;

use serde_json::json;

use super::answers::{answer, not_logged_in};
use super::elicitation::{READ, address, sentence};
use super::hold::PROMPT;
use super::state::LoginState;
use crate::message::{Change, Members, Message};
use crate::translate::{meta, to_legacy};
use crate::upstream::Failure;
use crate::upstream::exchange::Outcome;

/// The methods whose response may be an input request.
const ANSWERABLE: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// The input request's name.
const KEY: &str = "sign_in";

/// The `requestState` of the input request. It need not be secret: all it says is that the bridge has sent one.
const STATE: &str = "mcp-ferry: signing in";

/// A login may be made in this time without a person, where the browser knows its user.
const BY_ITSELF: Duration = Duration::from_secs(2);

/// A request that was sent again after the prompt.
pub(crate) struct RepeatedRequest {
    /// As it was the first time.
    pub(crate) request: Message,
    action: Action,
}

/// What the person did with the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Accepted,
    Declined,
    /// The client says nothing of that kind.
    Unknown,
}

impl RepeatedRequest {
    /// `None`: it is another request.
    pub(crate) fn of(request: &Message) -> Option<Self> {
        // Cheap for the many that are not.
        let members = Some(request.as_str()).filter(|text| text.contains(STATE)).and_then(Members::of)?;
        let params = members.object("params")?;
        params.string("requestState").filter(|state| state == STATE)?;
        let response = params.object("inputResponses").and_then(|responses| responses.object(KEY));
        let action = response.and_then(|response| response.string("action"));
        let params = params.with(&[("requestState", Change::Remove), ("inputResponses", Change::Remove)]);
        let request = request.edited(&members, &[("params", Change::Set(&params))]);
        let action = match action.as_deref() {
            Some("accept") => Action::Accepted,
            Some("decline" | "cancel") => Action::Declined,
            _ => Action::Unknown,
        };
        Some(Self { request, action })
    }

    /// The response, if the person does not want to log in, and a login is still missing.
    pub(super) async fn declined(&self, state: &LoginState) -> Option<Result<Outcome, Failure>> {
        if self.action == Action::Accepted {
            state.note_accepted();
        }
        let was_read = state.prompted_at().is_some_and(|prompted| prompted.elapsed() > READ);
        if self.action != Action::Declined || !was_read || !state.status().is_wanted() {
            return None;
        }
        Some(not_logged_in(state, &self.request, state.sender().login_needed().await))
    }
}

/// Asks the person to open the address, if no browser shows it, the client can do that and the person was not asked
/// before. The response is the input request.
pub(super) async fn ask(state: &LoginState, request: &Message) -> Option<Message> {
    if !request.method().is_some_and(|method| ANSWERABLE.contains(&method)) || !can_open(request) {
        return None;
    }
    let status = state.status();
    status.request_login();
    if status.finished(BY_ITSELF).await {
        return None;
    }
    let prompt = status.settled_prompt(PROMPT).await.ok().flatten()?;
    if prompt.has_tab() || !state.is_new_prompt(&prompt) {
        return None;
    }
    let params = json!({ "mode": "url", "url": address(&prompt), "message": sentence(&state.sender().host, &prompt) });
    let input_request = json!({ "method": "elicitation/create", "params": params });
    let result =
        json!({ "resultType": "input_required", "inputRequests": { KEY: input_request }, "requestState": STATE });
    Some(answer(state, request, result))
}

/// Whether the client has declared that it opens addresses; `{}` alone means forms.
fn can_open(request: &Message) -> bool {
    let url = || {
        let meta = request.params()?.object("_meta")?;
        meta.object(meta::CLIENT_CAPABILITIES)?.object("elicitation")?.object("url")
    };
    to_legacy::is_modern(request) && url().is_some()
}
