//! Streamable HTTP as of 2026-07-28 ("Streamable HTTP"): one POST for each request, its words mirrored in headers; no
//! session, no GET, no DELETE, nothing resumed.
//!
//! A client of the same era speaks through [`exchange`] as it is: only headers are derived. For a legacy client a
//! [`Session`] has its words translated. Cancelling is closing the response: whoever drops the future of an exchange
//! has done it.

mod annotations;
mod exchange;
mod headers;
mod session;
mod subscription;

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::{Context, NotOpened, Opened, Wire};
use crate::log;
use crate::message::code;
use crate::message::{self, ErrorObject, Id, Kind, Members, Message, error_code};
use crate::translate::MODERN_REVISIONS;
use crate::translate::to_modern::{Client, Ids, discover, results};
use crate::upstream::Failure;
use annotations::Annotation;

pub(super) use exchange::{Answered, carry, notify};
pub(super) use session::Session;
pub(super) use subscription::pass as listen;

/// What is known of a modern server, whoever asks it.
#[derive(Default)]
pub(super) struct Server {
    /// What of each tool's arguments is mirrored, as the last list had it.
    tools: Mutex<HashMap<String, Arc<[Annotation]>>>,
    /// Where redirects have led.
    moved: Mutex<Option<Uri>>,
    pub(super) ids: Ids,
    /// Who waits for a legacy client's answer to which question, in whichever session: it may come when another has
    /// taken the place of that one.
    asked: Mutex<HashMap<Id, mpsc::UnboundedSender<Message>>>,
    /// The client has nothing more to say, and so nothing more to listen for.
    pub(super) ended: watch::Sender<bool>,
}

impl Server {
    fn asked(&self) -> MutexGuard<'_, HashMap<Id, mpsc::UnboundedSender<Message>>> {
        self.asked.lock()
    }

    /// Hands on the client's answer to a question that was put for this server.
    pub(super) fn takes_answer(&self, message: &Message) -> bool {
        let Kind::Response { id, .. } = message.kind() else { return false };
        let waiting = self.asked().remove(id);
        // Whoever asked may be gone by now; then nobody else has a use for it.
        waiting.map(|waiting| waiting.send(message.clone())).is_some()
    }

    fn headers(&self, message: &Message) -> HeaderMap {
        let annotated = (message.method() == Some("tools/call")).then(|| {
            let tools = self.tools.lock();
            if tools.is_empty() {
                return None;
            }
            tools.get(&called(message)?).cloned()
        });
        headers::of(message, annotated.flatten().as_deref().unwrap_or_default())
    }

    /// Looks through an answer to `tools/list`: what is to be mirrored from now on, and what of it may be shown.
    fn sift(&self, answer: Message) -> Message {
        let looked = annotations::look(&answer);
        for (name, why) in &looked.left_out {
            log::warn!("the tool {name:?} is left out of the list: {why}");
        }
        let mut tools = self.tools.lock();
        for (name, annotations) in looked.tools {
            if annotations.is_empty() {
                tools.remove(&name);
            } else {
                tools.insert(name, annotations.into());
            }
        }
        looked.shown.unwrap_or(answer)
    }
}

/// The tool that a request calls.
fn called(message: &Message) -> Option<String> {
    Members::of(message.as_str())?.object("params")?.string("name")
}

/// Opens a session for a legacy client, by `server/discover`.
pub(super) async fn open(context: &Arc<Context>, initialize: &Message) -> Result<Opened, NotOpened> {
    let raw_id = initialize.raw_id().unwrap_or("null");
    let (mut client, mut answered) = discover(context, initialize, MODERN_REVISIONS[0]).await?;
    // It may be one of several behind an address, and the next one sounder.
    if let Some(revision) = offered(&answered.answer) {
        (client, answered) = discover(context, initialize, revision).await?;
    }
    let Answered { status, answer } = answered;
    if let Kind::Response { is_error: true, .. } = answer.kind() {
        return Err(NotOpened::Error(status, answer.with_id(raw_id)));
    }
    let no_greeting =
        || Failure::Unusable(format!("{} answered server/discover with something else", context.sender.host()));
    let members = Members::of(answer.as_str()).ok_or_else(no_greeting)?;
    let discovered = members.get("result").filter(|result| is_greeting(result)).ok_or_else(no_greeting)?;
    let told = discover::initialize_result(discovered, client.revision(), context.sender.host());
    let answer = told.map(|told| message::result(raw_id, &told));
    let answer = answer.ok_or_else(no_greeting)?;
    log::info!("{} is modern and the client is not; translating", context.sender.host());
    let wire = Wire::Modern(Session::new(context, client, discovered));
    Ok(Opened { wire, answer })
}

async fn discover(
    context: &Context,
    initialize: &Message,
    revision: &'static str,
) -> Result<(Client, Answered), Failure> {
    let client = Client::of(initialize, revision, context.options.tasks);
    let request = discover::request(&client, &context.modern.ids.next());
    let answered = carry(context, &request, &mut |_| true).await?;
    Ok((client, answered))
}

/// The revision, of those that are spoken here, that a server names which refuses another.
fn offered(refused: &Message) -> Option<&'static str> {
    let error = Members::of(refused.as_str())?.object("error")?;
    let is_refused = error_code(refused) == Some(code::UNSUPPORTED_PROTOCOL_VERSION);
    let theirs: Vec<String> =
        serde_json::from_str(error.object("data").filter(|_| is_refused)?.get("supported")?).ok()?;
    MODERN_REVISIONS.into_iter().find(|ours| theirs.iter().any(|revision| revision == ours))
}

/// What a server that could not be opened has said, in words for a legacy client.
pub(super) fn told(refused: NotOpened) -> NotOpened {
    match refused {
        NotOpened::Error(status, error) => {
            let raw_id = error.raw_id().unwrap_or("null");
            NotOpened::Error(status, results::legacy_response("server/discover", &error, raw_id))
        }
        failure @ NotOpened::Failure(_) => failure,
    }
}

/// Whether this is the result of a `server/discover` by a server that has a modern side.
pub(super) fn is_greeting(result: &str) -> bool {
    let versions = Members::of(result).and_then(|result| result.get("supportedVersions"));
    let versions: Vec<String> = versions.and_then(|versions| serde_json::from_str(versions).ok()).unwrap_or_default();
    versions.iter().any(|version| is_modern_revision(version))
}

/// Whether only a modern server says this: the status and the error of its answer.
pub(super) fn is_recognised(status: StatusCode, error: &Message) -> bool {
    let Some(error) = ErrorObject::of(error) else { return false };
    let data = error.data.unwrap_or_default();
    let supported = || data["supported"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names_modern = || supported().iter().filter_map(Value::as_str).any(is_modern_revision);
    match error.code.as_i64() {
        Some(code::HEADER_MISMATCH | code::MISSING_REQUIRED_CLIENT_CAPABILITY) => true,
        // A server that has turned its modern side off says so with the same code.
        Some(code::UNSUPPORTED_PROTOCOL_VERSION) => supported().is_empty() || names_modern(),
        Some(code::METHOD_NOT_FOUND) if status == StatusCode::NOT_FOUND => true,
        _ => names_modern(),
    }
}

/// Whether a modern server has no reason to say this, the way a legacy one refuses what belongs to no session.
pub(super) fn is_out_of_place(status: StatusCode, error: &Message) -> bool {
    status.is_client_error() && !is_recognised(status, error) && !may_be_modern(error)
}

/// Revisions are dates.
pub(super) fn is_modern_revision(revision: &str) -> bool {
    MODERN_REVISIONS.last().is_some_and(|first| revision >= *first)
}

/// Whether an error to `initialize` leaves it open that the server has no such method and never had.
pub(super) fn may_be_modern(error: &Message) -> bool {
    matches!(error_code(error), Some(code::METHOD_NOT_FOUND | code::INVALID_PARAMS))
}
