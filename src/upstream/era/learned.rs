//! What an opening has shown, kept for the runs to come.

use std::sync::Arc;
use std::time::Duration;

use super::signs::{fails_for_now, says_legacy};
use crate::log;
use crate::message::Members;
use crate::message::{Kind, Message};
use crate::task;
use crate::translate::MODERN_REVISIONS;
use crate::translate::to_modern::Client;
use crate::upstream::Failure;
use crate::upstream::Protocol;
use crate::upstream::modern::{self, Answered};
use crate::upstream::{Context, Opened, Wire};

/// How long a process lives before it asks a server anything on its own account: clients start and end many for a look.
const SETTLED: Duration = Duration::from_secs(2);

/// Keeps what an opening has shown. A server that opened no session has no way to ask its legacy client anything;
/// whether it has a modern side, which can, is asked when the client is there to stay, and used from the next start on.
pub(in crate::upstream) fn remember(context: &Arc<Context>, initialize: &Message, opened: &Opened) {
    let result = Members::of(opened.answer.as_str()).and_then(|members| members.get("result"));
    let Some(result) = result.and_then(|result| serde_json::from_str(result).ok()) else { return };
    let is_auto = context.options.protocol == Protocol::Auto;
    context.memory.learn(|kept| match &opened.wire {
        Wire::Modern(session) => {
            kept.discover = serde_json::from_str(session.discovered()).ok();
            kept.http_sse = false;
            if is_auto {
                kept.modern = Some(true);
                kept.translated = true;
            }
        }
        Wire::Legacy(session) => {
            kept.initialize = Some(result);
            kept.http_sse = false;
            if is_auto {
                kept.translated = kept.modern == Some(true) && !session.is_stateful();
            }
        }
        Wire::HttpSse(_) => {
            kept.initialize = Some(result);
            kept.http_sse = true;
            kept.translated = false;
        }
    });
    if let Wire::Legacy(session) = &opened.wire
        && is_auto
        && !context.client.translated
        && !session.is_stateful()
        && context.memory.verdict().modern.is_none()
    {
        task::spawn(look_for_modern_side(Arc::clone(context), initialize.clone()));
    }
}

async fn look_for_modern_side(context: Arc<Context>, initialize: Message) {
    tokio::time::sleep(SETTLED).await;
    // A failure says nothing; next time.
    let Ok(discovered) = discovered(&context, &initialize).await else { return };
    let is_modern = discovered.is_some();
    log::debug!("{} has {} modern side", context.sender.host(), if is_modern { "a" } else { "no" });
    context.found(is_modern, discovered.as_deref());
    context.memory.learn(|kept| kept.translated = is_modern);
}

/// The server's greeting to modern clients, asked for in the name of the legacy one that said this `initialize`.
/// `None`: it has none. An error: that cannot be told now.
pub(in crate::upstream) async fn discovered(
    context: &Context,
    initialize: &Message,
) -> Result<Option<String>, Failure> {
    let client = Client::of(initialize, MODERN_REVISIONS[0], context.options.tasks);
    let request = client.request(&context.modern.ids.next(), "server/discover", "{}");
    let answer = match modern::carry(context, &request, &mut |_| false).await {
        Ok(Answered { status, answer }) => match answer.kind() {
            Kind::Response { is_error: true, .. } if fails_for_now(status, &answer) => {
                return Err(Failure::Rpc(answer));
            }
            _ => answer,
        },
        Err(failure) if says_legacy(&failure) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let result = Members::of(answer.as_str()).and_then(|members| members.get("result"));
    Ok(result.filter(|result| modern::is_greeting(result)).map(str::to_owned))
}
