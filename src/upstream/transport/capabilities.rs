//! Which lists does the server have, and which ones was the client promised?

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::message::{self, Kind, Message};
use crate::translate::LISTS;

/// The requests for lists: the method, the capability it belongs to, and the member of the
/// result that holds it.
const METHODS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "tools"),
    ("prompts/list", "prompts", "prompts"),
    ("resources/list", "resources", "resources"),
    ("resources/templates/list", "resources", "resourceTemplates"),
];

/// The capabilities in the responses to `initialize`. The task that opens a session changes them, requests for lists
/// read them.
#[derive(Debug, Default)]
pub(crate) struct Capabilities(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Those in a response that the bridge gave in the place of the server.
    promised: Option<Value>,
    /// The server's own.
    actual: Option<Value>,
}

impl Capabilities {
    /// Has a result in the place of the server's promise that its lists may change. Each list that the client knows of
    /// can then be filled later.
    pub(crate) fn promise_changes(result: &mut Value) {
        for (capability, _) in LISTS {
            if result["capabilities"].get(capability).is_some_and(Value::is_object) {
                result["capabilities"][capability]["listChanged"] = true.into();
            }
        }
    }

    pub(crate) fn set_promised(&self, capabilities: Value) {
        self.0.lock().promised = Some(capabilities);
    }

    /// The server's own capabilities have come.
    pub(crate) fn set_actual(&self, capabilities: Value) {
        self.0.lock().actual = Some(capabilities);
    }

    /// Whether the client was answered in the place of the server.
    pub(crate) fn has_promised(&self) -> bool {
        self.0.lock().promised.is_some()
    }

    /// The response to a request for a list that the client was promised and the server does not have.
    pub(crate) fn empty_list(&self, request: &Message) -> Option<Message> {
        let (_, capability, member) = METHODS.iter().find(|(method, ..)| Some(*method) == request.method())?;
        let state = self.0.lock();
        state.promised.as_ref()?.get(capability)?;
        if state.actual.as_ref()?.get(capability).is_some() {
            return None;
        }
        let Kind::Request { .. } = request.kind() else { return None };
        Some(message::result(request.raw_id()?, &json!({ *member: [] })))
    }

    /// The notifications that every list which the client may know of has changed.
    pub(super) fn changed_lists(&self) -> Vec<Message> {
        let state = self.0.lock();
        let known = [&state.actual, &state.promised];
        let has = |list: &&str| known.iter().any(|known| known.as_ref().is_some_and(|all| all.get(list).is_some()));
        LISTS.iter().map(|(list, _)| *list).filter(has).map(message::list_changed).collect()
    }
}
