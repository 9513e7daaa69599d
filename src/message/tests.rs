#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Message {
    Message::parse(text.to_owned()).unwrap()
}

#[test]
fn the_members_decide_the_kind() {
    let request = |id: &str, method: &str| Kind::Request { id: Id::from_json(id), method: method.into() };
    for (text, kind) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, request("1", "ping")),
        (r#"{"method":"a\u002fb","params":{"id":7,"method":"no"},"id":"x"}"#, request("\"x\"", "a/b")),
        (r#"{"id":null,"method":"ping"}"#, request("null", "ping")),
        (r#"{"method":"notifications/x"}"#, Kind::Notification { method: "notifications/x".into() }),
        (r#"{"id":2,"result":{}}"#, Kind::Response { id: Id::from_json("2"), is_error: false }),
        (r#"{"id":2,"result":{},"error":null}"#, Kind::Response { id: Id::from_json("2"), is_error: false }),
        (r#"{"error":{"code":1.5},"id":null}"#, Kind::Response { id: Id::null(), is_error: true }),
        (r#"{"id":3}"#, Kind::Invalid(Some(Id::from_json("3")))),
        (r#"{"id":3,"method":4}"#, Kind::Invalid(Some(Id::from_json("3")))),
        ("5", Kind::Invalid(None)),
        (r#"{"id":1,"id":2,"method":"last one counts"}"#, request("2", "last one counts")),
    ] {
        assert_eq!(parse(text).kind(), &kind, "{text}");
        assert_eq!(parse(text).text(), text, "the text stays as it is");
    }
}

#[test]
fn text_that_is_not_one_json_value_is_an_error() {
    for text in ["", " ", "{", "{}{}", "nope", "{\"a\":1,}", "[1,", "\u{7f}"] {
        assert!(Message::parse(text).is_err(), "{text:?}");
    }
    assert!(Message::parse(b"{\"a\":\"\xff\"}".to_vec()).is_err(), "JSON is UTF-8");
}

#[test]
fn a_batch_has_elements_with_their_own_texts() {
    let batch = parse(r#" [ {"id":1.0,"method":"a"}, {"method":"b"} ,{"id":"2","method":"c"}] "#);
    let Kind::Batch(elements) = batch.kind() else { panic!("not a batch") };
    assert_eq!(elements[0].text(), r#"{"id":1.0,"method":"a"}"#);
    let ids: Vec<_> = batch.requests().into_iter().map(|(_, raw)| raw).collect();
    assert_eq!(ids, ["1.0".into(), "\"2\"".into()] as [Box<str>; 2]);
}

#[test]
fn a_batch_in_a_batch_is_invalid_at_any_depth() {
    let depth = 200_000;
    let Kind::Batch(elements) = parse(&("[".repeat(depth) + &"]".repeat(depth))).kind().clone() else {
        panic!("no batch")
    };
    assert_eq!(elements[0].kind(), &Kind::Invalid(None));
}

#[test]
fn a_batch_of_very_many_elements_is_an_error() {
    let batch = |count: usize| Message::parse(format!("[{}1]", "1,".repeat(count - 1)));
    assert!(batch(MOST_IN_BATCH).is_ok());
    assert!(batch(MOST_IN_BATCH + 1).is_err());
}

#[test]
fn text_becomes_one_line() {
    let message = parse("\u{feff}{\r\n  \"id\": 1,\n  \"result\": {\"text\": \"a\\nb\"}\n}\n");
    assert_eq!(message.text(), "{    \"id\": 1,   \"result\": {\"text\": \"a\\nb\"} }");
}

#[test]
fn ids_are_compared_by_their_json_value() {
    for (one, two, same) in [
        ("1", "1.0", true),
        ("1", "10e-1", true),
        ("0", "-0.0", true),
        ("1", "\"1\"", false),
        ("\"\\u0041\"", "\"A\"", true),
        ("9007199254740993", "9007199254740992", false),
        ("1.5", "15e-1", true),
        ("null", "\"null\"", false),
    ] {
        assert_eq!(Id::from_json(one) == Id::from_json(two), same, "{one} and {two}");
    }
    assert!(Id::from_json("12345678901234567890").same_as_double(&Id::from_json("12345678901234567000")));
    assert!(!Id::from_json("\"1\"").same_as_double(&Id::from_json("\"1\"")), "strings do not go through doubles");
}

#[test]
fn a_number_resembles_its_text_and_its_double() {
    for (one, two, resembles) in [
        ("7", "\"7\"", true),
        ("-7", "\"-7\"", true),
        ("1.0", "\"1\"", true),
        ("9007199254740993", "9007199254740992", true),
        ("\"7\"", "\"7\"", false),
        ("null", "\"null\"", false),
        ("7", "\"8\"", false),
        ("true", "\"true\"", false),
    ] {
        let (one, two) = (Id::from_json(one), Id::from_json(two));
        assert_eq!((one.resembles(&two), two.resembles(&one)), (resembles, resembles), "{one} and {two}");
    }
}

#[test]
fn a_response_can_be_given_the_id_of_its_request() {
    let error = parse(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"m"}}"#);
    assert_eq!(error.with_id("\"a\"").text(), r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32000,"message":"m"}}"#);
    let error = parse(r#"{"error":{"code":-32000}}"#).with_id("7");
    assert_eq!(error.text(), r#"{"id":7,"error":{"code":-32000}}"#);
    assert_eq!(error.raw_id(), Some("7"));
}

#[test]
fn only_a_message_without_a_place_for_an_id_keeps_its_own() {
    for (text, expected) in [
        (r#"{"method":"a"}"#, r#"{"id":7,"method":"a"}"#),
        (r#"{"id":[1]}"#, r#"{"id":7}"#),
        ("{}", "{}"),
        ("[]", "[]"),
        (r#"[{"id":1,"result":{}}]"#, r#"[{"id":1,"result":{}}]"#),
        ("1", "1"),
    ] {
        let changed = parse(text).with_id("7");
        assert_eq!(changed.text(), expected);
        assert_eq!(changed, parse(expected), "{text}");
    }
}

#[test]
fn the_id_in_an_oversize_line_is_found_in_any_place() {
    for (text, id) in [
        (r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"id":1}}"#, Some("7")),
        (
            r#"{"method":"tools/call","params":{"a":["\"id\":3,{"],"id":1},"jsonrpc":"2.0","id" : "x y" }"#,
            Some("\"x y\""),
        ),
        (r#"{"id":7,"result":{}}"#, None),
        (r#"{"method":"notifications/x","params":{"id":1,"method":2}}"#, None),
        (r#"[{"id":7,"method":"x"}]"#, None),
    ] {
        for size in 1..5 {
            let mut scan = Oversize::default();
            text.as_bytes().chunks(size).for_each(|piece| scan.push(piece));
            assert_eq!(scan.request_id(), id, "{text} in pieces of {size}");
            assert_eq!(scan.answer_id(), (text == r#"{"id":7,"result":{}}"#).then_some("7"), "{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn peeking_agrees_with_a_full_parse(id in "(0|[1-9][0-9]{0,20}|-[1-9][0-9]?|\"[a-z\\\\/ ]{0,4}\"|null|1\\.5e3)", method in ".{0,12}", pad in "[ \t]{0,3}", arg in ".{0,40}") {
        let method = serde_json::to_string(&method).unwrap();
        let arg = serde_json::to_string(&arg).unwrap();
        let text = format!("{{\"params\":{{\"id\":{arg}}},{pad}\"method\":{pad}{method}, \"id\":{id}{pad}}}");
        let whole = serde_json::from_str::<serde_json::Value>(&text);
        let peeked = Message::parse(text.clone());
        prop_assert_eq!(whole.is_ok(), peeked.is_ok());
        if let (Ok(whole), Ok(peeked)) = (whole, peeked) {
            prop_assert_eq!(peeked.method(), whole["method"].as_str());
            prop_assert_eq!(peeked.raw_id(), Some(id.as_str()));
            prop_assert_eq!(peeked.text(), text.as_str());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::parse(bytes) {
            drop(message.with_id("1"));
        }
    }
}

/// The bridge does not parse back what it writes, so its view of a message must be what the parser would find.
#[test]
fn a_written_message_equals_the_parsed_one() {
    let data = serde_json::json!({ "a": 1 });
    let params = serde_json::json!({});
    for raw_id in ["1", r#""a\u0062""#, "1.0", "null"] {
        for written in [
            error(raw_id, -1, "no \"reason\"", Some(&data)),
            error(raw_id, -1, "", None),
            result(raw_id, &data),
            result(raw_id, "{}"),
            request(raw_id, "a/\"b", &params),
            request(raw_id, "a", "{}"),
            ping(raw_id),
            notification("a", &params),
            notification("a\n", "{}"),
            progress(raw_id, 1, "half"),
            cancelled(raw_id, "late"),
            list_changed("tools"),
            batch(&[&ping(raw_id), &list_changed("tools")]),
            parse(r#"{ "id" : 7 ,"result":{}}"#).with_id(raw_id),
            parse(r#"{"error":{"code":1}}"#).with_id(raw_id),
            parse(r#"{"method":"a","id":7}"#).with_id(raw_id),
            edited(r#"{"method":"a","id":7,"params":{"id":1}}"#, raw_id),
            edited(r#"{"id":6,"id" : 7 ,"error":{}}"#, raw_id),
            edited(r#"{"result":{}}"#, raw_id),
            edited(r#"{"method":"a"}"#, raw_id),
            edited(r#"{"a":1}"#, raw_id),
        ] {
            assert_eq!(written, Message::parse(written.text().clone()).unwrap(), "{}", written.as_str());
        }
    }
}

/// With this id, and with a changed member before and behind it.
fn edited(text: &str, raw_id: &str) -> Message {
    let message = parse(text);
    let members = message.members().unwrap();
    let changes = [("params", Change::Set("[[]]")), ("id", Change::Set(raw_id)), ("b", Change::Default("{}"))];
    message.edited(&members, &changes)
}
