//! What has a client asked for that lasts as long as the session? A server that has forgotten a session has forgotten
//! this with it, and as the client is not told of that, it is asked for again here.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use super::Outcome;
use crate::log;
use crate::message::{self, Kind, Message};
use crate::message::{Change, Members};
use crate::translate::to_modern::Ids;
use crate::upstream::Failure;

/// How long the client's next request waits for a new session to be like the old one.
const LIKE_BEFORE: Duration = Duration::from_secs(5);

/// A legacy client's log level and subscriptions ("Logging", "Resources").
#[derive(Default)]
pub(super) struct Lasting(Mutex<BTreeMap<Key, Wish>>);

/// A request on its way to the server.
pub(super) type Asked<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send + 'a>>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    LogLevel,
    Resource(String),
}

/// A request, but for its id.
#[derive(Clone)]
struct Wish {
    method: &'static str,
    /// JSON text.
    params: String,
}

impl Lasting {
    /// Takes note of a request, or of those in a batch, unless the server has refused it.
    pub(super) fn note(&self, request: &Message, outcome: &Result<Outcome, Failure>) {
        if let Kind::Batch(requests) = request.kind() {
            return requests.iter().for_each(|request| self.note(request, outcome));
        }
        let Some(method) = lasting(request) else { return };
        let is_granted = outcome.as_ref().is_ok_and(|outcome| refusal(outcome).is_none());
        let Some(params) = Members::of(request.as_str()).and_then(|members| members.object("params")) else { return };
        let uri = params.string("uri").map(Key::Resource);
        let Some(key) = (if method == "logging/setLevel" { Some(Key::LogLevel) } else { uri }) else { return };
        if !is_granted {
            return;
        }
        if method == "resources/unsubscribe" {
            self.kept().remove(&key);
            return;
        }
        // Its progress would be nobody's.
        let params = params.with(&[("_meta", Change::Remove)]);
        self.kept().insert(key, Wish { method, params });
    }

    /// The client begins anew.
    pub(super) fn forget(&self) {
        self.kept().clear();
    }

    /// Asks a server that has a new session in place of the client's for what the old one had, before the client says
    /// anything in it: what that asks for next shall be the last word. `ask` opens no further session, or one that a
    /// server loses at once would be followed by another without end. What the server refuses is given up; what has failed
    /// is asked for in the session after this.
    pub(super) async fn ask_again<'a>(&self, ids: &Ids, ask: &(dyn Fn(Message) -> Asked<'a> + Sync)) {
        let wishes = self.kept().clone();
        let asking = async {
            for (key, Wish { method, params }) in wishes {
                let asked = ask(message::request(&ids.next(), method, &params)).await;
                let refused = asked.as_ref().ok().and_then(refusal);
                let failure = match asked {
                    Ok(_) => refused.clone().map(Failure::Rpc),
                    Err(failure) => Some(failure),
                };
                if let Some(failure) = failure {
                    log::warn!("{method} is lost with the session: {}", failure.logged());
                }
                if refused.is_some() {
                    self.kept().remove(&key);
                }
            }
        };
        if tokio::time::timeout(LIKE_BEFORE, asking).await.is_err() {
            log::warn!("the server is slow to take the log level and the subscriptions that its last session had");
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Key, Wish>> {
        self.0.lock()
    }
}

fn lasting(request: &Message) -> Option<&'static str> {
    let methods = ["logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
    methods.into_iter().find(|method| request.method() == Some(*method))
}

/// Whether a request changes what lasts as long as the session.
pub(super) fn is_lasting(request: &Message) -> bool {
    lasting(request).is_some()
}

fn refusal(outcome: &Outcome) -> Option<Message> {
    match outcome {
        Outcome::Answer(answer) if matches!(answer.kind(), Kind::Response { is_error: true, .. }) => {
            Some(answer.clone())
        }
        _ => None,
    }
}
