//! What has a client asked for that lasts as long as the session? A server that has forgotten a session has forgotten
//! this with it, and as the client is not told of that, it is asked for again here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Context, Outcome, Upstream};
use crate::error::Failure;
use crate::log;
use crate::message::{Kind, Message};
use crate::task;
use crate::translate::{members::Members, text};

/// A legacy client's log level and subscriptions ("Logging", "Resources"), as it asked for them.
#[derive(Default)]
pub(super) struct Lasting(Mutex<BTreeMap<Key, Message>>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    LogLevel,
    Resource(String),
}

impl Lasting {
    /// Takes note of a request, or of those in a batch, unless the server has refused it.
    pub(super) fn note(&self, request: &Message, outcome: &Result<Outcome, Failure>) {
        let is_granted = match outcome {
            Ok(Outcome::Answer(answer)) => !matches!(answer.kind(), Kind::Response { is_error: true, .. }),
            Ok(_) => true,
            Err(_) => false,
        };
        if !is_granted {
            return;
        }
        match (request.kind(), request.method()) {
            (Kind::Batch(requests), _) => requests.iter().for_each(|request| self.note(request, outcome)),
            (_, Some("logging/setLevel")) => drop(self.kept().insert(Key::LogLevel, request.clone())),
            (_, Some("resources/subscribe")) => {
                drop(resource(request).map(|key| self.kept().insert(key, request.clone())));
            }
            (_, Some("resources/unsubscribe")) => drop(resource(request).map(|key| self.kept().remove(&key))),
            _ => {}
        }
    }

    /// The client begins anew.
    pub(super) fn forget(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Key, Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resource(request: &Message) -> Option<Key> {
    Members::of(text(request))?.object("params")?.string("uri").map(Key::Resource)
}

impl Context {
    /// Asks a server that has a new session in place of the client's for what the old one had, if it had any such.
    pub(super) fn ask_again(self: &Arc<Self>) {
        let asked: Vec<_> = self.lasting.kept().keys().cloned().collect();
        if asked.is_empty() {
            return;
        }
        let upstream = Upstream(Arc::clone(self));
        task::spawn(async move {
            for key in asked {
                // By now the client may want it no more.
                let request = upstream.0.lasting.kept().get(&key).cloned();
                let Some(request) = request else { continue };
                if let Err(failure) = upstream.ask_once_more(&request).await {
                    log::warn!("{} is lost with the session: {failure}", request.method().unwrap_or_default());
                }
            }
        });
    }
}

impl Upstream {
    /// Says a request of the client's again under an id of ours. Where the answer comes on another stream, nobody waits
    /// for it there.
    async fn ask_once_more(&self, request: &Message) -> Result<(), Failure> {
        let Some(wire) = self.pass().await? else { return Ok(()) };
        match wire.request(&request.with_id(&self.0.modern.ids.next())).await? {
            Outcome::Answer(answer) if matches!(answer.kind(), Kind::Response { is_error: true, .. }) => {
                Err(Failure::Rpc(answer))
            }
            _ => Ok(()),
        }
    }
}
