//! Which envelopes of servers would a client reject, and what are they with the same meaning and a valid form? A client
//! that cannot read a response does not report that: it waits until its time limit.

use std::borrow::Cow;

use super::code::INTERNAL_ERROR;
use super::members::quoted;
use super::{Change, Kind, Members, Message, NotJson};

/// The longest part of a server's `error` that becomes a sentence, in characters.
const LONGEST: usize = 300;

/// The members in which servers put their sentence, besides `message`.
const SENTENCES: [&str; 5] = ["error_description", "description", "detail", "title", "reason"];

impl Message {
    /// Reads a message of a server; see [`Message::repaired`].
    pub fn received(text: impl Into<bytes::Bytes>) -> Result<Self, NotJson> {
        Ok(Self::parse(text)?.repaired())
    }

    /// This message with a valid envelope: `jsonrpc`, either a result or an error, a result that is not `null`, and an
    /// error with a code and a message. A valid message is returned as it is, to the byte.
    #[must_use]
    pub fn repaired(self) -> Self {
        if self.is_valid {
            return self;
        }
        if let Kind::Batch(elements) = self.kind {
            let elements = elements.into_iter().map(Self::repaired).collect();
            return Self { kind: Kind::Batch(elements), ..self };
        }
        let Some(members) = self.members() else { return self };
        let mut changes = vec![("jsonrpc", Change::Set("\"2.0\""))];
        let is_response = matches!(self.kind, Kind::Response { .. });
        let error = members.get("error").filter(|_| is_response);
        let result = members.get("result").filter(|_| is_response);
        let repaired = error.filter(|error| !(result.is_some() && is_nothing(error))).map(repaired_error);
        match (repaired.as_deref(), error) {
            (Some(error), _) => changes.extend([("error", Change::Set(error)), ("result", Change::Remove)]),
            (None, Some(_)) => changes.push(("error", Change::Remove)),
            (None, None) => {}
        }
        // Servers that have nothing to say, to a `ping` above all, say that with `null`.
        if repaired.is_none() && result == Some("null") {
            changes.push(("result", Change::Set("{}")));
        }
        let text = members.with(&changes);
        Self::peek(text.into()).unwrap_or(self)
    }
}

/// Whether this is an integer that every client can read.
fn is_code(code: &str) -> bool {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    code.parse().is_ok_and(|code: f64| code.fract() == 0.0 && code.abs() <= LARGEST)
}

/// Whether the value of `error` is that of an error response.
pub(super) fn is_error_object(error: &str) -> bool {
    Members::of(error).is_some_and(|error| {
        error.get("code").is_some_and(is_code) && error.get("message").is_some_and(|text| text.starts_with('"'))
    })
}

/// Whether a value of `error` beside a result means that there is no error.
fn is_nothing(error: &str) -> bool {
    matches!(error, "null" | "false" | "\"\"" | "0") || Members::of(error).is_some_and(|error| error.is_empty())
}

/// A value of `error` as an error object. What it has of one stays as it is.
fn repaired_error(error: &str) -> Cow<'_, str> {
    if is_error_object(error) {
        return error.into();
    }
    let empty = Members::of("{}");
    let Some(members) = Members::of(error).or(empty) else { return error.into() };
    let raw_code = members.get("code").unwrap_or_default();
    let is_number = raw_code.parse::<f64>().is_ok();
    let word = if is_number { raw_code.to_owned() } else { members.string("code").unwrap_or_default() };
    let (code, word) = match word.trim() {
        code if is_number && is_code(code) => (code.to_owned(), String::new()),
        code if is_code(code) && code.parse::<i64>().is_ok() => (code.to_owned(), String::new()),
        _ => (INTERNAL_ERROR.to_string(), word),
    };
    let text = match members.string("message") {
        Some(text) => text,
        None => sentence(error, &members),
    };
    let text = match (word.is_empty(), text.is_empty()) {
        (true, _) => text,
        (false, true) => word,
        (false, false) => format!("{word}: {text}"),
    };
    let text = quoted(&text);
    members.with(&[("code", Change::Set(&code)), ("message", Change::Set(&text))]).into()
}

/// What a value of `error` without a `message` says.
fn sentence(error: &str, members: &Members<'_>) -> String {
    if let Ok(text) = serde_json::from_str::<String>(error) {
        return text;
    }
    if let Some(text) = SENTENCES.iter().find_map(|name| members.string(name)).filter(|text| !text.is_empty()) {
        return text;
    }
    let said =
        members.get("message").unwrap_or(if members.get("code").is_some() || error == "{}" { "" } else { error });
    match said.char_indices().nth(LONGEST) {
        _ if said.is_empty() => "the server gave no reason".to_owned(),
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn repaired(text: &str) -> String {
        let message = Message::received(text.to_owned()).unwrap();
        assert_eq!(message, Message::parse(message.text().clone()).unwrap(), "{text}");
        message.as_str().to_owned()
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn what_was_repaired_is_valid_and_keeps_its_id(
            members in proptest::collection::vec(
                proptest::sample::select(vec![
                    r#""jsonrpc":"2.0""#, r#""jsonrpc":2"#, r#""id":1"#, r#""id":"1""#, r#""result":{"a":1.0}"#,
                    r#""result":null"#, r#""error":null"#, r#""error":{}"#, r#""error":"e""#, r#""error":{"code":-1}"#,
                    r#""error":{"code":"x","message":7}"#, r#""error":{"code":1,"message":"m"}"#, r#""\u0065rror":[1]"#,
                    r#""method":"m""#, r#""more":[{}]"#,
                ]),
                0..6,
            ),
        ) {
            let message = Message::parse(format!("{{{}}}", members.join(","))).unwrap();
            let repaired = message.clone().repaired();
            proptest::prop_assert!(repaired.is_valid, "{}", repaired.as_str());
            proptest::prop_assert_eq!(repaired.raw_id(), message.raw_id());
            proptest::prop_assert_eq!(&Message::parse(repaired.text().clone()).unwrap(), &repaired);
        }
    }

    #[test]
    fn a_valid_envelope_is_unchanged() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"result":{ "a":1.0 },"more":[]}"#,
            r#"{"id":1 ,"error":{"code":1E2,"message":"","x":1},"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/x"}"#,
            r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
            r#"{"a":1}"#,
            "7",
        ] {
            assert_eq!(repaired(text), text);
        }
    }

    #[test]
    fn an_invalid_envelope_keeps_its_meaning_and_its_other_bytes() {
        for (text, expected) in [
            (r#"{"id":1,"result":{ "a":1.0 }}"#, r#"{"id":1,"result":{ "a":1.0 },"jsonrpc":"2.0"}"#),
            (r#"{"jsonrpc":2,"id":1,"result":{}}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            (
                r#"{"method":"notifications/x","params":{}}"#,
                r#"{"method":"notifications/x","params":{},"jsonrpc":"2.0"}"#,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":-1,"message":"m"}}"#,
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m"}}"#,
            ),
        ] {
            assert_eq!(repaired(text), expected);
        }
    }

    #[test]
    fn a_result_of_nothing_is_an_empty_one() {
        for members in [r#""result":null"#, r#""error":null,"result":null"#, r#""result":null,"error":{}"#] {
            let text = repaired(&format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#));
            assert_eq!(text, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "{members}");
        }
        let other = r#"{"jsonrpc":"2.0","id":1,"result":[1.0]}"#;
        assert_eq!(repaired(other), other, "another value is the server's to answer for");
    }

    #[test]
    fn an_error_gets_a_code_and_a_message_in_the_words_of_the_server() {
        for (error, expected) in [
            (r#""it broke""#, r#"{"code":-32603,"message":"it broke"}"#),
            (r#"{"message":"m"}"#, r#"{"message":"m","code":-32603}"#),
            (r#"{"code":-32000}"#, r#"{"code":-32000,"message":"the server gave no reason"}"#),
            (r#"{"code":"-32602","message":"m"}"#, r#"{"code":-32602,"message":"m"}"#),
            (r#"{"code":1.5,"message":"m"}"#, r#"{"code":-32603,"message":"1.5: m"}"#),
            (r#"{"code":1e999,"message":"m"}"#, r#"{"code":-32603,"message":"1e999: m"}"#),
            (
                r#"{"code":99999999999999999999,"message":"m"}"#,
                r#"{"code":-32603,"message":"99999999999999999999: m"}"#,
            ),
            (r#"{"code":"E7","message":"m","data":[1.0]}"#, r#"{"code":-32603,"message":"E7: m","data":[1.0]}"#),
            (r#"{"code":1,"message":null}"#, r#"{"code":1,"message":"null"}"#),
            (r#"{"code":1,"message":{"a":1}}"#, r#"{"code":1,"message":"{\"a\":1}"}"#),
            (r#"{"code":1,"detail":"d"}"#, r#"{"code":1,"detail":"d","message":"d"}"#),
            (r#"{"status":7}"#, r#"{"status":7,"code":-32603,"message":"{\"status\":7}"}"#),
            ("{}", r#"{"code":-32603,"message":"the server gave no reason"}"#),
            ("[1]", r#"{"code":-32603,"message":"[1]"}"#),
            ("true", r#"{"code":-32603,"message":"true"}"#),
        ] {
            let text = repaired(&format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#));
            assert_eq!(text, format!(r#"{{"jsonrpc":"2.0","id":1,"error":{expected}}}"#));
        }
    }
}
