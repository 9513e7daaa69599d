//! What does the answer to `tools/list` show, and how does it read without some of it?

use std::collections::HashMap;
use std::ops::Range;

use super::Rules;
use super::members::{Members, elements, string};

/// Names, and whether the tool only reads. Of two tools with one name both must.
pub(super) type Hints = HashMap<String, bool>;

/// One tool of a list.
struct Tool {
    /// Several where the member is given several times.
    names: Vec<String>,
    only_reads: bool,
}

impl Tool {
    fn read(json: &str) -> Self {
        let tool = Members::of(json);
        let hints: Vec<_> = tool.all("annotations").map(Members::of).collect();
        let is_true =
            |hints: &Members<'_>| hints.has("readOnlyHint") && hints.all("readOnlyHint").all(|hint| hint == "true");
        Self {
            names: tool.all("name").filter_map(string).map(Into::into).collect(),
            only_reads: !hints.is_empty() && hints.iter().all(is_true),
        }
    }

    /// One that has no name cannot be judged, nor called.
    fn is_visible(&self, rules: &Rules) -> bool {
        !self.names.is_empty()
            && self.names.iter().all(|name| rules.against(name).is_none())
            && (!rules.read_only || self.only_reads)
    }
}

/// What an answer shows, before anything is taken out.
pub(super) fn hints(answer: &str) -> Hints {
    let mut hints = Hints::new();
    for tool in lists(answer).into_iter().flat_map(elements).map(Tool::read) {
        for name in tool.names {
            *hints.entry(name).or_insert(true) &= tool.only_reads;
        }
    }
    hints
}

/// The cursor of the next page as it is spelled, if there is one. Some servers end with an empty one.
pub(super) fn next_cursor(answer: &str) -> Option<&str> {
    let result = Members::of(answer).all("result").last()?;
    Members::of(result).all("nextCursor").last().filter(|cursor| !matches!(*cursor, "null" | r#""""#))
}

/// The answer without the tools that the rules hide, but for the one of this name; `None` if they hide none of it.
pub(super) fn without_hidden(answer: &str, rules: &Rules, except: Option<&str>) -> Option<String> {
    let cuts: Vec<_> = lists(answer).into_iter().flat_map(|list| cuts(answer, list, rules, except)).collect();
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

/// The texts of the lists in an answer: one, if nothing is given twice.
fn lists(answer: &str) -> Vec<&str> {
    let results = Members::of(answer);
    results.all("result").flat_map(|result| Members::of(result).all("tools").collect::<Vec<_>>()).collect()
}

/// What is to be taken out of `answer` so that the tools which this part of it lists are the visible ones.
fn cuts(answer: &str, list: &str, rules: &Rules, except: Option<&str>) -> Vec<Range<usize>> {
    let place = |part: &str| {
        let start = part.as_ptr() as usize - answer.as_ptr() as usize;
        start..start + part.len()
    };
    let tools = elements(list);
    let places: Vec<_> = tools.iter().map(|tool| place(tool)).collect();
    let mut kept_any = false;
    let mut cuts = Vec::new();
    for (nth, tool) in tools.iter().enumerate() {
        let tool = Tool::read(tool);
        if tool.is_visible(rules) || except.is_some_and(|own| tool.names == [own]) {
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
