//! What does a client see while nobody has logged in? The lists of earlier runs, a tool that signs in, and, where
//! nothing but a login helps, an answer that says where to go. JSON-RPC errors are often shown to nobody, so a tool
//! says it in its text.

mod lists;
pub(super) mod modern;
pub(super) mod question;
mod tool;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Context, Outcome, Upstream, elicit};
use crate::auth::AuthMode;
use crate::message::{self, Kind, Message};
use crate::upstream::Failure;

pub(super) use lists::remember;
pub(super) use tool::instructions;

/// How long a request waits for a person. Clients give a call a minute.
const HOLD: Duration = Duration::from_secs(45);

/// For how long at a time a login is waited for that nobody is in a hurry for.
const LOGIN: Duration = Duration::from_secs(24 * 3600);

/// How often a client that wants to know hears that we still wait.
const PROGRESS: Duration = Duration::from_secs(5);

/// How often it is looked for an address that there is not yet, at most.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long it takes until there is an address to show.
const OFFER: Duration = Duration::from_secs(10);

/// What waits for a person.
#[derive(Debug, Default)]
pub(super) struct People {
    /// A task tells the client of the login when it comes; one is enough, however often the client asks for lists.
    awaited: AtomicBool,
    /// How many requests have nothing in flight, and wait.
    held: watch::Sender<usize>,
    pub(super) modern: modern::Told,
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

impl Upstream {
    /// Carries a request while nobody is logged in.
    pub(in crate::upstream) async fn without_login(&self, message: &Message) -> Result<Outcome, Failure> {
        let context = &self.0;
        if let Some(outcome) = Box::pin(modern::greet(self, message)).await {
            return outcome;
        }
        if message.method() == Some("subscriptions/listen") {
            return Box::pin(modern::listen(self, message)).await;
        }
        if tool::is_ours(context, message) {
            return Ok(Outcome::Answer(tool::sign_in(context, message).await));
        }
        if let Some(answer) = lists::locally(self, message) {
            return Ok(Outcome::Answer(answer));
        }
        let left = match message.kind() {
            Kind::Batch(elements) => lists::locally_in_batch(self, elements).await,
            _ => None,
        };
        let message = left.as_ref().unwrap_or(message);
        if message.requests().is_empty() {
            if !matches!(message.kind(), Kind::Batch(elements) if elements.is_empty()) {
                Box::pin(self.notify(message)).await?;
            }
            return Ok(Outcome::Done);
        }
        // A login may turn out to be worth nothing, and another be needed: a person is asked twice, not for ever.
        for _ in 0..2 {
            if let Some(question) = Box::pin(question::ask(context, message)).await {
                return Ok(Outcome::Answer(question));
            }
            if let Err(failure) = hold(context, message).await {
                return not_yet(context, message, failure);
            }
            // The session is opened with the new login, which may be worth nothing.
            tokio::select! {
                _ = self.pass() => {}
                () = context.sender.auth().login_status().failed() => break,
            }
            match self.carry(message).await {
                Err(Failure::SignIn { .. }) => {}
                carried => return carried,
            }
        }
        not_yet(context, message, needed(context).await)
    }
}

/// Waits for a person to log in, telling the client where and that we wait. `Err`: nobody has.
async fn hold(context: &Arc<Context>, request: &Message) -> Result<(), Failure> {
    let login_status = context.sender.auth().login_status();
    login_status.request_login();
    let waiting = async {
        let prompt = login_status.prompt(OFFER).await;
        let _held = Held::new(&context.people, request.requests().len());
        if let Ok(Some(prompt)) = &prompt
            && elicit::sign_in(context, prompt).await == elicit::Reply::No
        {
            return false;
        }
        // What cannot be begun need not be waited for, and who wants errors wants them at once.
        let is_waited_for = prompt.is_ok() && context.sender.auth().mode() != AuthMode::Error;
        is_waited_for && login_status.finished(HOLD).await
    };
    let token = request.read::<Asked>().and_then(|asked| asked.params.meta.progress_token);
    let telling = async {
        let Some(token) = token else { return std::future::pending().await };
        for count in 1u32.. {
            let prompt = login_status.prompt(Duration::ZERO).await.ok().flatten();
            let at = prompt.map(|prompt| {
                let code = prompt.code.map(|code| format!(" (type the code {code} there)")).unwrap_or_default();
                format!(": {}{code}", prompt.url)
            });
            let is_told = at.is_some();
            let text = format!("waiting for you to sign in{}", at.unwrap_or_default());
            context.client.say_now(message::progress(token.get(), count, &text));
            if !is_told {
                // The address is told as soon as there is one.
                tokio::join!(tokio::time::sleep(LOOK_AGAIN), login_status.prompt(PROGRESS)).1.ok();
                continue;
            }
            tokio::time::sleep(PROGRESS).await;
        }
    };
    let logged_in = tokio::select! {
        logged_in = tokio::time::timeout(HOLD, waiting) => logged_in.unwrap_or(false),
        () = telling => false,
    };
    if logged_in { Ok(()) } else { Err(needed(context).await) }
}

/// Waits until somebody has logged in, for as long as that takes.
pub(super) async fn logged_in(context: &Context) {
    while !context.sender.auth().login_status().logged_in(LOGIN).await {}
}

/// Why a request is not carried out, with the way in.
pub(super) async fn needed(context: &Context) -> Failure {
    let prompt = context.sender.auth().login_status().prompt(Duration::ZERO).await;
    let host = context.sender.host().to_owned();
    match prompt {
        Ok(prompt) => Failure::SignIn { host, prompt, why: None },
        Err(why) => Failure::SignIn { host, prompt: None, why: Some(why) },
    }
}

/// The answer to a request for which nobody has logged in.
fn not_yet(context: &Context, request: &Message, failure: Failure) -> Result<Outcome, Failure> {
    if request.method() != Some("tools/call") {
        return Err(failure);
    }
    let result = json!({ "content": [{ "type": "text", "text": said(&failure) }], "isError": true });
    Ok(Outcome::Answer(answer(context, request, result)))
}

fn said(failure: &Failure) -> String {
    let text = failure.told();
    match failure.hint() {
        Some(hint) => format!("{text}\n{hint}"),
        None => text,
    }
}

/// A result of our own, in the words of the client's era.
fn answer(context: &Context, request: &Message, mut result: Value) -> Message {
    if modern::is_modern(request) {
        modern::with_meta(context, request, &mut result);
    }
    message::result(request.raw_id().unwrap_or("null"), &result)
}
