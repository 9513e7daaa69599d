#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::message::Message;

fn parse(text: &str) -> Message {
    Message::parse(text.to_owned()).unwrap()
}

fn rules(allow: &[&str], ignore: &[&str], read_only: bool) -> Rules {
    let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect::<Vec<_>>();
    Rules::parse(&owned(allow), &owned(ignore), read_only).unwrap().unwrap_or_default()
}

fn filter(rules: Rules) -> Filter {
    Filter::new(rules, Changes::default())
}

fn call(params: &str) -> Message {
    parse(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#))
}

fn listed(tools: &str) -> Message {
    parse(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{tools}}}}}"#))
}

/// The list without its hidden tools. The text around it must not change.
fn shown(filter: &mut Filter, tools: &str) -> String {
    let answer = listed(tools);
    let request = filter.list_request(&parse(r#"{"id":1,"method":"tools/list"}"#)).unwrap();
    let shown = filter.filter_list(request, &answer).unwrap_or(answer);
    let rest = shown.as_str().strip_prefix(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":"#).unwrap();
    rest.strip_suffix("}}").unwrap().to_owned()
}

#[test]
fn globs_match_whole_names_in_any_case() {
    for (glob, name, matches) in [
        ("delete", "delete", true),
        ("delete", "Delete", true),
        ("delete", "delete_all", false),
        ("delete*", "DELETE_all", true),
        ("*delete*", "undelete_it", true),
        ("*", "", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "acb", false),
        ("a*a", "a", false),
        ("a**a", "aa", true),
        ("*.x", "ayx", false),
        ("a.b", "a.b", true),
        ("a?b", "axb", false),
        ("ÄRA*", "ära_7", true),
    ] {
        assert_eq!(Glob::parse(glob).unwrap().matches(name), matches, "{glob} and {name}");
    }
    assert!(Glob::parse(" ").is_err(), "an empty pattern must not allow every tool");
}

#[test]
fn a_call_is_judged_by_every_name_that_it_may_have() {
    let filter = filter(rules(&[], &["delete*"], false));
    for (params, passes) in [
        (r#"{"name":"read"}"#, true),
        (r#"{"name":"delete"}"#, false),
        (r#"{"name":"\u0064elete"}"#, false),
        (r#"{"n\u0061me":"delete"}"#, false),
        (r#"{"Name":"delete"}"#, false),
        (r#"{"name":"DELETE_ALL","arguments":{}}"#, false),
        (r#"{"name":"read","arguments":{"name":"delete"}}"#, true),
        (r#"{"name":"read","name":"delete"}"#, false),
        (r#"{"name":"delete","name":"read"}"#, false),
        (r#"{"name":"read","name":"re\u0061d"}"#, true),
        (r#"{"name":"read","name":null}"#, false),
        (r#"{"name":"delete","\ud800":1}"#, false),
        (r#"{"name":"read","task":{"ttl":1}}"#, true),
        (r#"{"name":"delete","task":{"ttl":1}}"#, false),
        // These call no tool; the server answers them with an error.
        ("{}", true),
        ("null", true),
        (r#"{"name":null}"#, true),
        // Some servers read a name in each of these.
        (r#"{"name":["delete"]}"#, false),
        (r#"{"name":7}"#, false),
        (r#"["delete",{}]"#, false),
        (r#"{"name":"read"},"params":{"name":"delete"}"#, false),
        (r#"{"name":"delete"},"params":{"name":"read"}"#, false),
        (r#"{"name":"delete"},"params":{}"#, false),
        (r#"{"name":"read"},"params":{"name":"read"}"#, true),
        (r#"{"name":"read"},"method":"tools/list""#, false),
        (r#"{"name":"read"},"METHOD":"x""#, false),
    ] {
        assert_eq!(filter.judge(&call(params)) == Verdict::Pass, passes, "{params}");
    }
    for text in [
        r#"{"id":1,"method":"prompts/get","params":{"name":"delete"}}"#,
        r#"{"id":1,"result":{"method":"tools/call","params":{"name":"delete"}}}"#,
        r#"{"id":1,"method":"tools/list"}"#,
    ] {
        assert_eq!(filter.judge(&parse(text)), Verdict::Pass, "not a call: {text}");
    }
    let hidden = parse(r#"{"method":"tools/call","method":5,"params":{"name":"delete"},"id":1,"result":{}}"#);
    assert_ne!(filter.judge(&hidden), Verdict::Pass, "a server may read the first of two methods");
}

#[test]
fn a_refusal_names_its_rule() {
    for (rules, why) in [
        (rules(&[], &["x", "del*"], false), r#"Tool "delete" is not available: --ignore-tool del* hides it"#),
        (rules(&["read"], &[], true), r#"Tool "delete" is not available: no --allow-tool allows it"#),
    ] {
        assert_eq!(filter(rules).judge(&call(r#"{"name":"delete"}"#)), Verdict::Refuse(why.to_owned()));
    }
    let Verdict::Refuse(why) =
        filter(rules(&["x"], &[], false)).judge(&call(&format!(r#"{{"name":"{}"}}"#, "é".repeat(999))))
    else {
        panic!("the tool is not allowed")
    };
    assert!(why.chars().count() < 200, "a long name is cut: {why}");
}

#[test]
fn hidden_tools_are_removed_from_a_list_and_no_other_byte_changes() {
    let mut filter = filter(rules(&[], &["d*"], false));
    for (tools, rest) in [
        (r#"[ {"name":"a","n":1.0} , {"name":"d"},	{"name":"b"} ]"#, r#"[ {"name":"a","n":1.0},	{"name":"b"} ]"#),
        (r#"[ {"name":"d1"} , {"name":"a" } ]"#, r#"[ {"name":"a" } ]"#),
        (r#"[{"name":"a"}, {"name":"d"} ]"#, r#"[{"name":"a"} ]"#),
        (r#"[ {"name":"d1"},{"name":"d2"} ]"#, "[  ]"),
        (r#"[{"name":"\u0064"},{"n\u0061me":"d"},{"name":"a","name":"d"}]"#, "[]"),
        (r#"[{"title":"no name"},7,"x"]"#, "[]"),
        (r#"[{"name":"a"}],"tools":[{"name":"d"}]"#, r#"[{"name":"a"}],"tools":[]"#),
        (r#"[{"name":"a"}],"nextCursor":"d","d":[1]"#, r#"[{"name":"a"}],"nextCursor":"d","d":[1]"#),
        ("[]", "[]"),
    ] {
        assert_eq!(shown(&mut filter, tools), rest);
    }
    let failed = parse(r#"{"id":1,"error":{"code":1,"message":"m","data":{"tools":[{"name":"d"}]}}}"#);
    let request = filter.list_request(&parse(r#"{"id":1,"method":"tools/list"}"#)).unwrap();
    assert_eq!(filter.filter_list(request, &failed), None, "an error has no list");
}

#[test]
fn read_only_requires_the_literal_hint() {
    for (annotations, visible) in [
        (r#"{"readOnlyHint":true}"#, true),
        (r#"{"readOnlyHint": true ,"destructiveHint":true}"#, true),
        (r#"{"readOnlyHint":false}"#, false),
        (r#"{"readOnlyHint":"true"}"#, false),
        (r#"{"readOnlyHint":1}"#, false),
        (r#"{"readOnlyHint":true,"readOnlyHint":false}"#, false),
        (r#"{"readonlyhint":true}"#, false),
        (r#"{"readOnlyHint":true},"annotations":{}"#, false),
        ("{}", false),
        ("null", false),
    ] {
        let mut filter = filter(rules(&[], &[], true));
        let tool = format!(r#"[{{"name":"t","annotations":{annotations}}}]"#);
        assert_eq!(shown(&mut filter, &tool) == tool, visible, "{annotations}");
        assert_eq!(filter.judge(&call(r#"{"name":"t"}"#)) == Verdict::Pass, visible, "{annotations}");
    }
    assert_eq!(shown(&mut filter(rules(&[], &[], true)), r#"[{"name":"t"}]"#), "[]", "no annotations, no hint");
}

#[test]
fn a_hint_is_used_until_the_tools_change() {
    let (changes, call) = (Changes::default(), call(r#"{"name":"t"}"#));
    let mut filter = Filter::new(rules(&[], &[], true), changes.clone());
    let list = r#"[{"name":"t","annotations":{"readOnlyHint":true}}]"#;
    assert_eq!(filter.judge(&call), Verdict::NeedList("t".to_owned()), "no list has shown the tool yet");
    shown(&mut filter, list);
    assert_eq!(filter.judge(&call), Verdict::Pass);
    changes.note();
    assert_eq!(filter.judge(&call), Verdict::NeedList("t".to_owned()), "an answer from before the change is not used");
    let request = filter.list_request(&parse(r#"{"id":1,"method":"tools/list"}"#)).unwrap();
    let own = filter.own_list();
    changes.note();
    filter.filter_list(request, &listed(list));
    assert_eq!(filter.judge(&call), Verdict::NeedList("t".to_owned()), "nor the answer to a request from before it");
    assert!(!filter.learn_all(own), "nor a list that the bridge began before it");
}

#[test]
fn a_tool_is_read_only_if_every_page_that_lists_it_agrees() {
    let mut filter = filter(rules(&[], &[], true));
    let mut own = filter.own_list();
    let page =
        |hint: &str, more: &str| listed(&format!(r#"[{{"name":"t","annotations":{{"readOnlyHint":{hint}}}}}]{more}"#));
    let mut pages = ListPages::for_call(&call(r#"{"name":"t"}"#));
    let (first, last) = (page("true", r#","nextCursor":"a\"b""#), page("false", r#","nextCursor":"""#));
    own.add(&first);
    assert!(pages.advance(&first));
    assert_eq!(
        pages.request("1").as_str(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"a\"b"}}"#
    );
    own.add(&last);
    assert!(!pages.advance(&last), "an empty cursor ends the list");
    assert!(filter.learn_all(own));
    assert!(matches!(filter.judge(&call(r#"{"name":"t"}"#)), Verdict::Refuse(_)));
    let second = parse(r#"{"id":1,"method":"tools/list","params":{"cursor":"x"}}"#);
    filter.filter_list(filter.list_request(&second).unwrap(), &page("true", ""));
    assert!(matches!(filter.judge(&call(r#"{"name":"t"}"#)), Verdict::Refuse(_)), "a later page adds to the first");
    let first = parse(r#"{"id":1,"method":"tools/list","params":{}}"#);
    filter.filter_list(filter.list_request(&first).unwrap(), &page("true", ""));
    assert_eq!(filter.judge(&call(r#"{"name":"t"}"#)), Verdict::Pass, "a first page replaces what was known");
}

#[test]
fn the_bridges_own_list_has_the_meta_of_the_call_without_what_belongs_to_the_call_alone() {
    let meta = r#"{"progressToken":7,"io.modelcontextprotocol/protocolVersion":"2026-07-28","n":1.0}"#;
    let mut pages = ListPages::for_call(&call(&format!(r#"{{"name":"t","_meta":{meta}}}"#)));
    assert!(pages.advance(&listed(r#"[],"nextCursor":"c\n""#)));
    assert_eq!(
        pages.request(r#""own""#).as_str(),
        r#"{"jsonrpc":"2.0","id":"own","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","n":1.0},"cursor":"c\n"}}"#
    );
    let legacy = call(r#"{"name":"t","_meta":{"progressToken":7}}"#);
    let request = ListPages::for_call(&legacy).request("1");
    assert_eq!(request.as_str(), r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#);
}

fn tool() -> impl Strategy<Value = Value> {
    let hint =
        prop_oneof![Just(json!(null)), Just(json!({"readOnlyHint": true})), Just(json!({"readOnlyHint": false}))];
    ("[adr\\\\\"é/]{0,3}", hint, ".{0,8}")
        .prop_map(|(name, hint, more)| json!({ "name": name, "annotations": hint, "description": more }))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_without_its_hidden_tools_equals_the_list_that_a_full_parse_filters(
        tools in proptest::collection::vec(tool(), 0..8),
        pretty in any::<bool>(),
        read_only in any::<bool>(),
        cursor in ".{0,4}",
    ) {
        let rules = rules(&["*a*", "r*"], &["*d"], read_only);
        let is_visible = |tool: &Value| {
            let name = tool["name"].as_str().unwrap_or_default();
            (name.contains('a') || name.starts_with('r')) && !name.ends_with('d')
                && (!read_only || tool["annotations"]["readOnlyHint"] == true)
        };
        let mut answer = json!({ "id": 1, "result": { "tools": tools, "nextCursor": cursor } });
        let text = if pretty { serde_json::to_string_pretty(&answer) } else { serde_json::to_string(&answer) }.unwrap();
        let mut filter = filter(rules);
        let request = filter.list_request(&parse(r#"{"id":1,"method":"tools/list"}"#)).unwrap();
        let message = parse(&text);
        let shown = filter.filter_list(request, &message).unwrap_or(message);
        let kept: Vec<_> = tools.iter().filter(|tool| is_visible(tool)).cloned().collect();
        answer["result"]["tools"] = json!(kept);
        prop_assert_eq!(serde_json::from_slice::<Value>(shown.text()).unwrap(), answer);
        for tool in tools {
            let passes = filter.judge(&call(&json!({ "name": tool["name"] }).to_string())) == Verdict::Pass;
            let all = kept.iter().filter(|kept| kept["name"] == tool["name"]).count();
            prop_assert!(!passes || all > 0, "a tool that is not shown cannot be called: {}", tool);
        }
    }

    #[test]
    fn a_glob_agrees_with_a_simple_matcher(glob in "[ab*]{1,7}", name in "[ab]{0,8}") {
        fn simple(glob: &[u8], name: &[u8]) -> bool {
            match (glob.split_first(), name.split_first()) {
                (None, rest) => rest.is_none(),
                (Some((b'*', rest)), None) => simple(rest, name),
                (Some((b'*', rest)), Some((_, after))) => simple(rest, name) || simple(glob, after),
                (Some((one, rest)), Some((other, after))) => one == other && simple(rest, after),
                (Some(_), None) => false,
            }
        }
        prop_assert_eq!(Glob::parse(&glob).unwrap().matches(&name), simple(glob.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn no_text_makes_the_filter_panic(text in ".{0,60}", inner in "[\\[\\]{},:\"a1]{0,30}") {
        let mut filter = filter(rules(&["a"], &[], true));
        for text in [text, format!(r#"{{"id":1,"method":"tools/call","params":{inner}}}"#), format!(r#"{{"id":1,"result":{{"tools":{inner}}}}}"#)] {
            let Ok(message) = Message::parse(text) else { continue };
            drop(filter.judge(&message));
            let request = filter.list_request(&parse(r#"{"id":1,"method":"tools/list"}"#)).unwrap();
            drop(filter.filter_list(request, &message));
        }
    }
}
