//! What does a client get that sends `server/discover`? The server's answer, if that comes in time.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::carry::carry;
use super::server_era::Era;
use crate::message::{self, Message, code};
use crate::task;
use crate::upstream::{ClientProtocol, Failure, Protocol};

/// Requests it within the startup wait, or sooner if the result is known; the request goes on after that. For a server that is late, or cannot be
/// reached, the client gets what the server returned last time, or an error at which it sends `initialize`.
/// `is_modern_client`: the client will not send `initialize`, or need not. `None`: the request takes the other route.
pub(crate) async fn discover(
    era: &Arc<Era>,
    request: &Message,
    is_modern_client: bool,
) -> Result<Option<Message>, Failure> {
    let options = &era.options;
    let must_be_modern = options.client_protocol == ClientProtocol::Modern;
    if must_be_modern && era.takes_modern() != Some(true) {
        // Such a client cannot do anything with that error.
        return carry(era, request, false).await;
    }
    let carrying = task::spawn({
        let (era, request) = (Arc::clone(era), request.clone());
        async move { carry(&era, &request, false).await }
    });
    let begun = Instant::now();
    let is_known = era.memory.recall(|record| match era.takes_modern() {
        Some(true) => record.discover.is_some(),
        // The client goes on with `initialize`, whose result is known.
        _ => record.initialize.is_some(),
    });
    let carried = era.in_time(options.wait_for_answer(is_known), carrying).await;
    if matches!(&carried, None | Some(Ok(Err(Failure::Unreachable(_))))) {
        era.set_unanswered(begun);
    }
    let answer = match carried {
        Some(Ok(Ok(answer))) => answer,
        Some(Ok(Err(failure))) if is_modern_client && failure.wants_login() => return Err(failure),
        failed if era.takes_modern() == Some(true) => {
            if let Some(discovered) = era.memory.recall(|record| record.discover.clone()) {
                let mut result = Value::Object(discovered);
                era.server.link.sender.outage.explain(&mut result);
                return Ok(Some(message::result(request.raw_id().unwrap_or("null"), &result)));
            }
            match failed {
                Some(Ok(Err(failure))) if options.protocol == Protocol::Modern => return Err(failure),
                _ => None,
            }
        }
        _ => None,
    };
    if must_be_modern {
        return Ok(answer);
    }
    Ok(answer.or_else(|| Some(unsupported(request))))
}

/// The error at which a client sends `initialize`.
fn unsupported(request: &Message) -> Message {
    let why = "server/discover is not supported; use initialize";
    message::error(request.raw_id().unwrap_or("null"), code::METHOD_NOT_FOUND, why, None)
}
