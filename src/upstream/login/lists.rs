//! Which requests are answered while a login is missing? Those for lists: with the server's tools as an earlier run saw
//! them, and the tool that logs in.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::{answer, discover_result};
use super::state::{LoginState, RequestParams};
use super::tool;
use crate::message::{self, Message};
use crate::task;

/// The response to a ping: it needs no login, and is a reason to begin one least of all.
pub(super) fn answer_ping(state: &LoginState, request: &Message) -> Option<Message> {
    let is_ping = request.method() == Some("ping") && request.raw_id().is_some();
    is_ping.then(|| answer(state, request, json!({})))
}

/// The response to a request that needs no login.
pub(super) fn answer_locally(state: &Arc<LoginState>, request: &Message) -> Option<Message> {
    let result = match request.method()? {
        "server/discover" => discover_result(state),
        "ping" => json!({}),
        "tools/list" => json!({ "tools": tools(state) }),
        "prompts/list" => json!({ "prompts": [] }),
        "resources/list" => json!({ "resources": [] }),
        "resources/templates/list" => json!({ "resourceTemplates": [] }),
        _ => return None,
    };
    if request.method().is_some_and(|method| method.ends_with("/list")) {
        state.status().note_use();
    }
    // Where a session is being opened, the task that does it notifies the client itself.
    if request.method() == Some("tools/list") && state.session.is_open() && state.begin_announcing() {
        let state = Arc::clone(state);
        task::spawn(async move {
            state.sender().logged_in().await;
            state.end_announcing();
            state.session.link.lists_changed();
        });
    }
    request.raw_id()?;
    Some(answer(state, request, result))
}

/// Answers the requests of a batch that need no login. Returns the rest of the batch, which may be empty.
pub(super) async fn answer_batch_locally(state: &Arc<LoginState>, batch: &[Message]) -> Message {
    let mut rest = Vec::new();
    for element in batch {
        match answer_locally(state, element) {
            Some(answer) => state.client().deliver(answer).await,
            None => rest.push(element),
        }
    }
    message::batch(&rest)
}

/// The tools that the server had when a login was there, and the bridge's own.
fn tools(state: &LoginState) -> Value {
    let mut tools = state.session.era.memory.recall(|record| record.tools.clone()).unwrap_or_default();
    tools.push(tool::entry(&state.sender().host, &tools));
    state.set_offered_tool();
    Value::Array(tools)
}

/// Keeps the tools in the server's response to `tools/list`.
pub(super) fn remember_tools(state: &LoginState, request: &Message, answer: &Message) {
    #[derive(Deserialize)]
    struct Answer {
        result: Page,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        tools: Vec<Value>,
        next_cursor: Option<Value>,
    }
    let Some(Answer { result }) = answer.read() else { return };
    let cursor = request.read::<RequestParams>().and_then(|request| request.params.cursor);
    state.session.era.memory.keep_tools(result.tools, cursor.is_none(), result.next_cursor.is_none());
}
