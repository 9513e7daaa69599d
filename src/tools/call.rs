//! Which tool does this message call?

use crate::message::{Members, Message};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToolUse {
    /// Nothing. Or it is a call without a name, which the server answers with an error.
    Nothing,
    /// It lists the tools. `first_page` is false where it has a cursor.
    List {
        first_page: bool,
    },
    Call(String),
    /// It is a call, but different servers may read different tools in it. Why, as the end of "because …".
    Ambiguous(&'static str),
}

/// Reads one message that is not a batch.
pub(super) fn tool_use(message: &Message) -> ToolUse {
    let Some(message) = Members::of(message.as_str()) else { return ToolUse::Nothing };
    let methods: Vec<_> = message.all("method").into_iter().map(string).collect();
    let is = |wanted: &str| methods.iter().any(|method| method.as_deref() == Some(wanted));
    if is("tools/call") {
        if methods.iter().any(|method| method != &methods[0]) {
            return ToolUse::Ambiguous("the message has several methods");
        }
        return called_tool(&message);
    }
    if is("tools/list") {
        let params = message.all("params").into_iter().filter_map(Members::of);
        return ToolUse::List { first_page: params.flat_map(|params| params.all("cursor")).all(|it| it == "null") };
    }
    ToolUse::Nothing
}

fn called_tool(message: &Members<'_>) -> ToolUse {
    let mut name = None;
    for (nth, params) in message.all("params").into_iter().enumerate() {
        // Some servers read parameters by their position.
        if params.starts_with('[') {
            return ToolUse::Ambiguous("its params are an array");
        }
        let names = Members::of(params).map(|params| params.all("name")).unwrap_or_default();
        if nth > 0 && name.is_some() == names.is_empty() {
            return ToolUse::Ambiguous("it has several params");
        }
        for value in names {
            let given = string(value);
            if given.is_none() && value != "null" {
                return ToolUse::Ambiguous("the tool's name is not a string");
            }
            if name.as_ref().is_some_and(|name| *name != given) {
                return ToolUse::Ambiguous("it names several tools");
            }
            name = Some(given);
        }
    }
    name.flatten().map_or(ToolUse::Nothing, ToolUse::Call)
}

/// A string without its escapes; `None` for any other value.
pub(super) fn string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}
