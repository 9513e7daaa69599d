//! What is due on stdout, and whether it was paid: each request answered once, nothing else said, no secret told.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::peek;

#[derive(Default)]
pub(super) struct Accounts {
    /// Ids of the requests that were sent, and how often each must be answered.
    pub(super) due: BTreeMap<String, usize>,
    /// Ids of requests that were cancelled: an answer may have crossed the cancellation, but need not come.
    pub(super) cancelled: Vec<String>,
    /// What may be said to the upstream and to nobody else.
    pub(super) secrets: Vec<String>,
}

impl Accounts {
    #[track_caller]
    pub(super) fn settle(&self, lines: &[String], stderr: &str) {
        for secret in &self.secrets {
            assert!(!stderr.contains(secret), "{secret:?} is a secret and stands on stderr: {stderr}");
            let told = lines.iter().find(|line| line.contains(secret));
            assert!(told.is_none(), "{secret:?} is a secret and stands on stdout: {told:?}");
        }
        let mut answered = BTreeMap::<String, usize>::new();
        for message in messages(lines).into_iter().flat_map(one_by_one) {
            let said = peek(message.as_bytes());
            assert!(said.is_object, "stdout holds nothing but JSON-RPC messages: {message:?}");
            if let Some(id) = said.id.filter(|_| said.is_answer) {
                *answered.entry(id).or_default() += 1;
            }
        }
        for (id, due) in &self.due {
            let count = answered.get(id).copied().unwrap_or_default();
            if self.cancelled.contains(id) {
                assert!(count <= *due, "request {id} was cancelled and answered {count} times");
            } else {
                assert_eq!(count, *due, "answers to request {id}: every request is answered exactly once");
            }
        }
        let stray = answered.keys().find(|id| *id != "null" && !self.due.contains_key(*id));
        assert!(stray.is_none(), "an answer to {stray:?}, which nobody asked");
    }
}

/// The messages of a batch, or the one that stands alone.
fn one_by_one(message: String) -> Vec<String> {
    match serde_json::from_str::<Vec<&RawValue>>(&message) {
        Ok(batch) => batch.into_iter().map(|one| one.get().to_owned()).collect(),
        Err(_) => vec![message],
    }
}

/// What stood on stdout, line by line or, where the client asked for it, by length.
fn messages(lines: &[String]) -> Vec<String> {
    if !lines.first().is_some_and(|line| line.starts_with("Content-")) {
        let unended = lines.iter().find(|line| !line.ends_with('\n'));
        assert!(unended.is_none(), "every message on stdout ends its line: {unended:?}");
        return lines.to_vec();
    }
    let (all, mut messages) = (lines.concat(), Vec::new());
    let mut rest = all.as_str();
    while !rest.is_empty() {
        let (head, body) = rest.split_once("\r\n\r\n").expect("a head before each message");
        let length = head.split_once("Content-Length:").expect("a length").1.trim().parse().expect("a number");
        let (message, next) = body.split_at(length);
        messages.push(message.to_owned());
        rest = next;
    }
    messages
}
