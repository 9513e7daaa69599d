//! How is a modern server's `server/discover` told as the answer to `initialize`?

use serde_json::json;

use super::Client;
use crate::message::Message;
use crate::message::{Change, Members, quoted};
use crate::translate::{LATEST_LEGACY, LEGACY_REVISIONS, TASKS, meta};

/// The question.
pub(crate) fn discover(client: &Client, raw_id: &str) -> Option<Message> {
    client.request(raw_id, "server/discover", "{}")
}

/// The result of `server/discover`, JSON text, as that of an `initialize` that asked for this revision. `name` stands
/// for a server that does not say its own. `None`: it is no such result.
pub(crate) fn initialize_result(discovered: &str, revision: &str, name: &str) -> Option<String> {
    let result = Members::of(discovered)?;
    let capabilities = result.object("capabilities")?;
    let revision = if LEGACY_REVISIONS.contains(&revision) { revision } else { LATEST_LEGACY };
    let revision = quoted(revision);
    let said = result.object("_meta");
    let server = said.as_ref().and_then(|said| said.object(meta::SERVER_INFO).and(said.get(meta::SERVER_INFO)));
    // Earlier drafts had it beside the capabilities.
    let server = server.or_else(|| result.object("serverInfo").and(result.get("serverInfo")));
    let server = server.map_or_else(|| json!({ "name": name, "version": "unknown" }).to_string(), str::to_owned);
    // Tasks are the bridge's to follow, and not what a legacy client would take them for.
    let extensions = capabilities.object("extensions").map(|extensions| extensions.with(&[(TASKS, Change::Remove)]));
    let extensions = extensions.as_deref().filter(|rest| Members::of(rest).is_some_and(|rest| !rest.is_empty()));
    let capabilities = capabilities.with(&[("extensions", extensions.map_or(Change::Remove, Change::Set))]);
    let rest = said.map(|said| said.with(&[(meta::SERVER_INFO, Change::Remove)]));
    let rest = rest.as_deref().filter(|rest| Members::of(rest).is_some_and(|rest| !rest.is_empty()));
    Some(result.with(&[
        ("resultType", Change::Remove),
        ("supportedVersions", Change::Remove),
        ("ttlMs", Change::Remove),
        ("cacheScope", Change::Remove),
        ("protocolVersion", Change::Set(&revision)),
        ("capabilities", Change::Set(&capabilities)),
        ("serverInfo", Change::Set(&server)),
        ("_meta", rest.map_or(Change::Remove, Change::Set)),
    ]))
}
