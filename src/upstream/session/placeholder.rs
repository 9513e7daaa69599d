//! What does the bridge answer to `initialize` when the server's own result does not come in time? The last result that
//! is known, else one which promises that the lists can change.

use serde_json::{Value, json};

use crate::message::{self, Initialize, Message};
use crate::translate::LEGACY_REVISIONS;
use crate::upstream::era::Memory;
use crate::upstream::exchange::Sender;
use crate::upstream::transport::{Capabilities, Link};

/// The beginning of the name of the bridge's own tool, which logs in.
pub(crate) const LOGIN_TOOL: &str = "sign_in_to_";

/// How much of a server's name the tool's name has. Clients add names of their own, and models take 64 characters in all.
const LONGEST_NAME: usize = 21;

/// The paths that say nothing of a server.
const USUAL_PATHS: [&str; 4] = ["", "/mcp", "/sse", "/v1/mcp"];

/// The name of the bridge's own tool. It names the server, because some clients put the tools of all servers into one
/// list; where the host does not tell servers or logins apart, a few more letters do.
pub(crate) fn login_tool(sender: &Sender) -> String {
    let host = sender.uri.authority().map_or("", |authority| authority.as_str());
    let mut name = String::new();
    for c in host.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }) {
        if c != '_' || !name.is_empty() && !name.ends_with('_') {
            name.push(c);
        }
    }
    let is_usual = USUAL_PATHS.contains(&sender.uri.path().trim_end_matches('/')) && sender.uri.query().is_none();
    let is_cut = name.len() > LONGEST_NAME;
    name.truncate(LONGEST_NAME);
    if is_cut || !is_usual || sender.auth.has_profile() {
        let login: String = sender.auth.name().chars().take(4).collect();
        name = format!("{}_{login}", name.trim_end_matches('_'));
    }
    format!("{LOGIN_TOOL}{}", name.trim_end_matches('_'))
}

/// The capabilities of a server of which nothing is known.
pub(crate) fn every_list() -> Value {
    let list = json!({ "listChanged": true });
    json!({ "tools": list, "prompts": list, "resources": list })
}

/// A response to `initialize` in the place of the server's.
pub(crate) fn initialize_response(link: &Link, memory: &Memory, initialize: &Message) -> Message {
    let host = &link.sender.host;
    let requested = Initialize::params(initialize).and_then(|params| params.protocol_version);
    let revision = requested.filter(|requested| LEGACY_REVISIONS.contains(&requested.as_str()));
    let revision = revision.unwrap_or_else(|| LEGACY_REVISIONS[0].to_owned());
    let known = memory.recall(|record| record.initialize_result(&revision, host));
    let is_known = known.is_some();
    let mut result = known.unwrap_or_else(
        || json!({ "capabilities": every_list(), "serverInfo": { "name": host, "version": "unknown" } }),
    );
    // Revisions are dates, and the client's own is never too new for it.
    let known = result["protocolVersion"].as_str().unwrap_or_default();
    if known.is_empty() || known > revision.as_str() {
        result["protocolVersion"] = revision.into();
    }
    promise(link, &mut result);
    link.capabilities.set_promised(result["capabilities"].clone(), is_known);
    message::result(initialize.raw_id().unwrap_or("null"), &result)
}

/// Has a result, of `initialize` or of `server/discover`, promise that its lists can change, and say that the server is
/// not there, or that a login is missing.
pub(crate) fn promise(link: &Link, result: &mut Value) {
    Capabilities::promise_changes(result);
    link.sender.outage.explain(result);
    if link.sender.auth.login_status().is_needed() {
        let known = result["instructions"].as_str().map(|known| format!("\n\n{known}")).unwrap_or_default();
        result["instructions"] = format!("{}{known}", instructions(&link.sender)).into();
        result["capabilities"]["tools"] = json!({ "listChanged": true });
    }
}

/// What a model is told of a server for which a login is missing.
fn instructions(sender: &Sender) -> String {
    format!(
        "Nobody is signed in to {} yet, so most of its tools are missing. To sign in, call the tool `{}`: it opens a \
         browser, or returns the address to open in one. `{}` in a terminal does the same.",
        sender.host,
        login_tool(sender),
        sender.auth.login_command()
    )
}
