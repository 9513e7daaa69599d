//! How does `server/discover` of a modern server become `initialize`?

use serde_json::json;

use super::Client;
use crate::message::{Change, Members, Message, quoted};
use crate::translate::protocol::{LATEST_LEGACY, LEGACY_REVISIONS, TASKS, meta};

/// The request.
pub(crate) fn request(client: &Client, raw_id: &str) -> Message {
    client.request(raw_id, "server/discover", "{}")
}

/// Translates the result of `server/discover` into that of an `initialize` that asked for this revision; both are JSON
/// text. `name` stands for a server that does not send its own. `None`: the text is not such a result.
pub(crate) fn initialize_result(discovered: &str, revision: &str, name: &str) -> Option<String> {
    let result = Members::of(discovered)?;
    let capabilities = result.object("capabilities")?;
    let revision = quoted(if LEGACY_REVISIONS.contains(&revision) { revision } else { LATEST_LEGACY });
    let meta = result.object("_meta");
    let server = meta.as_ref().and_then(|meta| meta.object(meta::SERVER_INFO).and(meta.get(meta::SERVER_INFO)));
    // Earlier drafts had it beside the capabilities.
    let server = server.or_else(|| result.object("serverInfo").and(result.get("serverInfo")));
    let server = server.map_or_else(|| json!({ "name": name, "version": "unknown" }).to_string(), str::to_owned);
    // The bridge follows tasks itself, and legacy clients know other ones.
    let (no_tasks, no_info) = ([(TASKS, Change::Remove)], [(meta::SERVER_INFO, Change::Remove)]);
    let extensions = capabilities.object("extensions");
    let extensions = extensions.as_ref().map_or(Change::Remove, |members| members.change_or_remove(&no_tasks));
    let meta = meta.as_ref().map_or(Change::Remove, |members| members.change_or_remove(&no_info));
    Some(result.with(&[
        ("resultType", Change::Remove),
        ("supportedVersions", Change::Remove),
        ("ttlMs", Change::Remove),
        ("cacheScope", Change::Remove),
        ("protocolVersion", Change::Set(&revision)),
        ("capabilities", Change::Within(&capabilities, &[("extensions", extensions)])),
        ("serverInfo", Change::Set(&server)),
        ("_meta", meta),
    ]))
}
