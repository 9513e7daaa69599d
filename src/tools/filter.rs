//! What may pass, given the rules and what lists have shown of the server's tools?

use std::sync::Arc;

use super::call::{ToolUse, tool_use};
use super::list::{self, ReadOnly};
use super::{Changes, Rules};
use crate::message::{Message, quoted};

/// How much of a tool's name is quoted, in characters.
const QUOTED: usize = 128;

/// What happens to a message from the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the server unchanged.
    Pass,
    /// It is refused, with this sentence as the reason.
    Refuse(String),
    /// That depends on the annotations of the tool with this name. No list has shown them since the tools last changed.
    NeedList(String),
}

/// A `tools/list` request in flight. Its answer is [filtered](Filter::filter_list) with it.
#[derive(Debug, Clone, Copy)]
pub struct ListRequest {
    /// The count of changes when it was sent.
    changes: u64,
    /// A later page adds to what the pages before it have shown.
    first_page: bool,
}

/// Applies the rules to messages. Where the rules need it, remembers what lists have shown.
#[derive(Debug)]
pub struct Filter {
    rules: Rules,
    changes: Changes,
    /// The name of the bridge's own tool. The rules do not apply to it.
    own_tool: Option<Arc<str>>,
    read_only: ReadOnly,
    /// The count of changes when `read_only` was learned.
    learned_at: u64,
}

impl Filter {
    /// `changes` counts how often the server's tools may have changed.
    pub fn new(rules: Rules, changes: Changes) -> Self {
        Self { rules, own_tool: None, read_only: ReadOnly::new(), learned_at: changes.count(), changes }
    }

    /// Always shows the tool of this name, and no other tool.
    pub fn always_show(&mut self, own_tool: Option<Arc<str>>) {
        self.own_tool = own_tool;
    }

    /// The tools may have changed: what lists have shown so far is no longer used.
    pub fn tools_changed(&self) {
        self.changes.note();
    }

    /// Judges one message from the client that is not a batch.
    pub fn judge(&self, message: &Message) -> Verdict {
        let name = match tool_use(message) {
            ToolUse::Nothing | ToolUse::List { .. } => return Verdict::Pass,
            ToolUse::Ambiguous(why) => return Verdict::Refuse(format!("this call is not sent, because {why}")),
            ToolUse::Call(name) => name,
        };
        if let Some(why) = self.rules.against(&name) {
            return Verdict::Refuse(not_available(&name, &why));
        }
        if !self.rules.read_only {
            return Verdict::Pass;
        }
        match self.read_only.get(&name).filter(|_| self.learned_at == self.changes.count()) {
            Some(true) => Verdict::Pass,
            Some(false) => Verdict::Refuse(not_available(&name, "--read-only hides it: its readOnlyHint is not true")),
            None => Verdict::NeedList(name),
        }
    }

    /// What this message's answer is to be [filtered](Self::filter_list) with; `None` if it is not `tools/list`.
    pub fn list_request(&self, message: &Message) -> Option<ListRequest> {
        match tool_use(message) {
            ToolUse::List { first_page } => Some(ListRequest { changes: self.changes.count(), first_page }),
            _ => None,
        }
    }

    /// Learns from the answer to `tools/list`. Returns it without the hidden tools; `None` if none is hidden.
    pub fn filter_list(&mut self, request: ListRequest, answer: &Message) -> Option<Message> {
        if self.rules.read_only {
            self.learn(request, list::read_only(answer.as_str()));
        }
        Message::parse(list::without_hidden(answer.as_str(), &self.rules, self.own_tool.as_deref())?).ok()
    }

    /// Learns from a list that the bridge requested itself; false if the tools have changed since it began.
    pub fn learn_all(&mut self, own: OwnList) -> bool {
        self.learn(own.request, own.read_only)
    }

    fn learn(&mut self, request: ListRequest, shown: ReadOnly) -> bool {
        let now = self.changes.count();
        if request.changes != now {
            return false;
        }
        if self.learned_at != now {
            self.read_only.clear();
            self.learned_at = now;
        }
        for (name, is_read_only) in shown {
            let known = self.read_only.entry(name).or_insert(true);
            *known = is_read_only && (request.first_page || *known);
        }
        true
    }

    /// Begins a list that the bridge requests itself.
    pub fn own_list(&self) -> OwnList {
        let request = ListRequest { changes: self.changes.count(), first_page: true };
        OwnList { request, read_only: ReadOnly::new() }
    }
}

/// What all pages of a list show that the bridge requests itself.
#[derive(Debug)]
pub struct OwnList {
    request: ListRequest,
    read_only: ReadOnly,
}

impl OwnList {
    /// Adds the answer with a page.
    pub fn add(&mut self, answer: &Message) {
        for (name, is_read_only) in list::read_only(answer.as_str()) {
            *self.read_only.entry(name).or_insert(true) &= is_read_only;
        }
    }
}

/// The reason for a refusal, as a sentence about the tool.
pub fn not_available(name: &str, why: &str) -> String {
    let shown = match name.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    };
    format!("Tool {} is not available: {why}", quoted(&shown))
}
