//! What must a new session have from the one before? The log level and the subscriptions: a server that has lost a
//! session has lost them with it, and the client, which does not learn of that, does not set them again.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use parking_lot::Mutex;

use crate::log;
use crate::message::{self, Change, Kind, Message, OwnRequests};
use crate::upstream::Failure;
use crate::upstream::exchange::Outcome;

/// How long the client's next request waits for the requests of a replay.
const REPLAY: Duration = Duration::from_secs(5);

/// A legacy client's log level and subscriptions ("Logging", "Resources"). Every request that succeeds may change it;
/// whoever opens a session reads it.
#[derive(Default)]
pub(crate) struct SessionState(Mutex<BTreeMap<Key, Setting>>);

/// Sends a request in a new session, without opening another session for it.
pub(crate) type Send<'a> = dyn Fn(Message) -> Sending<'a> + Sync + 'a;

/// A request on its way to the server.
pub(crate) type Sending<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + std::marker::Send + 'a>>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    LogLevel,
    Resource(String),
}

/// The request that made a setting, but for its id.
#[derive(Clone)]
struct Setting {
    method: &'static str,
    /// JSON text.
    params: String,
}

impl SessionState {
    /// Notes a request, or those in a batch, unless the server has refused it.
    pub(crate) fn note(&self, request: &Message, outcome: &Result<Outcome, Failure>) {
        if let Kind::Batch(requests) = request.kind() {
            return requests.iter().for_each(|request| self.note(request, outcome));
        }
        let Some(method) = setting_method(request) else { return };
        if !outcome.as_ref().is_ok_and(|outcome| error(outcome).is_none()) {
            return;
        }
        let Some(params) = request.params() else { return };
        let uri = params.string("uri").map(Key::Resource);
        let Some(key) = (if method == "logging/setLevel" { Some(Key::LogLevel) } else { uri }) else { return };
        if method == "resources/unsubscribe" {
            self.0.lock().remove(&key);
            return;
        }
        // No progress of a replay is anybody's to know.
        let params = params.with(&[("_meta", Change::Remove)]);
        self.0.lock().insert(key, Setting { method, params });
    }

    /// The client begins anew.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// Requests each setting in a new session, before the client sends anything in it: what the client sets next shall
    /// hold. A setting that the server refuses is given up; one whose request has failed is requested again in the
    /// session after this one.
    pub(super) async fn replay(&self, own_requests: &OwnRequests, send: &Send<'_>) {
        let settings = self.0.lock().clone();
        let replaying = async {
            for (key, Setting { method, params }) in settings {
                let outcome = send(message::request(&own_requests.next_id(), method, &params)).await;
                let refused = outcome.as_ref().ok().and_then(error);
                if refused.is_some() {
                    self.0.lock().remove(&key);
                }
                if let Some(failure) = refused.map(Failure::Rpc).or(outcome.err()) {
                    log::warn!("{method} is lost with the session: {}", failure.for_log());
                }
            }
        };
        if tokio::time::timeout(REPLAY, replaying).await.is_err() {
            log::warn!("the server is slow to take the log level and the subscriptions that its last session had");
        }
    }
}

fn setting_method(request: &Message) -> Option<&'static str> {
    let methods = ["logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
    methods.into_iter().find(|method| request.method() == Some(*method))
}

/// Whether a request changes what a new session must have.
pub(super) fn is_setting(request: &Message) -> bool {
    setting_method(request).is_some()
}

fn error(outcome: &Outcome) -> Option<Message> {
    match outcome {
        Outcome::Answer(answer) if matches!(answer.kind(), Kind::Response { is_error: true, .. }) => {
            Some(answer.clone())
        }
        _ => None,
    }
}
