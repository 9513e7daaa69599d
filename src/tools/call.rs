//! Which tool does this message call?

use std::borrow::Cow;

use super::members::{Members, string};

/// What a message is to the server's tools.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToolUse<'a> {
    /// Nothing, or a call without a name: the server says what is wrong with it.
    Nothing,
    /// It asks for the list; whether from its beginning.
    List { first_page: bool },
    /// It calls the tool of this name.
    Call(Cow<'a, str>),
    /// It is a call, but which tool is called depends on who reads it.
    Ambiguous(&'static str),
}

/// Reads one message, no batch.
pub(super) fn tool_use(json: &str) -> ToolUse<'_> {
    let message = Members::of(json);
    let methods: Vec<_> = message.all("method").map(string).collect();
    let is = |wanted: &str| methods.iter().any(|method| method.as_deref() == Some(wanted));
    if is("tools/call") {
        if methods.iter().any(|method| method != &methods[0]) {
            return ToolUse::Ambiguous("the message has several methods");
        }
        return called(&message);
    }
    if is("tools/list") {
        let cursor = |params| Members::of(params).all("cursor").any(|cursor| cursor != "null");
        return ToolUse::List { first_page: !message.all("params").any(cursor) };
    }
    ToolUse::Nothing
}

fn called<'a>(message: &Members<'a>) -> ToolUse<'a> {
    let mut name = None;
    for (nth, params) in message.all("params").enumerate() {
        // Some servers take parameters by their position.
        if params.starts_with('[') {
            return ToolUse::Ambiguous("its params are a list");
        }
        let params = Members::of(params);
        let mut names = params.all("name").peekable();
        if nth > 0 && name.is_some() != names.peek().is_some() {
            return ToolUse::Ambiguous("the call has several params");
        }
        for given in names {
            let given = match string(given) {
                Some(given) => Some(given),
                None if given == "null" => None,
                None => return ToolUse::Ambiguous("the tool's name is no string"),
            };
            if name.as_ref().is_some_and(|name| *name != given) {
                return ToolUse::Ambiguous("the call names several tools");
            }
            name = Some(given);
        }
    }
    name.flatten().map_or(ToolUse::Nothing, ToolUse::Call)
}
