//! What is the bridge's own tool, with which a client can request a login?

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::answers::{answer, text};
use super::hold::hold;
use super::state::{LoginState, RequestParams};
use crate::auth::Tab;
use crate::message::Message;
use crate::upstream::Failure;
use crate::upstream::session::placeholder::LOGIN_TOOL;

/// Its name where the server has a tool of the usual name.
const OTHER_NAME: &str = "mcp_ferry_sign_in";

/// The argument with which a person's own browser comes back where it cannot reach this machine.
const ADDRESS: &str = "address";

/// A longer call is none of this tool.
const LONGEST_CALL: usize = 64 * 1024;

/// A tab that is younger is the one that the call is about.
const JUST_OPENED: Duration = Duration::from_secs(10);

/// How long a session may take to open after the login.
const OPENING: Duration = Duration::from_secs(10);

/// How long a client may take to request the tools again, once it knows that they have changed.
const RELISTING: Duration = Duration::from_secs(2);

/// How long it may take to give them to its model.
const TAKING: Duration = Duration::from_millis(500);

/// The tool as `tools/list` has it, among these of the server's.
pub(super) fn entry(state: &LoginState, tools: &[Value]) -> Value {
    let host = &state.sender().host;
    json!({
        "name": *name_among(state, tools),
        "title": format!("Sign in to {host}"),
        "description": format!(
            "Signs the user in to {host}: opens a browser, or returns the address to open in one. \
             Nobody is signed in there yet, so the other tools of {host} do not work. \
             Call it without arguments. Where it returns an address, show that to the user and call it once more: then it \
             waits for the user."
        ),
        "inputSchema": {
            "type": "object",
            "properties": { ADDRESS: {
                "type": "string",
                "description": "Only where the user's browser ended at a page that it cannot reach: the whole address \
                    of that page, which the user copies from the browser."
            } },
        },
        "annotations": { "title": format!("Sign in to {host}"), "readOnlyHint": true, "openWorldHint": true },
    })
}

/// The name of the tool, which no tool of the server has.
pub(super) fn name(state: &LoginState) -> Arc<str> {
    let memory = &state.session.era.memory;
    memory.recall(|record| name_among(state, record.tools.as_deref().unwrap_or_default()))
}

fn name_among(state: &LoginState, tools: &[Value]) -> Arc<str> {
    let is_taken = tools.iter().any(|tool| tool["name"] == *state.tool_name);
    if is_taken { OTHER_NAME.into() } else { Arc::clone(&state.tool_name) }
}

/// Whether this is a call of the bridge's own tool.
pub(super) fn is_called(state: &LoginState, request: &Message) -> bool {
    // Cheap for the many that do not.
    let text = request.as_str();
    if request.method() != Some("tools/call")
        || text.len() > LONGEST_CALL
        || !(text.contains(LOGIN_TOOL) || text.contains(OTHER_NAME))
    {
        return false;
    }
    let called = request.read::<RequestParams>().and_then(|request| request.params.name).unwrap_or_default();
    (*called == *state.tool_name || called == OTHER_NAME) && *called == *name(state)
}

/// Answers a call of the tool: with the address, or that the login is made.
pub(super) async fn call(state: &Arc<LoginState>, request: &Message) -> Message {
    let params = request.read::<RequestParams>().unwrap_or_default().params;
    let address = params.arguments[ADDRESS].as_str().map(str::trim).filter(|address| !address.is_empty());
    let text = if !state.status().is_wanted() {
        format!("The user is signed in to {} already: nothing needs to be done here. {}", host(state), next_step(state))
    } else if let Some(address) = address {
        Box::pin(complete(state, address)).await
    } else {
        request_tab(state).await;
        let before = Before::of(state);
        match hold(state, request).await {
            Ok(()) => signed_in(state, before).await,
            Err(failure) => way_in(state, &failure),
        }
    };
    answer(state, request, json!({ "content": [{ "type": "text", "text": text }] }))
}

fn host(state: &LoginState) -> &str {
    &state.sender().host
}

/// A call while a login is under way is the wish for a tab, unless one was opened just now.
async fn request_tab(state: &LoginState) {
    let is_first = state.is_first_call();
    match state.status().prompt(Duration::ZERO).await {
        Ok(Some(prompt)) if matches!(prompt.tab, Tab::Open(since) if is_first && since.elapsed() < JUST_OPENED) => {}
        _ => drop(state.status().request_tab()),
    }
}

/// Finishes the login with the address that the person's browser ended at.
async fn complete(state: &LoginState, address: &str) -> String {
    let before = Before::of(state);
    match state.sender().auth.complete_login(address).await {
        Ok(()) => {
            state.status().finished(OPENING).await;
            signed_in(state, before).await
        }
        Err(error) => {
            let failure = state.sender().login_needed().await;
            format!("The sign-in is not finished: {error}.\n{}", way_in(state, &failure))
        }
    }
}

/// How often the client was notified, and has requested its tools, before the login.
struct Before {
    changes: u64,
    lists: u64,
}

impl Before {
    fn of(state: &LoginState) -> Self {
        Self { changes: *state.client().tool_changes().borrow(), lists: *state.lists.borrow() }
    }
}

/// Tells that the login is made, once the client has the server's tools: a model may call one of them next.
async fn signed_in(state: &LoginState, before: Before) -> String {
    if state.has_listed_tool() {
        let mut changes = state.client().tool_changes();
        let is_notified = changes.wait_for(|changes| *changes != before.changes);
        let is_notified = tokio::time::timeout(OPENING, is_notified).await.is_ok();
        if is_notified && state.client_program().is_none() {
            let mut lists = state.lists.subscribe();
            if tokio::time::timeout(RELISTING, lists.wait_for(|lists| *lists != before.lists)).await.is_ok() {
                tokio::time::sleep(TAKING).await;
            }
        }
    }
    format!("The user is signed in to {} now. {}", host(state), next_step(state))
}

/// What comes after the login.
fn next_step(state: &LoginState) -> String {
    match state.client_program() {
        Some(program) => program.next_step(),
        None => "Its tools work: use those.".to_owned(),
    }
}

/// Where the user signs in.
fn way_in(state: &LoginState, failure: &Failure) -> String {
    let Failure::SignIn { prompt: Some(prompt), command, .. } = failure else { return text(failure) };
    let host = host(state);
    let warning = prompt.warning.as_ref().map(|warning| format!("Before that: {warning}.\n")).unwrap_or_default();
    let code = prompt.code.as_ref().map(|code| format!(" and types the code {code} there")).unwrap_or_default();
    let tab = if prompt.has_tab() { " A browser was opened. If it shows nothing:" } else { "" };
    let address = prompt.address();
    let elsewhere = prompt.address_elsewhere().map(|url| {
        format!(
            "If the user's browser is on another machine, this address instead:\n\n{url}\n\nThat browser ends at a \
             page that it cannot reach: then call this tool with the address of that page as `{ADDRESS}`.\n"
        )
    });
    let next_step = state.client_program().map(|program| format!(" Then: {}", program.next_step())).unwrap_or_default();
    format!(
        "The user is not signed in to {host} yet.{tab} Show the user this address, who opens it in a browser{code}:\n\n\
         {address}\n\n{warning}{}Then call this tool again: it waits for the user. This program must stay open until then; \
         `{command}` in a terminal does the same.{next_step}",
        elsewhere.unwrap_or_default()
    )
}
