//! The first answers, when the server's own do not come in time: the last real one, else one that promises to tell more
//! later.

use parking_lot::MutexGuard;

use serde_json::{Value, json};

use super::{Context, sign_in};
use crate::message::{self, Initialize, Kind, Message};
use crate::translate::LEGACY_REVISIONS;

/// The lists a server may have, with the capability each belongs to and the member that holds it.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "tools"),
    ("prompts/list", "prompts", "prompts"),
    ("resources/list", "resources", "resources"),
    ("resources/templates/list", "resources", "resourceTemplates"),
];

/// What the client has been told, and what is true.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// The capabilities in an answer that was not the server's.
    promised: Option<Value>,
    /// The server's own.
    real: Option<Value>,
}

/// The capabilities of a server of which nothing is known.
pub(super) fn every_list() -> Value {
    let list = json!({ "listChanged": true });
    json!({ "tools": list, "prompts": list, "resources": list })
}

impl Context {
    fn promises(&self) -> MutexGuard<'_, Promises> {
        self.promises.lock()
    }

    /// An answer to `initialize` in the server's stead.
    pub(super) fn first_answer(&self, initialize: &Message) -> Message {
        let asked = Initialize::params(initialize).and_then(|params| params.protocol_version);
        let revision = asked.filter(|asked| LEGACY_REVISIONS.contains(&asked.as_str()));
        let revision = revision.unwrap_or_else(|| LEGACY_REVISIONS[0].to_owned());
        let kept = self.memory.recall().and_then(|kept| kept.greeting(&revision, self.sender.host()));
        let mut result = kept.unwrap_or_else(|| self.synthetic());
        // Revisions are dates, and the client's own is never too new for it.
        let known = result["protocolVersion"].as_str().unwrap_or_default().to_owned();
        if known.is_empty() || known > revision {
            result["protocolVersion"] = revision.into();
        }
        self.promise(&mut result);
        self.promises().promised = Some(result["capabilities"].clone());
        message::result(initialize.raw_id().unwrap_or("null"), &result)
    }

    /// Has a greeting, in either era's words, say that more will be told later, and by whom that is delayed.
    pub(super) fn promise(&self, result: &mut Value) {
        for (_, capability, _) in LISTS {
            if result["capabilities"].get(capability).is_some_and(Value::is_object) {
                result["capabilities"][capability]["listChanged"] = true.into();
            }
        }
        if self.sender.auth().login_status().is_needed() {
            let known = result["instructions"].as_str().map(|known| format!("\n\n{known}")).unwrap_or_default();
            result["instructions"] = format!("{}{known}", sign_in::instructions(self.sender.host())).into();
            result["capabilities"]["tools"] = json!({ "listChanged": true });
        }
    }

    fn synthetic(&self) -> Value {
        json!({
            "capabilities": every_list(),
            "serverInfo": { "name": self.sender.host(), "version": "unknown" },
        })
    }

    /// The server's own capabilities have come.
    pub(super) fn learned(&self, capabilities: Value) {
        self.promises().real = Some(capabilities);
    }

    /// The answer to a list that the client was promised and the server turns out not to have.
    pub(super) fn empty_list(&self, request: &Message) -> Option<Message> {
        let (_, capability, member) = LISTS.iter().find(|(method, ..)| Some(*method) == request.method())?;
        let promises = self.promises();
        promises.promised.as_ref()?.get(capability)?;
        if promises.real.as_ref()?.get(capability).is_some() {
            return None;
        }
        let Kind::Request { .. } = request.kind() else { return None };
        Some(message::result(request.raw_id()?, &json!({ *member: [] })))
    }

    /// Whether the client was answered in the server's stead.
    pub(super) fn has_promised(&self) -> bool {
        self.promises().promised.is_some()
    }

    /// Tells the client that what it knows of the server may have changed.
    pub(super) fn tell_changed(&self) {
        self.client.tools_changed();
        let promises = self.promises();
        for (what, _) in crate::translate::LISTS {
            let known = |capabilities: &Option<Value>| capabilities.as_ref().is_some_and(|all| all.get(what).is_some());
            if known(&promises.real) || known(&promises.promised) {
                self.client.say_now(message::list_changed(what));
            }
        }
    }
}
