//! Which responses must be on stdout at the end of a run? Each request is answered once, nothing else is written, and
//! no secret is printed.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::peek;

#[derive(Default)]
pub(super) struct Expectations {
    /// Ids of the requests that were sent, and how many responses each must get.
    pub(super) responses: BTreeMap<String, usize>,
    /// Ids of cancelled requests: a response may have crossed the cancellation, but is not required.
    pub(super) cancelled: Vec<String>,
    /// Texts that only the upstream may receive.
    pub(super) secrets: Vec<String>,
}

impl Expectations {
    #[track_caller]
    pub(super) fn check(&self, lines: &[String], stderr: &str) {
        for secret in &self.secrets {
            assert!(!stderr.contains(secret), "the secret {secret:?} is on stderr: {stderr}");
            let line = lines.iter().find(|line| line.contains(secret));
            assert!(line.is_none(), "the secret {secret:?} is on stdout: {line:?}");
        }
        let mut answered = BTreeMap::<String, usize>::new();
        for message in messages(lines).into_iter().flat_map(split_batch) {
            let seen = peek(message.as_bytes());
            assert!(seen.is_object, "stdout holds only JSON-RPC messages: {message:?}");
            if let Some(id) = seen.id.filter(|_| seen.is_response) {
                *answered.entry(id).or_default() += 1;
            }
        }
        for (id, expected) in &self.responses {
            let count = answered.get(id).copied().unwrap_or_default();
            if self.cancelled.contains(id) {
                assert!(count <= *expected, "request {id} was cancelled and answered {count} times");
            } else {
                assert_eq!(count, *expected, "responses to request {id}: every request is answered exactly once");
            }
        }
        let stray = answered.keys().find(|id| *id != "null" && !self.responses.contains_key(*id));
        assert!(stray.is_none(), "a response to {stray:?}, which was not requested");
    }
}

/// The messages of a batch, or the single message.
fn split_batch(message: String) -> Vec<String> {
    match serde_json::from_str::<Vec<&RawValue>>(&message) {
        Ok(batch) => batch.into_iter().map(|one| one.get().to_owned()).collect(),
        Err(_) => vec![message],
    }
}

/// The messages on stdout: one for each line, or one for each `Content-Length` header.
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
