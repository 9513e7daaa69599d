//! Which tools does the answer to `tools/list` show, what is its text without some of them, and how does the bridge
//! request it itself?

use std::collections::HashMap;
use std::ops::Range;

use super::Rules;
use super::call::string;
use crate::message::{self, Change, Members, Message, elements};

/// The names of tools, and whether each tool is read-only. Of two tools with one name both must be.
pub(super) type ReadOnly = HashMap<String, bool>;

/// The annotation of a tool that changes nothing.
const READ_ONLY: &str = "readOnlyHint";

struct Tool {
    /// Several where the member is given several times.
    names: Vec<String>,
    /// One of the hints that were looked for is `true`.
    has_hint: bool,
}

impl Tool {
    fn read(json: &str, hints: &[&str]) -> Self {
        let Some(tool) = Members::of(json) else { return Self { names: Vec::new(), has_hint: false } };
        let annotations = tool.all("annotations");
        let has = |hint: &str| {
            let has = |annotations: &&str| {
                Members::of(annotations).is_some_and(|annotations| {
                    annotations.get(hint).is_some() && annotations.all(hint).iter().all(|hint| *hint == "true")
                })
            };
            annotations.iter().all(has)
        };
        Self {
            names: tool.all("name").into_iter().filter_map(string).collect(),
            has_hint: !annotations.is_empty() && hints.iter().any(|hint| has(hint)),
        }
    }

    /// A tool without a name is hidden: no rule can be applied to it, and it cannot be called.
    fn is_visible(&self, rules: &Rules) -> bool {
        !self.names.is_empty()
            && self.names.iter().all(|name| rules.against(name).is_none())
            && (!rules.read_only || self.has_hint)
    }
}

/// Which tools of an answer are read-only, hidden tools among them.
pub(super) fn read_only(answer: &str) -> ReadOnly {
    hints(answer, &[READ_ONLY])
}

/// Which tools of an answer have one of these hints, hidden tools among them.
pub(super) fn hints(answer: &str, hints: &[&str]) -> HashMap<String, bool> {
    let mut found = HashMap::new();
    for tool in lists(answer).into_iter().flat_map(|list| elements(list).unwrap_or_default()) {
        let tool = Tool::read(tool, hints);
        for name in tool.names {
            *found.entry(name).or_insert(true) &= tool.has_hint;
        }
    }
    found
}

/// The answer without hidden tools; `None` if it has none. The tool named `own_tool` is always shown.
pub(super) fn without_hidden(answer: &str, rules: &Rules, own_tool: Option<&str>) -> Option<String> {
    let cuts: Vec<_> = lists(answer).into_iter().flat_map(|list| cuts(answer, list, rules, own_tool)).collect();
    if cuts.is_empty() {
        return None;
    }
    let mut kept = String::with_capacity(answer.len());
    let mut from = 0;
    for cut in cuts {
        kept.push_str(&answer[from..cut.start]);
        from = cut.end;
    }
    kept.push_str(&answer[from..]);
    Some(kept)
}

/// The texts of the lists in an answer: one, unless a member is given twice.
fn lists(answer: &str) -> Vec<&str> {
    let Some(answer) = Members::of(answer) else { return Vec::new() };
    answer.all("result").into_iter().filter_map(Members::of).flat_map(|result| result.all("tools")).collect()
}

/// The parts of `answer` to leave out so that `list`, which is a part of it, shows only visible tools.
fn cuts(answer: &str, list: &str, rules: &Rules, own_tool: Option<&str>) -> Vec<Range<usize>> {
    let place = |part: &str| {
        let start = part.as_ptr() as usize - answer.as_ptr() as usize;
        start..start + part.len()
    };
    let tools = elements(list).unwrap_or_default();
    let places: Vec<_> = tools.iter().map(|tool| place(tool)).collect();
    let mut kept_any = false;
    let mut cuts = Vec::new();
    for (nth, tool) in tools.iter().enumerate() {
        let tool = Tool::read(tool, &[READ_ONLY]);
        if tool.is_visible(rules) || own_tool.is_some_and(|own_tool| tool.names == [own_tool]) {
            kept_any = true;
        } else if kept_any {
            // With the comma before it.
            cuts.push(places[nth - 1].end..places[nth].end);
        } else {
            // With the comma after it, if there is one.
            cuts.push(places[nth].start..places.get(nth + 1).map_or(places[nth].end, |next| next.start));
        }
    }
    cuts
}

/// Names the task that a message belongs to (2025-11-25, "Tasks").
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// The pages of a list that the bridge requests, with the `_meta` of a request of the client's, as the modern era
/// requires.
#[derive(Debug)]
pub struct ListPages {
    method: &'static str,
    /// That `_meta` without what belongs to that request alone; `None` where nothing is left of it.
    meta: Option<String>,
    /// The next page, as the server spells it.
    cursor: Option<String>,
}

impl ListPages {
    /// Stands before the first page of the tools.
    pub fn for_call(call: &Message) -> Self {
        Self::of("tools/list", call)
    }

    /// Stands before the first page of the list that this method requests; with the `_meta` of this request.
    pub fn of(method: &'static str, request: &Message) -> Self {
        let shared = |meta: Members<'_>| {
            let meta = meta.with(&[("progressToken", Change::Remove), (RELATED_TASK, Change::Remove)]);
            Members::of(&meta).is_some_and(|meta| !meta.is_empty()).then_some(meta)
        };
        let params = Members::of(request.as_str()).and_then(|request| request.object("params"));
        Self { method, meta: params.and_then(|params| params.object("_meta")).and_then(shared), cursor: None }
    }

    /// The request for the page.
    pub fn request(&self, raw_id: &str) -> Message {
        let meta = self.meta.iter().map(|meta| format!(r#""_meta":{meta}"#));
        let cursor = self.cursor.iter().map(|cursor| format!(r#""cursor":{cursor}"#));
        let params = meta.chain(cursor).collect::<Vec<_>>().join(",");
        message::request(raw_id, self.method, &format!("{{{params}}}"))
    }

    /// Goes on to the next page; false if there is none. Some servers end the list with an empty cursor.
    pub fn advance(&mut self, answer: &Message) -> bool {
        let result = Members::of(answer.as_str()).and_then(|answer| answer.object("result"));
        let cursor = result.and_then(|result| result.get("nextCursor"));
        self.cursor = cursor.filter(|cursor| !matches!(*cursor, "null" | r#""""#)).map(str::to_owned);
        self.cursor.is_some()
    }
}
