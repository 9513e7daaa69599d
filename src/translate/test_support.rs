//! Test support: messages, and members whose bytes would change if they were parsed and written again.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use crate::message::Message;

pub(super) fn message(text: impl Into<String>) -> Message {
    Message::parse(text.into()).unwrap()
}

pub(super) fn value(message: &Message) -> serde_json::Value {
    serde_json::from_slice(message.text()).unwrap()
}

const VALUES: [&str; 5] = ["1.0", "12345678901234567890123", r#""\u0041""#, "[ ]", "null"];

/// Up to three members. `also` is one more value that they may have.
pub(super) fn members(also: &'static str) -> impl Strategy<Value = String> {
    let value = proptest::sample::select([&VALUES[..], &[also]].concat());
    let member = ("[a-z]{1,4}", value, "[ ]{0,2}");
    proptest::collection::vec(member, 0..4).prop_map(|members| {
        let members = members.into_iter().enumerate();
        members
            .map(|(n, (name, value, space))| format!(r#""x{n}{name}":{space}{value}"#))
            .collect::<Vec<_>>()
            .join(", ")
    })
}
