//! Streamable HTTP as of 2026-07-28 ("Streamable HTTP"): one POST for each request, with headers that mirror the
//! message; no session, no GET, no DELETE, no resumption.
//!
//! A client of the same era speaks to the [`ModernServer`] as it is: only headers are derived. For a legacy client a
//! [`ModernTransport`] has its messages translated.

mod call;
mod changed_lists;
mod discover;
mod headers;
mod param_headers;
mod server;
mod subscription;
mod transport;

use std::sync::Arc;

use super::open_error::OpenError;
use crate::log;
use crate::message::{self, Message};
use crate::translate::MODERN_REVISIONS;
use crate::translate::to_modern::{Client, results};
use crate::upstream::Failure;

pub(crate) use discover::{is_discover_result, is_modern_revision};
pub(crate) use headers::headers_of;
pub(crate) use server::{Answered, ModernServer};
pub(crate) use subscription::{ended as ended_subscription, forward as forward_subscription};
pub(crate) use transport::ModernTransport;

/// Opens a session for a legacy client, by `server/discover`. `tasks`: whether its calls may become tasks. Returns the
/// result of its `initialize` too.
pub(crate) async fn open(
    server: &Arc<ModernServer>,
    initialize: &Message,
    tasks: bool,
) -> Result<(Arc<ModernTransport>, Message), OpenError> {
    let raw_id = initialize.raw_id().unwrap_or("null");
    let host = &server.link.sender.host;
    let (mut client, mut answered) = discover(server, initialize, MODERN_REVISIONS[0], tasks).await?;
    // The server may be one of several behind an address, and the next one may be sounder.
    if let Some(revision) = discover::offered_revision(&answered.answer) {
        (client, answered) = discover(server, initialize, revision, tasks).await?;
    }
    if answered.is_error() {
        return Err(OpenError::Error(answered.status, answered.answer.with_id(raw_id)));
    }
    let unusable = || Failure::Unusable(format!("{host} answered server/discover with something else"));
    let discovered = answered.result().filter(|result| is_discover_result(result)).ok_or_else(unusable)?;
    let result = results::initialize_result(discovered, &client.revision, host).ok_or_else(unusable)?;
    log::info!("{host} is modern and the client is not; translating");
    let transport = Arc::new(ModernTransport::new(server, client, discovered));
    Ok((transport, message::result(raw_id, &result)))
}

async fn discover(
    server: &ModernServer,
    initialize: &Message,
    revision: &'static str,
    tasks: bool,
) -> Result<(Client, Answered), Failure> {
    let client = Client::of(initialize, revision, tasks);
    let request = client.request(&server.link.own_requests.next_id(), "server/discover", "{}");
    let answered = server.request(&request, &mut |_| true).await?;
    Ok((client, answered))
}

/// The error of a server that could not be opened, as a legacy client knows it.
pub(crate) fn for_legacy_client(error: OpenError) -> OpenError {
    match error {
        OpenError::Error(status, error) => {
            let raw_id = error.raw_id().unwrap_or("null");
            OpenError::Error(status, results::legacy_response("server/discover", &error, raw_id))
        }
        failure @ OpenError::Failure(_) => failure,
    }
}
