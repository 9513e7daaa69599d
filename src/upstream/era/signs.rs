//! What an answer shows of the era of whoever gave it.

use http::StatusCode;

use crate::message::{Initialize, Message, code, error_code};
use crate::upstream::Failure;
use crate::upstream::{NotOpened, Opened, modern};

/// Whether a server that takes modern requests would not have failed so. What a login, a limit or an outage says is
/// nothing of the kind.
pub(super) fn says_legacy(failure: &Failure) -> bool {
    match failure {
        Failure::Status { status, .. } => status.is_client_error() && !is_limit(*status),
        Failure::Unusable(_) => true,
        _ => false,
    }
}

/// Whether this is said of whoever asks, or of when: of a login, a limit or an outage.
pub(super) fn is_limit(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
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
    let refusals = [code::PARSE_ERROR, code::INVALID_REQUEST, code::METHOD_NOT_FOUND, code::INVALID_PARAMS];
    is_harmless(request)
        || status.is_client_error()
        || error_code(error).is_none_or(|code| refusals.contains(&code))
        || error.as_str().to_ascii_lowercase().contains("not initialized")
}

/// Whether an error to a request of ours says nothing of the server but that it has failed.
pub(super) fn fails_for_now(status: StatusCode, error: &Message) -> bool {
    is_limit(status) || status.is_server_error() || error_code(error) == Some(code::INTERNAL_ERROR)
}

/// Whether an error to `server/discover` is a modern server's. Every one of those has that method.
pub(super) fn knows_discover(status: StatusCode, error: &Message) -> bool {
    error_code(error) != Some(code::METHOD_NOT_FOUND) && modern::is_recognised(status, error)
}

/// Whether a server that has lost its legacy side may say this within a session: it misses what a modern request has in
/// `_meta`, or does not know the method.
pub(super) fn is_refusal_of_either_era(status: StatusCode, error: &Message) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
        && (modern::may_be_modern(error) || error_code(error) == Some(code::INVALID_REQUEST))
}

/// Whether an attempt to open by `server/discover` shows that the server is not modern.
pub(in crate::upstream) fn is_not_modern(refused: &NotOpened) -> bool {
    match refused {
        NotOpened::Error(status, error) => !is_limit(*status) && !knows_discover(*status, error),
        NotOpened::Failure(failure) => says_legacy(failure),
    }
}

/// Whether an attempt to shake hands shows that the server is modern, or leaves it open.
pub(in crate::upstream) fn may_be_modern(refused: &NotOpened) -> bool {
    match refused {
        NotOpened::Error(status, error) => {
            modern::is_recognised(*status, error)
                || modern::may_be_modern(error)
                || error_code(error) == Some(code::INVALID_REQUEST)
        }
        NotOpened::Failure(_) => false,
    }
}

/// Whether a server has shaken hands in a modern revision, which has no such thing, with a client that asked for
/// another.
pub(in crate::upstream) fn is_beyond(opened: &Opened, initialize: &Message) -> bool {
    let settled = Initialize::result(&opened.answer).and_then(|result| result.protocol_version);
    let asked = Initialize::params(initialize).and_then(|params| params.protocol_version);
    settled != asked && settled.is_some_and(|revision| modern::is_modern_revision(&revision))
}
