//! Has the MCP server moved to another authorization server? The old one may be gone, so that a refresh says nothing.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::auth::challenge::Challenge;
use crate::auth::login_context::LoginContext;
use crate::auth::record::Record;
use crate::log;

/// How long the MCP server may take to name its authorization server.
const LOOK: Duration = Duration::from_millis(1500);

/// After this long the MCP server is asked again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// When the MCP server was asked, and whether it had moved.
#[derive(Debug, Default)]
pub(super) struct LastLook(Mutex<Option<(Instant, bool)>>);

/// Whether the MCP server names another authorization server than that of this login, which could not be refreshed.
pub(super) async fn has_moved(
    context: &LoginContext,
    last: &LastLook,
    record: &Record,
    challenge: Option<&Challenge>,
) -> bool {
    let Some(known) = &record.issuer else { return false };
    let recent = last.0.lock().filter(|(looked, _)| looked.elapsed() < LOOK_AGAIN);
    if let Some((_, has_moved)) = recent {
        return has_moved;
    }
    let discovered = tokio::time::timeout(LOOK, context.look_for_issuer(challenge)).await;
    // Without metadata the issuer is only guessed.
    let found = discovered.ok().and_then(Result::ok).filter(|found| found.issuer.metadata.contains_key("issuer"));
    let has_moved = found.as_ref().is_some_and(|found| !found.issuer.is_same_as(known));
    if has_moved {
        log::info!("{} has another authorization server than at the last login", context.shown_server());
    }
    *last.0.lock() = Some((Instant::now(), has_moved));
    has_moved
}
