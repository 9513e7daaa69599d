//! The bridge's own tool, with which a client can ask for a login. JSON-RPC errors are often shown to nobody; what a
//! tool says is.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Asked, answer, hold, said};
use crate::message::Message;
use crate::upstream::{Context, Outcome, Upstream};

/// The name of the tool.
const TOOL: &str = "sign_in";

/// Its name where the server has a tool of that one.
const OTHER_TOOL: &str = "mcp_ferry_sign_in";

impl Upstream {
    /// The answer to a call of the bridge's own tool, which is no server's and is never sent to one.
    pub async fn own_tool(&self, message: &Message) -> Option<Outcome> {
        if !self.0.sender.auth().login_status().is_needed() || !is_ours(&self.0, message) {
            return None;
        }
        Some(Outcome::Answer(sign_in(&self.0, message).await))
    }

    /// The name of the bridge's own tool, while there is one.
    pub fn own_tool_name(&self) -> Option<&'static str> {
        self.0.sender.auth().login_status().is_needed().then(|| name(&self.0))
    }
}

/// As `tools/list` has it, among these of the server's.
pub(super) fn listed(host: &str, tools: &[Value]) -> Value {
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

/// The name of our tool, which none of the server's has.
fn name(context: &Context) -> &'static str {
    name_among(&context.memory.recall().and_then(|kept| kept.tools).unwrap_or_default())
}

fn name_among(tools: &[Value]) -> &'static str {
    let taken = tools.iter().any(|tool| tool["name"] == TOOL);
    if taken { OTHER_TOOL } else { TOOL }
}

/// Whether this is a call of our own tool.
pub(super) fn is_ours(context: &Context, request: &Message) -> bool {
    if request.method() != Some("tools/call") {
        return false;
    }
    let called = request.read::<Asked>().and_then(|asked| asked.params.name).unwrap_or_default();
    (called == TOOL || called == OTHER_TOOL) && called == name(context)
}

/// Answers a call of our tool: the address, or that it is done.
pub(super) async fn sign_in(context: &Arc<Context>, request: &Message) -> Message {
    let text = match hold(context, request).await {
        Ok(()) => format!("Signed in to {}. Its tools work now.", context.sender.host()),
        Err(failure) => format!("{}\nThen call this tool again.", said(&failure)),
    };
    answer(context, request, json!({ "content": [{ "type": "text", "text": text }] }))
}

/// For `initialize`: what a model is told of a server that nobody is signed in to.
pub(in crate::upstream) fn instructions(host: &str) -> String {
    format!(
        "Nobody is signed in to {host} yet, so most of its tools are missing. To sign in, call the tool {TOOL}: it returns the \
         address to open in a browser. `mcp-ferry login` in a terminal does the same."
    )
}
