//! Has the server another era by now than the one that was found, in an earlier run or in this one?

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::evidence::{is_either_error, is_modern_error};
use super::probe::{answers_discover, discovered};
use super::server_era::Era;
use super::suspicion::Suspicion;
use crate::message::code::RESOURCE_NOT_FOUND;
use crate::message::{self, Message, code, error_code};
use crate::translate::to_legacy;
use crate::upstream::Failure;
use crate::upstream::exchange::{Outcome, Reply};
use crate::upstream::transport::Transport;

/// So many errors in a row, with no result between them, that a legacy server may have had a reason for each.
const MANY: u32 = 3;

/// A server that was asked, and has the era that was found, is not asked again for every error.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Whether a modern client's request, which was translated, was refused because the server is not legacy, or not any
/// more. A request that was refused so is not carried out.
pub(crate) async fn is_mistaken_for_legacy(era: &Era, request: &Message, answer: &Message) -> bool {
    if !era.is_auto() || !to_legacy::is_modern(request) {
        return false;
    }
    let suspicion = &era.suspicion;
    let is_raised = suspicion.raised.load(Ordering::Relaxed) && is_either_error(answer);
    if !is_raised && !is_modern_error(StatusCode::OK, answer) {
        return false;
    }
    let _turn = suspicion.asking.lock().await;
    if era.is_proven_modern() {
        return true;
    }
    let is_modern = answers_discover(era, request).await;
    suspicion.raised.store(false, Ordering::Relaxed);
    is_modern.unwrap_or(false)
}

/// Whether what came of a request is nothing for which a server of this session's era has a reason. `count_error`:
/// counts one more error in a row; in ordinary work a legacy server is never asked.
pub(crate) fn may_have_changed(
    suspicion: &Suspicion,
    transport: &Transport,
    request: &Message,
    reply: &Result<Reply, Failure>,
    count_error: impl FnOnce() -> u32,
) -> bool {
    let are_many = || count_error() >= MANY;
    let error = match reply {
        Ok(Reply { outcome: Outcome::Answer(answer), .. }) | Err(Failure::Rpc(answer)) => answer,
        // A 404 is more likely from a proxy while the server is restarted.
        Err(Failure::Status { status: StatusCode::BAD_REQUEST, .. }) => {
            return match transport {
                Transport::Modern(_) => true,
                Transport::Legacy(_) => are_many(),
                Transport::HttpSse(_) => false,
            };
        }
        _ => return false,
    };
    let Some(code) = error_code(error) else { return false };
    match transport {
        // The codes with which legacy servers refuse what belongs to no session.
        Transport::Modern(_) => match code {
            code::INVALID_REQUEST | code::INVALID_PARAMS => true,
            RESOURCE_NOT_FOUND => request.method() != Some("resources/read"),
            code => (-32019..=-32000).contains(&code),
        },
        Transport::Legacy(_) => {
            let is_raised = suspicion.raised.swap(false, Ordering::Relaxed);
            is_modern_error(StatusCode::OK, error) || is_raised && are_many()
        }
        Transport::HttpSse(_) => false,
    }
}

/// Asks the server whether its era is another than that of this session. Of many requests that are refused at once, one
/// asks. `is_current`: whether the session is still the one that is open; if it is not, another request has asked.
pub(crate) async fn has_changed(era: &Era, transport: &Transport, is_current: impl Fn() -> bool) -> bool {
    let mut showed_nothing = era.suspicion.asking.lock().await;
    if !is_current() {
        return true;
    }
    if showed_nothing.is_some_and(|since| since.elapsed() < ASK_AGAIN) {
        return false;
    }
    let Some(initialize) = era.server.link.handshake.initialize() else { return false };
    let discovered = discovered(era, &initialize).await;
    let is_another = discovered.is_ok_and(|discovered| discovered.is_some() != transport.is_modern());
    // A server with a modern side may still have its legacy side, and the session on it.
    let has_changed = is_another && (transport.is_modern() || !is_alive(era, transport).await);
    *showed_nothing = (!has_changed).then(Instant::now);
    has_changed
}

/// Whether a session still answers.
async fn is_alive(era: &Era, transport: &Transport) -> bool {
    let ping = message::ping(&era.server.link.own_requests.next_id());
    match tokio::time::timeout(ASK_AGAIN, transport.request_once(&ping)).await {
        Ok(Ok(Reply { outcome: Outcome::Answer(answer), .. })) => error_code(&answer).is_none(),
        Ok(_) => false,
        // Slow is not gone.
        Err(_) => true,
    }
}
