//! Which revisions does a server name in `server/discover`, and in the error that refuses a revision?

use crate::message::code;
use crate::message::{Members, Message, error_code};
use crate::translate::MODERN_REVISIONS;

/// Whether this is the result of a `server/discover` by a server that speaks a modern revision.
pub(crate) fn is_discover_result(result: &str) -> bool {
    let versions = Members::of(result).and_then(|result| result.get("supportedVersions"));
    let versions: Vec<String> = versions.and_then(|versions| serde_json::from_str(versions).ok()).unwrap_or_default();
    versions.iter().any(|version| is_modern_revision(version))
}

/// Revisions are dates.
pub(crate) fn is_modern_revision(revision: &str) -> bool {
    MODERN_REVISIONS.last().is_some_and(|first| revision >= *first)
}

/// The revision, of those that the bridge speaks, that a server names which refuses another.
pub(super) fn offered_revision(error: &Message) -> Option<&'static str> {
    if error_code(error) != Some(code::UNSUPPORTED_PROTOCOL_VERSION) {
        return None;
    }
    let data = error.members()?.object("error")?.object("data")?;
    let supported: Vec<String> = serde_json::from_str(data.get("supported")?).ok()?;
    MODERN_REVISIONS.into_iter().find(|ours| supported.iter().any(|revision| revision == ours))
}
