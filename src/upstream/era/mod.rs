//! Which era does the server speak? What the client says first shows it, and is carried all the same ("Backward
//! Compatibility", 2026-07-28).

mod learned;
mod signs;

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use serde_json::{Value, json};

use super::turned::Doubts;
use super::{Context, NotOpened, Outcome, Upstream, modern};
use crate::message::Members;
use crate::message::{self, Kind, Message, code};
use crate::task;
use crate::translate::{MODERN_REVISIONS, meta, to_legacy};
use crate::upstream::Failure;
use crate::upstream::{ClientProtocol, Protocol, TransportStrategy};
use modern::Answered;
use signs::{knows_discover, may_be_repeated, says_legacy};

pub(super) use learned::{discovered, remember};
pub(super) use signs::{is_beyond, is_not_modern, may_be_modern};

/// Whether the server takes modern requests, as far as that is known.
#[derive(Default)]
pub(super) struct Verdict {
    known: Mutex<Known>,
    /// The client has made a modern request.
    asked: AtomicBool,
    /// It was another than the first that any client of either era may make.
    goes_on: AtomicBool,
    doubts: Arc<Doubts>,
}

impl Verdict {
    /// That of a translator's session with the same server.
    pub(super) fn of_session(doubts: &Arc<Doubts>) -> Self {
        Self { doubts: Arc::clone(doubts), ..Self::default() }
    }

    pub(super) fn doubts(&self) -> Arc<Doubts> {
        Arc::clone(&self.doubts)
    }

    /// A handshake was refused.
    pub(super) fn refused(&self, refused: &NotOpened) {
        if may_be_modern(refused) {
            self.doubts.raise();
        }
    }

    /// A request in a session was refused.
    pub(super) fn refused_with(&self, status: StatusCode, error: &Message) {
        if signs::is_refusal_of_either_era(status, error) {
            self.doubts.raise();
        }
    }

    /// The client makes modern requests, though it may have been told to shake hands.
    pub(super) fn client_goes_on(&self) {
        self.goes_on.store(true, Ordering::Relaxed);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nobody has looked at what earlier runs found.
    #[default]
    Unasked,
    Nothing,
    /// An earlier run found it modern.
    Remembered,
    Modern,
    Legacy,
}

impl Context {
    /// Whether the server takes modern requests; `None` if only trying can show it.
    fn takes_modern(&self) -> Option<bool> {
        match self.options.protocol {
            Protocol::Modern => return Some(true),
            Protocol::Legacy => return Some(false),
            Protocol::Auto => {}
        }
        if self.options.transport == TransportStrategy::SseOnly {
            return Some(false);
        }
        let mut known = self.era.known();
        if *known == Known::Unasked {
            *known = match self.memory.verdict().modern {
                Some(true) => Known::Remembered,
                Some(false) => Known::Legacy,
                None => Known::Nothing,
            };
        }
        match *known {
            Known::Modern | Known::Remembered => Some(true),
            Known::Legacy => Some(false),
            Known::Nothing | Known::Unasked => None,
        }
    }

    /// Whether this run has seen it take modern requests, or the user says so.
    pub(super) fn is_proven_modern(&self) -> bool {
        self.options.protocol == Protocol::Modern || *self.era.known() == Known::Modern
    }

    /// Notes what a modern request has shown, for this run and those to come.
    pub(super) fn found(&self, is_modern: bool, discovered: Option<&str>) {
        if self.options.protocol != Protocol::Auto {
            return;
        }
        *self.era.known() = if is_modern { Known::Modern } else { Known::Legacy };
        self.memory.learn(|kept| {
            kept.modern = Some(is_modern);
            kept.translated &= is_modern;
            if let Some(discovered) = discovered.and_then(|text| serde_json::from_str(text).ok()) {
                kept.discover = Some(discovered);
            }
        });
    }

    /// Whether a modern client's words are translated, and the server has not turned out to take them as they are.
    pub(super) fn is_translating(&self) -> bool {
        self.translated.get().is_some() && !self.is_proven_modern()
    }

    /// Whether this is a modern client's request, and the server may take it as it is.
    fn may_take(&self, message: &Message) -> bool {
        let is_discover = message.method() == Some("server/discover");
        self.may_be_modern() && (is_discover || to_legacy::is_modern(message))
    }

    /// Whether a client that has made a modern request is one that will not shake hands, or need not.
    fn is_modern_client(&self) -> bool {
        self.takes_modern() == Some(true)
            || self.options.client_protocol == ClientProtocol::Modern
            || self.era.goes_on.load(Ordering::Relaxed)
    }

    fn may_be_modern(&self) -> bool {
        !self.client.translated
            && self.gate.is_idle()
            && self.options.client_protocol != ClientProtocol::Legacy
            && !self.is_translating()
            && self.takes_modern() != Some(false)
    }
}

impl Upstream {
    /// Whether `server/discover` goes to the server, as far as is known.
    pub(super) fn may_discover(&self) -> bool {
        self.0.may_be_modern()
    }

    /// Whether this is the client's handshake. From a client that is known to be modern the word is none, and unknown
    /// like any other.
    pub fn takes_handshake(&self, message: &Message) -> bool {
        let context = &self.0;
        let is_modern = context.options.client_protocol == ClientProtocol::Modern
            || self.is_translated()
            || (context.era.asked.load(Ordering::Relaxed) && context.is_proven_modern());
        message.method() == Some("initialize") && !(is_modern && to_legacy::is_modern(message))
    }

    /// Carries a modern client's request if the server is modern. `None`: it is not, and has not carried it out.
    pub(super) async fn modern(&self, message: &Message) -> Result<Option<Outcome>, Failure> {
        if !self.0.may_take(message) {
            return Ok(None);
        }
        self.0.era.asked.store(true, Ordering::Relaxed);
        if message.method() == Some("server/discover") {
            return discover(&self.0, message).await;
        }
        self.0.era.client_goes_on();
        carry(&self.0, message).await
    }

    /// Takes a modern client's notification, unless the server is legacy: then `None`.
    pub(super) async fn modern_notice(&self, message: &Message) -> Option<Result<(), Failure>> {
        if !self.0.may_be_modern() || !self.0.era.asked.load(Ordering::Relaxed) {
            return None;
        }
        // Closing the exchange is the cancellation, and there is nothing that a modern client answers.
        Some(match message.kind() {
            Kind::Notification { method } if &**method != "notifications/cancelled" => {
                modern::notify(&self.0, message).await
            }
            _ => Ok(()),
        })
    }
}

/// Asks within the startup wait; the asking goes on. A server that is late, or out of reach, is answered for: by what
/// it said last time, or in a way that has the client shake hands.
async fn discover(context: &Arc<Context>, message: &Message) -> Result<Option<Outcome>, Failure> {
    if context.options.client_protocol == ClientProtocol::Modern && context.takes_modern() != Some(true) {
        // It would not know what to do with such an answer.
        return carry(context, message).await;
    }
    let asking = task::spawn({
        let (context, message) = (Arc::clone(context), message.clone());
        async move { carry(&context, &message).await }
    });
    let carried = match tokio::time::timeout(context.options.startup_wait, asking).await {
        Ok(Ok(Ok(carried))) => carried,
        Ok(Ok(Err(failure @ Failure::SignIn { .. }))) if context.is_modern_client() => return Err(failure),
        failed if context.takes_modern() == Some(true) => {
            let kept = context.memory.recall().and_then(|kept| kept.discover);
            if let Some(kept) = kept {
                let answer = message::result(message.raw_id().unwrap_or("null"), &Value::Object(kept));
                return Ok(Some(Outcome::Answer(answer)));
            }
            match failed {
                Ok(Ok(Err(failure))) if context.options.protocol == Protocol::Modern => return Err(failure),
                _ => None,
            }
        }
        _ => None,
    };
    if context.options.client_protocol == ClientProtocol::Modern {
        return Ok(carried);
    }
    Ok(carried.or_else(|| {
        let why = "server/discover is not supported; use initialize";
        let raw_id = message.raw_id().unwrap_or("null");
        Some(Outcome::Answer(message::error(raw_id, code::METHOD_NOT_FOUND, why, None)))
    }))
}

/// Carries a modern request as it is. `None`: the server is legacy, and has not carried it out. What it may have carried
/// out has its answer, of whichever era that is: nothing is sent twice.
async fn carry(context: &Arc<Context>, message: &Message) -> Result<Option<Outcome>, Failure> {
    let carried = match message.method() {
        Some("subscriptions/listen") => Box::pin(modern::listen(context, message)).await,
        _ => modern::carry(context, message, &mut |_| true).await,
    };
    let Answered { status, answer } = match carried {
        Ok(answered) => answered,
        Err(failure @ Failure::Unusable(_)) if !signs::is_harmless(message) => return Err(failure),
        Err(failure) if says_legacy(&failure) && !context.is_proven_modern() => {
            if !to_legacy::is_complete(message) && answers_discover(context, message).await? {
                return Err(failure);
            }
            context.found(false, None);
            return Ok(None);
        }
        Err(failure) => return Err(failure),
    };
    let is_modern = if let Kind::Response { is_error: true, .. } = answer.kind() {
        if signs::is_limit(status) {
            return Err(Failure::Rpc(answer));
        }
        let is_discover = message.method() == Some("server/discover");
        let is_recognised = if is_discover { knows_discover } else { modern::is_recognised };
        let fits = context.is_proven_modern() && !modern::is_out_of_place(status, &answer);
        let has_answered = is_discover && to_legacy::is_complete(message);
        fits || is_recognised(status, &answer)
            || !has_answered && {
                let Ok(answers) = answers_discover(context, message).await else {
                    // Nothing is known but this answer.
                    return Ok(Some(Outcome::Answer(answer)));
                };
                answers
            }
    } else {
        let members = Members::of(answer.as_str());
        let result = members.as_ref().and_then(|members| members.get("result"));
        let has = |name| result.and_then(Members::of).is_some_and(|result| result.get(name).is_some());
        if has("supportedVersions") {
            context.found(true, result);
        } else if has("resultType") && !context.is_proven_modern() {
            context.found(true, None);
        }
        true
    };
    if !is_modern {
        context.found(false, None);
        if may_be_repeated(message, status, &answer) {
            return Ok(None);
        }
    }
    Ok(Some(Outcome::Answer(answer)))
}

/// An error that any server might have given: whether this one is modern, asked in the words of the request that met
/// it, or in ours where it lacked some. An error: that cannot be told now.
pub(super) async fn answers_discover(context: &Context, message: &Message) -> Result<bool, Failure> {
    let said = Members::of(message.as_str()).and_then(|members| members.object("params")?.get("_meta"));
    let ours = json!({ meta::PROTOCOL_VERSION: MODERN_REVISIONS[0], meta::CLIENT_CAPABILITIES: {} }).to_string();
    let own = said.filter(|_| to_legacy::is_complete(message)).unwrap_or(&ours);
    let params = format!(r#"{{"_meta":{own}}}"#);
    let request = message::request(&context.modern.ids.next(), "server/discover", &params);
    match Box::pin(modern::carry(context, &request, &mut |_| false)).await {
        Ok(Answered { status, answer }) => Ok(match answer.kind() {
            Kind::Response { is_error: true, .. } if status.is_server_error() || signs::is_limit(status) => {
                return Err(Failure::Rpc(answer));
            }
            Kind::Response { is_error: true, .. } => knows_discover(status, &answer),
            _ => {
                let members = Members::of(answer.as_str());
                context.found(true, members.as_ref().and_then(|members| members.get("result")));
                true
            }
        }),
        Err(failure) if says_legacy(&failure) => Ok(false),
        Err(failure) => Err(failure),
    }
}
