//! What may pass, given the rules and what is known of the server's tools?

use std::fmt::Write as _;

use super::call::{ToolUse, tool_use};
use super::list::{self, Hints};
use super::members::Members;
use super::{Changes, Rules};
use crate::message::Message;

/// How much of a tool's name is quoted.
const QUOTED: usize = 128;

/// What is to be done with a message of the client's.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the server as it is.
    Pass,
    /// It must not: a sentence that says why.
    Refuse(String),
    /// That depends on a tool's annotations, which no list has shown since the tools last changed.
    NeedList,
}

/// A `tools/list` on its way, to be given back with its answer.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The count of changes when it was asked.
    changes: u64,
    /// A later page adds to what the pages before it have shown.
    first_page: bool,
}

/// Applies the rules to messages. Remembers what lists have shown, where the rules need that.
#[derive(Debug)]
pub struct Filter {
    rules: Rules,
    changes: Changes,
    /// The name of the bridge's own tool, which is no server's.
    except: Option<&'static str>,
    hints: Hints,
    /// The count of changes at which `hints` were shown.
    hints_of: u64,
}

impl Filter {
    /// `changes` is noted whenever the server's tools may have changed.
    pub fn new(rules: Rules, changes: Changes) -> Self {
        Self { rules, except: None, hints: Hints::new(), hints_of: changes.count(), changes }
    }

    /// Lets the tool of this name, and no other than before, be seen whatever the rules say.
    pub fn except(&mut self, own_tool: Option<&'static str>) {
        self.except = own_tool;
    }

    /// What lists have shown counts no more.
    pub fn forget(&self) {
        self.changes.note();
    }

    /// Judges one message of the client's, no batch.
    pub fn judge(&self, message: &Message) -> Verdict {
        let Ok(text) = std::str::from_utf8(message.text()) else { return Verdict::Pass };
        let name = match tool_use(text) {
            ToolUse::Nothing | ToolUse::List { .. } => return Verdict::Pass,
            ToolUse::Ambiguous(why) => return Verdict::Refuse(format!("this call is not carried, because {why}")),
            ToolUse::Call(name) => name,
        };
        if let Some(why) = self.rules.against(&name) {
            return Verdict::Refuse(not_available(&name, &why));
        }
        if !self.rules.read_only {
            return Verdict::Pass;
        }
        match self.hints.get(&*name).filter(|_| self.hints_of == self.changes.count()) {
            Some(true) => Verdict::Pass,
            Some(false) => Verdict::Refuse(not_available(&name, "--read-only hides it: it does not say readOnlyHint")),
            None => Verdict::NeedList,
        }
    }

    /// The refusal of a call whose tool no list has shown, all the same, and why none has.
    pub fn refuse_unknown(&self, message: &Message, why: &str) -> String {
        match std::str::from_utf8(message.text()).map(tool_use) {
            Ok(ToolUse::Call(name)) => not_available(&name, &format!("--read-only hides it: {why}")),
            _ => why.to_owned(),
        }
    }

    /// Whether this message of the client's asks for the tools; then what its answer is to be [filtered](Self::answer)
    /// with.
    pub fn asks(&self, message: &Message) -> Option<Asked> {
        match tool_use(std::str::from_utf8(message.text()).ok()?) {
            ToolUse::List { first_page } => Some(Asked { changes: self.changes.count(), first_page }),
            _ => None,
        }
    }

    /// Learns from the answer to a list, and returns it without the hidden tools, if it shows some.
    pub fn answer(&mut self, asked: Asked, answer: &Message) -> Option<Message> {
        let text = std::str::from_utf8(answer.text()).ok()?;
        if self.rules.read_only {
            self.learn(asked, list::hints(text));
        }
        Message::parse(list::without_hidden(text, &self.rules, self.except)?).ok()
    }

    /// Takes what the bridge's own list has shown; false if the tools have changed since it was begun.
    pub fn learn_all(&mut self, own: OwnList) -> bool {
        self.learn(Asked { changes: own.changes, first_page: true }, own.hints)
    }

    fn learn(&mut self, asked: Asked, shown: Hints) -> bool {
        let now = self.changes.count();
        if asked.changes != now {
            return false;
        }
        if self.hints_of != now {
            self.hints.clear();
            self.hints_of = now;
        }
        for (name, only_reads) in shown {
            let known = self.hints.entry(name).or_insert(true);
            *known = only_reads && (asked.first_page || *known);
        }
        true
    }

    /// Begins a list of the bridge's own.
    pub fn own_list(&self) -> OwnList {
        OwnList { changes: self.changes.count(), hints: Hints::new() }
    }
}

/// A list of all tools that the bridge itself asks for, page by page.
#[derive(Debug)]
pub struct OwnList {
    changes: u64,
    hints: Hints,
}

impl OwnList {
    /// The request for a page: the first, or the one at this cursor (as it is spelled). Takes the `_meta` of the
    /// client's call over, where the modern era says who asks, without what belongs to that one call.
    pub fn request(raw_id: &str, call: &Message, cursor: Option<&str>) -> String {
        let mut params = String::new();
        let text = std::str::from_utf8(call.text()).unwrap_or_default();
        if let Some(meta) = Members::of(text).all("params").last().and_then(|it| Members::of(it).all("_meta").last()) {
            let theirs = Members::of(meta);
            let ours = theirs.iter().filter(|(name, _)| !matches!(*name, "progressToken" | RELATED_TASK));
            let ours: Vec<_> = ours.map(|(name, value)| format!("{}:{value}", serde_json::json!(name))).collect();
            if !ours.is_empty() {
                write!(params, r#""_meta":{{{}}}"#, ours.join(",")).ok();
            }
        }
        if let Some(cursor) = cursor {
            let comma = if params.is_empty() { "" } else { "," };
            write!(params, r#"{comma}"cursor":{cursor}"#).ok();
        }
        format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"method":"tools/list","params":{{{params}}}}}"#)
    }

    /// Takes a page; the cursor of the next one if there is one.
    pub fn page(&mut self, answer: &Message) -> Option<String> {
        let text = std::str::from_utf8(answer.text()).ok()?;
        for (name, only_reads) in list::hints(text) {
            *self.hints.entry(name).or_insert(true) &= only_reads;
        }
        list::next_cursor(text).map(str::to_owned)
    }
}

/// Names the task that a message belongs to (2025-11-25, "Tasks").
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

fn not_available(name: &str, why: &str) -> String {
    let quoted = match name.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    };
    format!("Tool {} is not available: {why}", serde_json::json!(quoted))
}
