//! What is the bridge's own tool, with which a client can request a login?

use std::sync::Arc;

use serde_json::{Value, json};

use super::answers::{answer, text};
use super::hold::hold;
use super::state::{LoginState, RequestParams};
use crate::message::Message;
use crate::upstream::session::placeholder::LOGIN_TOOL;

/// Its name where the server has a tool with the [usual name](LOGIN_TOOL).
const OTHER_NAME: &str = "mcp_ferry_sign_in";

/// The tool as `tools/list` has it, among these of the server's.
pub(super) fn entry(host: &str, tools: &[Value]) -> Value {
    json!({
        "name": name_among(tools),
        "title": "Sign in",
        "description": format!(
            "Sign in to {host}. Nobody is signed in there yet, so its other tools do not work. \
             Returns the address to open in a browser, and waits a while for the sign-in to be done."
        ),
        "inputSchema": { "type": "object", "properties": {} },
        "annotations": { "title": "Sign in", "readOnlyHint": true, "openWorldHint": true },
    })
}

/// The name of the tool, which no tool of the server has.
pub(super) fn name(state: &LoginState) -> &'static str {
    state.session.era.memory.recall(|record| name_among(record.tools.as_deref().unwrap_or_default()))
}

fn name_among(tools: &[Value]) -> &'static str {
    let is_taken = tools.iter().any(|tool| tool["name"] == LOGIN_TOOL);
    if is_taken { OTHER_NAME } else { LOGIN_TOOL }
}

/// Whether this is a call of the bridge's own tool.
pub(super) fn is_called(state: &LoginState, request: &Message) -> bool {
    // Cheap for the many that do not.
    if request.method() != Some("tools/call") || !request.as_str().contains(LOGIN_TOOL) {
        return false;
    }
    let called = request.read::<RequestParams>().and_then(|request| request.params.name).unwrap_or_default();
    (called == LOGIN_TOOL || called == OTHER_NAME) && called == name(state)
}

/// Answers a call of the tool: with the address, or that the login is made.
pub(super) async fn call(state: &Arc<LoginState>, request: &Message) -> Message {
    let text = match hold(state, request).await {
        Ok(()) => format!("Signed in to {}. Its tools work now.", state.sender().host),
        Err(failure) => format!("{}\nThen call this tool again.", text(&failure)),
    };
    answer(state, request, json!({ "content": [{ "type": "text", "text": text }] }))
}
