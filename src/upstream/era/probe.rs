//! Does the server answer `server/discover`, as every modern server does?

use serde_json::json;

use super::evidence::{is_legacy_failure, is_modern_discover_error, is_passing_error};
use super::server_era::Era;
use crate::message::{self, Message};
use crate::translate::to_legacy::is_complete;
use crate::translate::to_modern::Client;
use crate::translate::{MODERN_REVISIONS, meta};
use crate::upstream::Failure;
use crate::upstream::exchange::backoff::is_limit;
use crate::upstream::transport::modern::{Answered, is_discover_result};

/// Whether the server answers `server/discover`, sent with the `_meta` of this request, or with the bridge's own where
/// the request lacked a member. An error: that cannot be found out now.
pub(super) async fn answers_discover(era: &Era, request: &Message) -> Result<bool, Failure> {
    let meta = request.params().and_then(|params| params.get("_meta"));
    let own = json!({ meta::PROTOCOL_VERSION: MODERN_REVISIONS[0], meta::CLIENT_CAPABILITIES: {} }).to_string();
    let meta = meta.filter(|_| is_complete(request)).unwrap_or(&own);
    let params = format!(r#"{{"_meta":{meta}}}"#);
    let discover = message::request(&era.server.link.own_requests.next_id(), "server/discover", &params);
    match Box::pin(era.server.request_own(&discover)).await {
        Ok(answered) if !answered.is_error() => {
            era.set_modern(answered.result());
            Ok(true)
        }
        Ok(Answered { status, answer, .. }) if status.is_server_error() || is_limit(status) => {
            Err(Failure::Rpc(answer))
        }
        Ok(Answered { status, answer, .. }) => Ok(is_modern_discover_error(status, &answer)),
        Err(failure) if is_legacy_failure(&failure) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// The result of the server's `server/discover`, requested in the name of the legacy client that sent this
/// `initialize`. `None`: the server is not modern. An error: that cannot be found out now.
pub(super) async fn discovered(era: &Era, initialize: &Message) -> Result<Option<String>, Failure> {
    let client = Client::of(initialize, MODERN_REVISIONS[0], era.options.tasks);
    let request = client.request(&era.server.link.own_requests.next_id(), "server/discover", "{}");
    match era.server.request_own(&request).await {
        Ok(answered) if answered.is_error() && is_passing_error(answered.status, &answered.answer) => {
            Err(Failure::Rpc(answered.answer))
        }
        Ok(answered) => Ok(answered.result().filter(|result| is_discover_result(result)).map(str::to_owned)),
        Err(failure) if is_legacy_failure(&failure) => Ok(None),
        Err(failure) => Err(failure),
    }
}
