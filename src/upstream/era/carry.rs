//! What does the response to a modern client's request decide? The [decision list](super), row by row.

use super::evidence::{
    is_harmless, is_legacy_error, is_legacy_failure, is_modern_discover_error, is_modern_error, may_be_repeated,
};
use super::probe::answers_discover;
use super::server_era::Era;
use crate::message::Message;
use crate::translate::to_legacy::is_complete;
use crate::upstream::Failure;
use crate::upstream::exchange::backoff::is_limit;
use crate::upstream::transport::modern::{Answered, forward_subscription};

/// Carries a modern client's request as it is. `None`: the server is legacy, and has not carried it out.
/// `is_acknowledged`: it is a subscription, and the client has its acknowledgement already.
pub(crate) async fn carry(era: &Era, request: &Message, is_acknowledged: bool) -> Result<Option<Message>, Failure> {
    let answered = match request.method() {
        Some("subscriptions/listen") => {
            let on_acknowledged = || era.set_modern(None);
            Box::pin(forward_subscription(&era.server, request, is_acknowledged, &on_acknowledged)).await
        }
        _ => era.server.request(request, &mut |_| true).await,
    };
    match answered {
        Ok(answered) => {
            if answered.sent_request && !era.is_proven_modern() {
                era.set_legacy();
            }
            decide_on_answer(era, request, answered).await
        }
        Err(failure) => decide_on_failure(era, request, failure).await,
    }
}

/// Rows 1 to 5.
async fn decide_on_failure(era: &Era, request: &Message, failure: Failure) -> Result<Option<Message>, Failure> {
    let is_lost = matches!(failure, Failure::Unusable(_)) && !is_harmless(request);
    if is_lost || !is_legacy_failure(&failure) || era.is_proven_modern() {
        return Err(failure);
    }
    if !is_complete(request) {
        match answers_discover(era, request).await {
            Ok(false) => {}
            Ok(true) => return Err(failure),
            // The client's own request wants no login.
            Err(probe) if probe.wants_login() => return Err(failure),
            Err(probe) => return Err(probe),
        }
    }
    era.set_legacy();
    Ok(None)
}

/// Rows 2 and 6 to 11.
async fn decide_on_answer(era: &Era, request: &Message, answered: Answered) -> Result<Option<Message>, Failure> {
    if !answered.is_error() {
        era.note_result(answered.result());
        return Ok(Some(answered.answer));
    }
    let Answered { status, answer, .. } = answered;
    if is_limit(status) {
        return Err(Failure::Rpc(answer));
    }
    let is_discover = request.method() == Some("server/discover");
    let is_recognised = if is_discover { is_modern_discover_error } else { is_modern_error };
    let fits = era.is_proven_modern() && !is_legacy_error(status, &answer);
    let mut is_modern = fits || is_recognised(status, &answer);
    // A complete `server/discover` that was refused is answered already.
    if !(is_modern || is_discover && is_complete(request)) {
        match answers_discover(era, request).await {
            Ok(answers) => is_modern = answers,
            Err(_) => return Ok(Some(answer)),
        }
    }
    if !is_modern {
        era.set_legacy();
        if may_be_repeated(request, status, &answer) {
            return Ok(None);
        }
    }
    Ok(Some(answer))
}
