//! How does the bridge request `tools/list` itself, page by page?

use crate::message::{self, Change, Members, Message};

/// Names the task that a message belongs to (2025-11-25, "Tasks").
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// The pages of a list that is requested for a call, with that call's `_meta`, as the modern era requires.
#[derive(Debug)]
pub struct ListPages {
    /// The call's `_meta` without what belongs to that call alone; `None` where nothing is left of it.
    meta: Option<String>,
    /// The next page, as the server spells it.
    cursor: Option<String>,
}

impl ListPages {
    /// Stands before the first page.
    pub fn for_call(call: &Message) -> Self {
        let shared = |meta: Members<'_>| {
            let meta = meta.with(&[("progressToken", Change::Remove), (RELATED_TASK, Change::Remove)]);
            Members::of(&meta).is_some_and(|meta| !meta.is_empty()).then_some(meta)
        };
        let params = Members::of(call.as_str()).and_then(|call| call.object("params"));
        Self { meta: params.and_then(|params| params.object("_meta")).and_then(shared), cursor: None }
    }

    /// The request for the page.
    pub fn request(&self, raw_id: &str) -> Message {
        let params = Members::of("{}").map(|params| {
            let meta = self.meta.as_deref().map(|meta| ("_meta", Change::Set(meta)));
            let cursor = self.cursor.as_deref().map(|cursor| ("cursor", Change::Set(cursor)));
            params.with(&meta.into_iter().chain(cursor).collect::<Vec<_>>())
        });
        message::request(raw_id, "tools/list", params.as_deref().unwrap_or("{}"))
    }

    /// Goes on to the next page; false if there is none. Some servers end the list with an empty cursor.
    pub fn advance(&mut self, answer: &Message) -> bool {
        let result = Members::of(answer.as_str()).and_then(|answer| answer.object("result"));
        let cursor = result.and_then(|result| result.get("nextCursor"));
        self.cursor = cursor.filter(|cursor| !matches!(*cursor, "null" | r#""""#)).map(str::to_owned);
        self.cursor.is_some()
    }
}
