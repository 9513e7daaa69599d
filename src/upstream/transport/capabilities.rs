//! Which lists does the server have, and which ones was the client promised?

use std::collections::BTreeSet;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::message::{self, Kind, Message};
use crate::translate::LISTS;

/// A list of the server's.
#[derive(Debug)]
pub(crate) struct List {
    /// The method that requests it.
    pub(crate) method: &'static str,
    /// The capability it belongs to.
    pub(crate) capability: &'static str,
    /// The member of the result that holds it.
    pub(crate) member: &'static str,
}

const fn list(method: &'static str, capability: &'static str, member: &'static str) -> List {
    List { method, capability, member }
}

static ALL: [List; 4] = [
    list("tools/list", "tools", "tools"),
    list("prompts/list", "prompts", "prompts"),
    list("resources/list", "resources", "resources"),
    list("resources/templates/list", "resources", "resourceTemplates"),
];

impl List {
    /// The list that this message requests.
    pub(crate) fn requested_by(message: &Message) -> Option<&'static Self> {
        // Cheap for the many that request none.
        let method = message.method().filter(|method| method.ends_with("/list"))?;
        ALL.iter().find(|list| list.method == method)
    }
}

/// A page of a list.
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) is_last: bool,
}

impl Page {
    /// The page in the response to a request for this list; `None` for an error.
    pub(crate) fn of(answer: &Message, list: &List) -> Option<Self> {
        let result = answer.members()?.object("result")?;
        // Some servers end a list with an empty cursor.
        let is_last = result.get("nextCursor").is_none_or(|cursor| matches!(cursor, "null" | r#""""#));
        Some(Self { items: serde_json::from_str(result.get(list.member)?).ok()?, is_last })
    }
}

/// The capabilities in the responses to `initialize`. The task that opens a session changes them, requests for lists
/// read them.
#[derive(Debug, Default)]
pub(crate) struct Capabilities(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Those in a response that the bridge gave in the place of the server.
    promised: Option<Value>,
    /// The promised ones are the server's own, from an earlier run.
    is_known: bool,
    /// The server's own.
    actual: Option<Value>,
    /// The methods of lists that the client has requested and not got.
    missed: BTreeSet<&'static str>,
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

    /// Notes the capabilities in a result in the place of the server's. `is_known`: they are those of an earlier run.
    pub(crate) fn set_promised(&self, capabilities: Value, is_known: bool) {
        let state = &mut *self.0.lock();
        (state.promised, state.is_known) = (Some(capabilities), is_known);
    }

    /// The client waits for a list, until what is returned is dropped.
    pub(crate) fn listing(&self, list: &'static List) -> Listing<'_> {
        self.0.lock().missed.remove(list.method);
        Listing { capabilities: self, list, is_answered: false }
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
        let List { capability, member, .. } = List::requested_by(request)?;
        let state = self.0.lock();
        state.promised.as_ref()?.get(capability)?;
        if state.actual.as_ref()?.get(capability).is_some() {
            return None;
        }
        let Kind::Request { .. } = request.kind() else { return None };
        Some(message::result(request.raw_id()?, &json!({ *member: [] })))
    }

    /// The notifications of what the client does not know of the lists, when the server takes the place of a promise.
    /// What was promised as an earlier run had it may be true; a list that was given so is compared by whoever gave it.
    pub(super) fn lists_beside_promise(&self) -> Vec<Message> {
        let state = self.0.lock();
        if !state.is_known {
            drop(state);
            return self.changed_lists();
        }
        let has = |known: &Option<Value>, list: &str| known.as_ref().is_some_and(|all| all.get(list).is_some());
        let is_missed = |list: &str| ALL.iter().any(|one| one.capability == list && state.missed.contains(one.method));
        let is_unknown = |list: &&str| has(&state.promised, list) != has(&state.actual, list) || is_missed(list);
        LISTS.iter().map(|(list, _)| *list).filter(is_unknown).map(message::list_changed).collect()
    }

    /// The notifications that every list which the client may know of has changed.
    pub(super) fn changed_lists(&self) -> Vec<Message> {
        let state = self.0.lock();
        let known = [&state.actual, &state.promised];
        let has = |list: &&str| known.iter().any(|known| known.as_ref().is_some_and(|all| all.get(list).is_some()));
        LISTS.iter().map(|(list, _)| *list).filter(has).map(message::list_changed).collect()
    }
}

/// A list for which the client waits.
pub(crate) struct Listing<'a> {
    capabilities: &'a Capabilities,
    list: &'static List,
    is_answered: bool,
}

impl Listing<'_> {
    /// Whether the client gets it.
    pub(crate) fn end(mut self, is_answered: bool) {
        self.is_answered = is_answered;
    }
}

impl Drop for Listing<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.capabilities.0.lock().missed.insert(self.list.method);
        }
    }
}
