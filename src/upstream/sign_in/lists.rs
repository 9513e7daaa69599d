//! What is answered while nobody has logged in? Lists: the server's tools as an earlier run saw them, and the one that
//! signs in.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, answer, modern, tool};
use crate::message::Message;
use crate::task;
use crate::upstream::{Context, Upstream};

/// The answer to a request that needs no login to be answered.
pub(super) fn locally(upstream: &Upstream, request: &Message) -> Option<Message> {
    let context = &upstream.0;
    let result = match request.method()? {
        "server/discover" => modern::greeting(context),
        "ping" => json!({}),
        "tools/list" => json!({ "tools": tools(context) }),
        "prompts/list" => json!({ "prompts": [] }),
        "resources/list" => json!({ "resources": [] }),
        "resources/templates/list" => json!({ "resourceTemplates": [] }),
        _ => return None,
    };
    let tells = request.method() == Some("tools/list") && context.gate.is_open();
    if tells && !context.people.awaited.swap(true, Ordering::Relaxed) {
        // The session that is open was opened for somebody; whoever opens one tells the client by itself.
        let context = Arc::clone(context);
        task::spawn(async move {
            super::logged_in(&context).await;
            context.people.awaited.store(false, Ordering::Relaxed);
            context.tell_changed();
        });
    }
    request.raw_id()?;
    Some(answer(context, request, result))
}

/// Answers what of a batch needs no login; gives what is left of it, which may be empty.
pub(super) async fn locally_in_batch(upstream: &Upstream, batch: &[Message]) -> Option<Message> {
    let mut left = Vec::new();
    for element in batch {
        match locally(upstream, element) {
            Some(answer) => upstream.0.client.deliver(answer).await,
            None => left.push(&element.text()[..]),
        }
    }
    Message::parse([b"[", &left.join(&b',')[..], b"]"].concat()).ok()
}

/// The tools that the server had when somebody was logged in, and ours.
fn tools(context: &Context) -> Value {
    let mut tools = context.memory.recall().and_then(|kept| kept.tools).unwrap_or_default();
    tools.push(tool::listed(context.sender.host(), &tools));
    Value::Array(tools)
}

/// Remembers a list of tools that goes by.
pub(in crate::upstream) fn remember(context: &Context, request: &Message, answer: &Message) {
    #[derive(Deserialize)]
    struct Answer {
        result: Listed,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Listed {
        tools: Vec<Value>,
        next_cursor: Option<Value>,
    }
    let Some(Answer { result }) = answer.read() else { return };
    let cursor = request.read::<Asked>().and_then(|asked| asked.params.cursor);
    context.memory.keep_tools(result.tools, cursor.is_none(), result.next_cursor.is_none());
}
