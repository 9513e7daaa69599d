//! What an answer shows of the era of whoever gave it.

use http::StatusCode;

use crate::error::Failure;
use crate::message::{Message, code};
use crate::upstream::{NotOpened, Opened, first, modern};

/// Whether a server that takes modern requests would not have failed so. What a login, a limit or an outage says is
/// nothing of the kind.
pub(super) fn says_legacy(failure: &Failure) -> bool {
    match failure {
        Failure::Status { status, .. } => {
            status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
        }
        Failure::Unusable(_) => true,
        _ => false,
    }
}

/// Whether an error to `server/discover` is a modern server's. Every one of those has that method.
pub(super) fn knows_discover(status: StatusCode, error: &Message) -> bool {
    modern::error_code(error) != Some(code::METHOD_NOT_FOUND) && modern::is_recognised(status, error)
}

/// Whether an attempt to open by `server/discover` shows that the server is not modern.
pub(in crate::upstream) fn is_not_modern(refused: &NotOpened) -> bool {
    match refused {
        NotOpened::Error(status, error) => !knows_discover(*status, error),
        NotOpened::Failure(failure) => says_legacy(failure),
    }
}

/// Whether an attempt to shake hands shows that the server is modern, or leaves it open.
pub(in crate::upstream) fn may_be_modern(refused: &NotOpened) -> bool {
    match refused {
        NotOpened::Error(status, error) => {
            modern::is_recognised(*status, error)
                || modern::may_be_modern(error)
                || modern::error_code(error) == Some(code::INVALID_REQUEST)
        }
        NotOpened::Failure(_) => false,
    }
}

/// Whether a server has shaken hands in a modern revision, which has no such thing, with a client that asked for
/// another.
pub(in crate::upstream) fn is_beyond(opened: &Opened, initialize: &Message) -> bool {
    let settled = first::answered(&opened.answer).and_then(|(greeting, _)| greeting.protocol_version);
    let asked = first::asked(initialize).and_then(|greeting| greeting.protocol_version);
    settled != asked && settled.is_some_and(|revision| modern::is_modern_revision(&revision))
}
