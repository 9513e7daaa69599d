//! Which requests are sent once more when a connection that was used before breaks before the first byte of the answer?
//! Those that are safe to repeat, and no others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::*;

/// A server that lists `tools`, and closes the connection on the first requests of this kind without an answer.
fn closing(kind: &'static str, requests: usize, tools: serde_json::Value) -> Upstream {
    let closed = AtomicUsize::new(0);
    Upstream::start(move |call| match call.kind() {
        given if given == kind && closed.fetch_add(1, Ordering::SeqCst) < requests => call.cut(),
        "tools/list" => call.result(&json!({ "tools": tools }).to_string()),
        _ => call.respond_normally(),
    })
}

#[test]
fn a_request_that_only_reads_is_sent_once_more() {
    for (method, params) in [
        ("ping", "{}"),
        ("tools/list", "{}"),
        ("prompts/list", r#"{"cursor":"x"}"#),
        ("prompts/get", r#"{"name":"a"}"#),
        ("resources/list", "{}"),
        ("resources/templates/list", "{}"),
        ("resources/read", r#"{"uri":"file:///a"}"#),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"a"},"argument":{"name":"b","value":"c"}}"#),
        ("tasks/list", "{}"),
        ("tasks/get", r#"{"taskId":"a"}"#),
    ] {
        let first = AtomicUsize::new(0);
        let upstream = Upstream::start(move |call| match call.kind() {
            "ping" if call.id().contains("use") => call.respond_normally(),
            kind if kind == method && first.fetch_add(1, Ordering::SeqCst) == 0 => call.cut(),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::with_used_connection(&upstream);
        let line = request("1", method, params);
        bridge.send(&line);
        assert_eq!(bridge.response("1"), result("1", "{}"), "{method} is answered");
        let sent: Vec<_> = upstream.requests().into_iter().filter(|sent| sent.id.as_deref() == Some("1")).collect();
        assert_eq!(sent.len(), 2, "{method} is sent once more");
        assert_eq!((sent[0].text().trim_end(), sent[1].text().trim_end()), (&*line, &*line), "and it is the same");
        bridge.finish();
    }
}

#[test]
fn an_initialize_is_sent_once_more() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("initialize", 1) => call.cut(),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::with_used_connection(&upstream);
    bridge.send(&initialize("2", REVISION));
    assert!(bridge.response("2").contains(r#""result""#));
    assert_eq!(upstream.count("initialize"), 3);
    bridge.finish();
}

#[test]
fn a_request_that_may_change_something_is_never_sent_again() {
    for (method, params) in [
        ("tools/call", r#"{"name":"pay"}"#),
        ("tools/call", r#"{"name":"unlisted"}"#),
        ("logging/setLevel", r#"{"level":"info"}"#),
        ("resources/subscribe", r#"{"uri":"file:///a"}"#),
        ("tasks/cancel", r#"{"taskId":"a"}"#),
        ("tasks/result", r#"{"taskId":"a"}"#),
        ("x/list", "{}"),
    ] {
        let upstream = closing(method, 1, json!([{ "name": "pay", "inputSchema": {} }]));
        let mut bridge = Bridge::with_used_connection(&upstream);
        bridge.still_works();
        assert_error_mentions(&bridge.request("1", method, params), &[&upstream.host()]);
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.count(method), 1, "{method} is sent once");
    }
}

#[test]
fn a_notification_and_a_batch_are_never_sent_again() {
    let upstream = closing("notifications/x", 1, json!([]));
    let mut bridge = Bridge::with_used_connection(&upstream);
    bridge.send(&notification("notifications/x", "{}"));
    upstream.wait_for_closed(1);
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("notifications/x"), 1);
    let upstream = closing("batch", 1, json!([]));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.initialize_with_revision("2025-03-26");
    upstream.wait_for("GET", 1);
    bridge.request("2", "ping", "{}");
    bridge.send_raw(format!("[{}]\n", request("1", "ping", "{}")).as_bytes());
    bridge.expect_response("1");
    bridge.response("1");
    bridge.finish();
    assert_eq!(upstream.count("batch"), 1);
}

#[test]
fn a_request_is_sent_once_more_and_no_more() {
    let upstream = closing("tools/list", 2, json!([]));
    let mut bridge = Bridge::with_used_connection(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/list", "{}"), &[&upstream.host()]);
    bridge.finish();
    assert_eq!(upstream.count("tools/list"), 2);
}

#[test]
fn a_request_on_a_new_connection_is_not_sent_again() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/list", 0) => call.cut(),
        ("ping" | "notifications/initialized", _) => {
            let answer = if call.id().is_empty() { String::new() } else { result(&call.id(), "{}") };
            let kind = ("Content-Type", "application/json");
            call.respond("200 OK", &[kind, ("Connection", "close")], &answer);
        }
        ("GET", _) => call.respond("405 Method Not Allowed", &[("Connection", "close")], ""),
        ("initialize", _) => {
            let answer = result(&call.id(), &initialize_result(REVISION));
            call.respond("200 OK", &[("Content-Type", "application/json"), ("Connection", "close")], &answer);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/list", "{}"), &[&upstream.host()]);
    bridge.finish();
    assert_eq!(upstream.count("tools/list"), 1);
}

#[test]
fn a_request_whose_answer_has_begun_is_not_sent_again() {
    for begun in ["H", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Len"] {
        let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
            ("tools/list", 0) => call.raw(begun.as_bytes()),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::with_used_connection(&upstream);
        assert_error_mentions(&bridge.request("1", "tools/list", "{}"), &[&upstream.host()]);
        bridge.finish();
        assert_eq!(upstream.count("tools/list"), 1, "{begun:?}");
    }
}

/// How often a call of this tool reaches the server after lists with these tools.
fn calls(lists: &[serde_json::Value], params: &str) -> usize {
    let pages: Arc<Vec<_>> = Arc::new(lists.to_vec());
    let shown = Arc::clone(&pages);
    let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.cut(),
        ("tools/list", nth) => call.result(&shown[nth].to_string()),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::with_used_connection(&upstream);
    for (nth, _) in pages.iter().enumerate() {
        let cursor = if nth > 0 && pages[nth - 1].get("nextCursor").is_some() { r#"{"cursor":"2"}"# } else { "{}" };
        bridge.request(&format!("1{nth}"), "tools/list", cursor);
    }
    bridge.request("2", "tools/call", params);
    bridge.finish();
    upstream.count("tools/call")
}

#[test]
fn a_call_is_sent_once_more_if_the_tools_annotations_allow_it() {
    for (annotations, sent) in [
        (json!({ "readOnlyHint": true }), 2),
        (json!({ "idempotentHint": true }), 2),
        (json!({ "readOnlyHint": false, "idempotentHint": true, "destructiveHint": true }), 2),
        (json!({ "readOnlyHint": true, "idempotentHint": false }), 2),
        (json!({ "readOnlyHint": false, "idempotentHint": false }), 1),
        (json!({ "destructiveHint": false }), 1),
        (json!({ "readOnlyHint": "true" }), 1),
        (json!({ "readOnlyHint": 1 }), 1),
        (json!(null), 1),
        (json!([{ "readOnlyHint": true }]), 1),
    ] {
        let list = json!({ "tools": [{ "name": "b" }, { "name": "a", "annotations": annotations }] });
        assert_eq!(calls(&[list], r#"{"name":"a"}"#), sent, "{annotations}");
    }
}

#[test]
fn the_last_list_says_which_call_is_safe_to_repeat() {
    let safe = json!({ "readOnlyHint": true });
    let tools = |names: &[(&str, bool)]| {
        let tool = |(name, is_safe): &(&str, bool)| {
            if *is_safe { json!({ "name": name, "annotations": safe }) } else { json!({ "name": name }) }
        };
        json!({ "tools": names.iter().map(tool).collect::<Vec<_>>() })
    };
    let first_of_two = |names| {
        let mut page = tools(names);
        page["nextCursor"] = json!("2");
        page
    };
    for (lists, sent, rule) in [
        (vec![tools(&[("a", true)]), tools(&[("a", false)])], 1, "a changed annotation counts"),
        (vec![tools(&[("a", false)]), tools(&[("a", true)])], 2, "a changed annotation counts"),
        (vec![tools(&[("a", true)]), tools(&[("b", true)])], 1, "a tool that is no longer listed is unknown"),
        (vec![first_of_two(&[("a", true)]), tools(&[("b", true)])], 2, "a further page adds to the first"),
        (vec![first_of_two(&[("b", true)]), tools(&[("a", true)])], 2, "a further page adds to the first"),
        (vec![first_of_two(&[("a", true)]), tools(&[("a", false)])], 1, "of two tools with one name both must be safe"),
        (vec![first_of_two(&[("a", false)]), tools(&[("a", true)])], 1, "of two tools with one name both must be safe"),
        (vec![tools(&[("a", true), ("a", false)])], 1, "of two tools with one name both must be safe"),
        (vec![tools(&[("a", false), ("a", true)])], 1, "of two tools with one name both must be safe"),
    ] {
        assert_eq!(calls(&lists, r#"{"name":"a"}"#), sent, "{rule}: {lists:?}");
    }
}

#[test]
fn a_call_that_makes_a_task_or_is_ambiguous_is_not_sent_again() {
    let list = json!({ "tools": [{ "name": "a", "annotations": { "readOnlyHint": true } }] });
    for (params, sent) in [
        (r#"{"name":"a","arguments":{}}"#, 2),
        (r#"{"name":"a","arguments":{},"task":{"ttl":1000}}"#, 1),
        (r#"{"name":"a","name":"b"}"#, 1),
        (r#"{"name":"A"}"#, 1),
        (r#"{"arguments":{}}"#, 1),
    ] {
        assert_eq!(calls(std::slice::from_ref(&list), params), sent, "{params}");
    }
}

#[test]
fn annotations_from_before_a_change_allow_nothing() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", 1) => call.cut(),
        ("tools/call", 0) => {
            let answer = result(&call.id(), "{}");
            let events = call.sse();
            events.event(&notification("notifications/tools/list_changed", "{}"));
            events.event(&answer);
            events.end();
        }
        ("tools/list", _) => {
            call.result(r#"{"tools":[{"name":"a","annotations":{"readOnlyHint":true}}]}"#);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::with_used_connection(&upstream);
    bridge.still_works();
    bridge.request("1", "tools/call", r#"{"name":"a"}"#);
    bridge.message("notifications/tools/list_changed");
    assert_error_mentions(&bridge.request("2", "tools/call", r#"{"name":"a"}"#), &[&upstream.host()]);
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 2, "the annotations from before the change say nothing any more");
}
