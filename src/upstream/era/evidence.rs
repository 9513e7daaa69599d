//! What does a response show of the era of the server that sent it? Pure: a status, an error or a failure in, yes or no
//! out.

use http::StatusCode;
use serde_json::Value;

use crate::message::code;
use crate::message::{ErrorObject, Initialize, Message, error_code};
use crate::upstream::Failure;
use crate::upstream::exchange::backoff::is_limit;
use crate::upstream::transport::OpenError;
use crate::upstream::transport::modern::is_modern_revision;

/// Whether only a modern server returns this error with this status.
pub(crate) fn is_modern_error(status: StatusCode, error: &Message) -> bool {
    let Some(error) = ErrorObject::of(error) else { return false };
    let data = error.data.unwrap_or_default();
    let supported = || data["supported"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names_modern = || supported().iter().filter_map(Value::as_str).any(is_modern_revision);
    match error.code.as_i64() {
        Some(code::HEADER_MISMATCH | code::MISSING_REQUIRED_CLIENT_CAPABILITY) => true,
        // A server that has turned its modern side off returns the same code.
        Some(code::UNSUPPORTED_PROTOCOL_VERSION) => supported().is_empty() || names_modern(),
        Some(code::METHOD_NOT_FOUND) if status == StatusCode::NOT_FOUND => true,
        _ => names_modern(),
    }
}

/// Whether only a modern server returns this error to `server/discover`. Every modern server has that method.
pub(super) fn is_modern_discover_error(status: StatusCode, error: &Message) -> bool {
    error_code(error) != Some(code::METHOD_NOT_FOUND) && is_modern_error(status, error)
}

/// Whether a server of either era may return this error: it has no such method, or misses a parameter.
pub(super) fn is_either_error(error: &Message) -> bool {
    matches!(error_code(error), Some(code::METHOD_NOT_FOUND | code::INVALID_PARAMS))
}

/// Whether a server that has lost its legacy side may return this error within a session: it misses what a modern
/// request has in `_meta`, or does not know the method.
pub(super) fn is_either_error_in_session(status: StatusCode, error: &Message) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
        && (is_either_error(error) || error_code(error) == Some(crate::message::code::INVALID_REQUEST))
}

/// Whether a modern server has no reason to return this error: so a legacy server refuses what belongs to no session.
pub(super) fn is_legacy_error(status: StatusCode, error: &Message) -> bool {
    status.is_client_error() && !is_modern_error(status, error) && !is_either_error(error)
}

/// Whether a server that takes modern requests would not have failed so. A missing login, a limit or an outage shows
/// nothing of the era.
pub(super) fn is_legacy_failure(failure: &Failure) -> bool {
    match failure {
        Failure::Status { status, .. } => status.is_client_error() && !is_limit(*status),
        Failure::Unusable(_) => true,
        _ => false,
    }
}

/// Whether an error to a request of the bridge's own shows only that the server has failed.
pub(super) fn is_passing_error(status: StatusCode, error: &Message) -> bool {
    is_limit(status) || status.is_server_error() || error_code(error) == Some(crate::message::code::INTERNAL_ERROR)
}

/// Whether an attempt to open by `server/discover` shows that the server is not modern.
pub(crate) fn is_not_modern(error: &OpenError) -> bool {
    match error {
        OpenError::Error(status, error) => !is_limit(*status) && !is_modern_discover_error(*status, error),
        OpenError::Failure(failure) => is_legacy_failure(failure),
    }
}

/// Whether an attempt to open by `initialize` shows that the server is modern, or leaves that open.
pub(crate) fn may_be_modern(error: &OpenError) -> bool {
    match error {
        OpenError::Error(status, error) => is_modern_error(*status, error) || may_refuse_initialize(error),
        OpenError::Failure(_) => false,
    }
}

/// Whether a server may return this error to `initialize` because it has no such method and never had.
pub(super) fn may_refuse_initialize(error: &Message) -> bool {
    is_either_error(error) || error_code(error) == Some(crate::message::code::INVALID_REQUEST)
}

/// Whether a server has agreed on a modern revision, which has no `initialize`, with a client that requested another
/// revision.
pub(crate) fn agrees_on_modern(initialize: &Message, answer: &Message) -> bool {
    let agreed = Initialize::result(answer).and_then(|result| result.protocol_version);
    let requested = Initialize::params(initialize).and_then(|params| params.protocol_version);
    agreed != requested && agreed.is_some_and(|revision| is_modern_revision(&revision))
}

/// Whether a request changes nothing, so that it may be carried out once more.
pub(super) fn is_harmless(request: &Message) -> bool {
    matches!(
        request.method(),
        Some(
            "server/discover"
                | "tools/list"
                | "prompts/list"
                | "prompts/get"
                | "resources/list"
                | "resources/templates/list"
                | "resources/read"
                | "completion/complete"
                | "subscriptions/listen"
        )
    )
}

/// Whether a request may be sent in a session after this error, which it met without one: if the server has refused it,
/// and not failed at carrying it out.
pub(super) fn may_be_repeated(request: &Message, status: StatusCode, error: &Message) -> bool {
    use crate::message::code::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR};
    let refusals = [PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS];
    is_harmless(request)
        || status.is_client_error()
        || error_code(error).is_none_or(|code| refusals.contains(&code))
        || error.as_str().to_ascii_lowercase().contains("not initialized")
}
