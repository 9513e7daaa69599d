//! Which requests are answered while a login is missing? Those for lists: with the server's tools as an earlier run saw
//! them, and the tool that logs in.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::answers::{answer, discover_result};
use super::state::{Carry, LoginState, RequestParams};
use super::tool;
use crate::auth::AuthMode;
use crate::message::{self, Message};
use crate::task;
use crate::upstream::Failure;
use crate::upstream::exchange::Outcome;
use crate::upstream::transport::{List, Page};

/// How long it takes until a browser is open: two seconds after the first message, and what the authorization server
/// and the desktop take.
const TAB: Duration = Duration::from_secs(6);

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
    tools.push(tool::entry(state, &tools));
    state.set_offered_tool();
    Value::Array(tools)
}

/// The server's own list of tools, where the client reads it once and a browser shows where to log in: the first request
/// for it is held as long as the client waits for it. `None`: nobody logged in.
pub(super) async fn hold_first(
    state: &LoginState,
    request: &Message,
    is_new: bool,
    carry: &Carry<'_>,
) -> Option<Result<Outcome, Failure>> {
    let limit = state.client_program()?.first_list;
    if request.method() != Some("tools/list")
        || state.sender().auth.mode() != AuthMode::Auto
        || limit.is_zero()
        || !state.is_first_list()
    {
        return None;
    }
    let status = state.status();
    state.note_answered_locally(is_new);
    status.note_use();
    let logged_in = async {
        let prompt = status.settled_prompt(TAB).await;
        match prompt {
            Ok(Some(prompt)) if prompt.has_tab() => status.finished(limit).await,
            _ => !status.is_wanted(),
        }
    };
    match tokio::time::timeout(limit, logged_in).await {
        Ok(true) => {
            Some(carry(request.clone()).await).filter(|carried| !carried.as_ref().is_err_and(Failure::wants_login))
        }
        _ => None,
    }
}

/// Keeps a list in the server's response, and notes that the client has all tools.
pub(super) fn note(state: &LoginState, list: &'static List, request: &Message, answer: &Message) {
    let Some(Page { items, is_last }) = Page::of(answer, list) else { return };
    let cursor = request.read::<RequestParams>().and_then(|request| request.params.cursor);
    if list.capability == "tools" && is_last {
        state.note_list();
    }
    if state.sender().auth.is_one_account() && !state.status().is_wanted() {
        state.session.era.memory.keep_page(list.method, items, cursor.is_none(), is_last);
    }
}
