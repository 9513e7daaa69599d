//! What does a client see while nobody has logged in? The lists of earlier runs, a tool that signs in, and, where nothing but a login
//! helps, an answer that says where to go. JSON-RPC errors are often shown to nobody, so a tool says it in its text.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Context, Outcome, Upstream, elicit};
use crate::error::Failure;
use crate::message::{self, Message};

/// The name of our tool.
const TOOL: &str = "sign_in";

/// Its name where the server has a tool of that one.
const OTHER_TOOL: &str = "mcp_ferry_sign_in";

/// How long a request waits for a person. Clients give a call a minute.
pub(super) const HOLD: Duration = Duration::from_secs(45);

/// How often a client that wants to know hears that we still wait.
const PROGRESS: Duration = Duration::from_secs(5);

/// For how long a client that got our lists is told that there are others.
const LOGIN: Duration = Duration::from_secs(24 * 3600);

/// How long it takes until there is an address to show.
const OFFER: Duration = Duration::from_secs(10);

/// What waits for a person.
#[derive(Debug, Default)]
pub(super) struct People {
    /// A task tells the client of the login when it comes; one is enough, however often the client asks for lists.
    awaited: AtomicBool,
    /// How many requests have nothing in flight, and wait.
    held: watch::Sender<usize>,
}

impl People {
    /// Waits until this many requests do.
    pub(super) async fn hold(&self, count: usize) {
        if self.held.subscribe().wait_for(|held| *held >= count).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Requests that wait, until it is dropped.
struct Held<'a>(&'a People, usize);

impl<'a> Held<'a> {
    fn new(people: &'a People, count: usize) -> Self {
        people.held.send_modify(|held| *held += count);
        Self(people, count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.send_modify(|held| *held -= self.1);
    }
}

/// What of a request matters here.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    name: Option<String>,
    cursor: Option<Value>,
    #[serde(rename = "_meta")]
    meta: Meta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    progress_token: Option<Box<RawValue>>,
}

/// The answer to a request that needs no login to be answered.
pub(super) fn locally(upstream: &Upstream, request: &Message) -> Option<Message> {
    let context = &upstream.0;
    let raw_id = request.raw_id()?;
    let result = match request.method()? {
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
        tokio::spawn(async move {
            let logged_in = context.sender.auth().standing().logged_in(LOGIN).await;
            context.people.awaited.store(false, Ordering::Relaxed);
            if logged_in {
                context.tell_changed();
            }
        });
    }
    Message::parse(message::result(raw_id, &result)).ok()
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
    let host = context.sender.host();
    tools.push(json!({
        "name": name_among(&tools),
        "title": "Sign in",
        "description": format!(
            "Sign in to {host}. Nobody is signed in there yet, so its other tools do not work. \
             Returns the address to open in a browser, and waits a while for the sign-in to be done."
        ),
        "inputSchema": { "type": "object", "properties": {} },
        "annotations": { "title": "Sign in", "readOnlyHint": true, "openWorldHint": true },
    }));
    Value::Array(tools)
}

/// The name of our tool, which none of the server's has.
pub(super) fn our_tool(context: &Context) -> &'static str {
    name_among(&context.memory.recall().and_then(|kept| kept.tools).unwrap_or_default())
}

fn name_among(tools: &[Value]) -> &'static str {
    let taken = tools.iter().any(|tool| tool["name"] == TOOL);
    if taken { OTHER_TOOL } else { TOOL }
}

/// Whether this is a call of our own tool.
pub(super) fn is_ours(context: &Context, request: &Message) -> bool {
    if request.method() != Some("tools/call") {
        return false;
    }
    let name = request.read::<Asked>().and_then(|asked| asked.params.name).unwrap_or_default();
    (name == TOOL || name == OTHER_TOOL) && name == our_tool(context)
}

/// Answers a call of our tool: the address, or that it is done.
pub(super) async fn sign_in(context: &Arc<Context>, request: &Message) -> Message {
    let text = match hold(context, request).await {
        Ok(()) => format!("Signed in to {}. Its tools work now.", context.sender.host()),
        Err(failure) => format!("{}\nThen call this tool again.", said(&failure)),
    };
    let result = json!({ "content": [{ "type": "text", "text": text }] });
    answer(request, &result)
}

/// Waits for a person to log in, telling the client where and that we wait. `Err`: nobody has.
pub(super) async fn hold(context: &Arc<Context>, request: &Message) -> Result<(), Failure> {
    let standing = context.sender.auth().standing();
    standing.want();
    let waiting = async {
        let offer = standing.offered(OFFER).await;
        let _held = Held::new(&context.people, request.requests().len());
        if let Ok(Some(offer)) = &offer
            && elicit::sign_in(context, offer).await == elicit::Reply::No
        {
            return false;
        }
        // What cannot be begun need not be waited for.
        offer.is_ok() && standing.settled(HOLD).await
    };
    let token = request.read::<Asked>().and_then(|asked| asked.params.meta.progress_token);
    let telling = async {
        let Some(token) = token else { return std::future::pending().await };
        for count in 1u32.. {
            let at = standing.offered(Duration::ZERO).await.ok().flatten().map(|offer| format!(": {}", offer.url));
            let text = format!("waiting for you to sign in{}", at.unwrap_or_default());
            context.client.outgoing.send_now(message::progress(token.get(), count, &text));
            tokio::time::sleep(PROGRESS).await;
        }
    };
    let logged_in = tokio::select! {
        logged_in = tokio::time::timeout(HOLD, waiting) => logged_in.unwrap_or(false),
        () = telling => false,
    };
    if logged_in { Ok(()) } else { Err(needed(context).await) }
}

/// Why a request is not carried out, with the way in.
pub(super) async fn needed(context: &Context) -> Failure {
    let offer = context.sender.auth().standing().offered(Duration::ZERO).await;
    let host = context.sender.host().to_owned();
    match offer {
        Ok(offer) => Failure::SignIn { host, offer, why: None },
        Err(why) => Failure::SignIn { host, offer: None, why: Some(why) },
    }
}

/// The answer to a request for which nobody has logged in.
pub(super) fn not_yet(request: &Message, failure: Failure) -> Result<Outcome, Failure> {
    if request.method() != Some("tools/call") {
        return Err(failure);
    }
    let result = json!({ "content": [{ "type": "text", "text": said(&failure) }], "isError": true });
    Ok(Outcome::Answer(answer(request, &result)))
}

fn said(failure: &Failure) -> String {
    let text = failure.told();
    match failure.hint() {
        Some(hint) => format!("{text}\n{hint}"),
        None => text,
    }
}

fn answer(request: &Message, result: &Value) -> Message {
    let text = message::result(request.raw_id().unwrap_or("null"), result);
    Message::parse(text).unwrap_or_else(|_| request.clone())
}

/// For `initialize`: what a model is told of a server that nobody is signed in to.
pub(super) fn instructions(host: &str) -> String {
    format!(
        "Nobody is signed in to {host} yet, so most of its tools are missing. To sign in, call the tool {TOOL}: it returns the \
         address to open in a browser. `mcp-ferry login` in a terminal does the same."
    )
}

/// Remembers a list of tools that goes by.
pub(super) fn remember(context: &Context, request: &Message, answer: &Message) {
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
