//! Which calls are safe to repeat? Those of tools that say so themselves: a server that says so wrongly harms only itself.

use std::collections::HashMap;

use super::call::{ToolUse, tool_use};
use super::list::hints;
use crate::message::Message;

/// So many tools are remembered, with names of so many bytes. A call of any other tool is not safe to repeat.
const MOST_TOOLS: usize = 4096;
const LONGEST_NAME: usize = 256;

/// What lists have shown of the tools.
#[derive(Debug, Default)]
pub struct SafeTools(HashMap<String, bool>);

impl SafeTools {
    /// Learns from the answer to a `tools/list`. The first page of a list takes the place of what lists before have shown.
    /// Of two tools with one name both must be safe to repeat.
    pub fn learn(&mut self, request: &Message, answer: &Message) {
        let ToolUse::List { first_page } = tool_use(request) else { return };
        if first_page {
            self.0.clear();
        }
        for (name, is_safe) in hints(answer.as_str(), &["readOnlyHint", "idempotentHint"]) {
            if self.0.len() < MOST_TOOLS && name.len() <= LONGEST_NAME {
                *self.0.entry(name).or_insert(true) &= is_safe;
            }
        }
    }

    /// The tools may have changed.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Whether this is a call that is safe to repeat.
    pub fn is_safe(&self, call: &Message) -> bool {
        matches!(tool_use(call), ToolUse::Call(name) if self.0.get(&name) == Some(&true))
    }
}
