//! Tasks of a modern server for a legacy client: the bridge polls them, and the client sees one call and one response.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::*;

const TASK: &str =
    r#""taskId":"task 7","createdAt":"2026-08-01T00:00:00Z","lastUpdatedAt":"2026-08-01T00:00:00Z","ttlMs":60000"#;

/// Answers a call with a task that has this poll interval.
fn respond_with_task(call: Exchange, poll: u64) {
    call.result(&format!(
        r#"{{"resultType":"task",{TASK},"status":"working","statusMessage":"begun","pollIntervalMs":{poll}}}"#
    ));
}

fn status(call: Exchange, status: &str, members: &str) {
    assert_eq!(call.param("taskId"), "task 7");
    assert_eq!(call.header("Mcp-Name"), Some("task 7"), "a task's requests are routed by its id");
    call.has_modern_headers();
    call.complete(&format!(r#"{TASK},"status":"{status}"{members}"#));
}

fn call(bridge: &mut Bridge) {
    bridge.send(&request("1", "tools/call", r#"{"name":"t","_meta":{"progressToken":5}}"#));
}

/// Asserts that the response to a call is the task's result.
#[track_caller]
fn call_gets_task_result(upstream: &Upstream) {
    let mut bridge = Bridge::connected(upstream);
    call(&mut bridge);
    assert_eq!(bridge.response("1"), r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    bridge.finish();
}

#[test]
fn a_task_is_polled_until_it_is_done() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", _) => {
            let declared = &call.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"];
            assert_eq!(
                declared["extensions"]["io.modelcontextprotocol/tasks"],
                json!({}),
                "the bridge declares the task capability"
            );
            respond_with_task(call, 150);
        }
        ("tasks/get", 0) => status(call, "working", r#","statusMessage":"half way""#),
        ("tasks/get", 1) => call.plain("503 Service Unavailable", ""),
        ("tasks/get", 2) => status(call, "working", r#","statusMessage":"half way","pollIntervalMs":10"#),
        ("tasks/get", _) => status(call, "completed", r#","result":{"content":[],"n":1.0,"resultType":"complete"}"#),
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let began = Instant::now();
    call(&mut bridge);
    assert_eq!(bridge.response("1"), r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"n":1.0}}"#);
    assert!(began.elapsed() >= Duration::from_millis(300), "the bridge respects the poll interval");
    let received: Vec<Value> = bridge
        .lines()
        .iter()
        .map(|line| value(line))
        .filter(|line| line["method"] == "notifications/progress")
        .map(|line| line["params"].clone())
        .collect();
    assert_eq!(
        received,
        [
            json!({ "progressToken": 5, "progress": 1, "message": "begun" }),
            json!({ "progressToken": 5, "progress": 2, "message": "half way" }),
        ]
    );
    bridge.finish();
    assert_eq!(upstream.count("tasks/cancel"), 0, "a completed task is not cancelled");
}

#[test]
fn a_task_that_is_created_completed_is_fetched_at_once() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            call.result(&format!(r#"{{"resultType":"task",{TASK},"status":"completed","pollIntervalMs":60000}}"#));
        }
        "tasks/get" => status(call, "completed", r#","result":{"content":[],"resultType":"complete"}"#),
        _ => call.respond_as_modern(),
    });
    call_gets_task_result(&upstream);
}

#[test]
fn a_task_without_input_requests_needs_no_input() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", _) => respond_with_task(call, 20),
        ("tasks/get", 0) => status(call, "input_required", ""),
        ("tasks/get", _) => status(call, "completed", r#","result":{"content":[],"resultType":"complete"}"#),
        _ => call.respond_as_modern(),
    });
    call_gets_task_result(&upstream);
}

#[test]
fn the_input_requests_of_a_task_are_passed_on_once_and_answered_by_an_update() {
    let input_request = elicitation("who?");
    let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
        ("tools/call", _) => respond_with_task(call, 20),
        ("tasks/update", _) => {
            assert_eq!(call.header("Mcp-Name"), Some("task 7"));
            call.complete("");
        }
        ("tasks/get", nth) => {
            let input_requests = format!(r#","inputRequests":{{"k":{input_request}}}"#);
            if nth < 4 { status(call, "input_required", &input_requests) } else { call.hold() }
        }
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::connected(&upstream);
    call(&mut bridge);
    let elicitations = value(&bridge.message("elicitation/create"));
    upstream.wait_for("tasks/get", 3);
    bridge.send(&result(&elicitations["id"].to_string(), r#"{"action":"accept","content":{"n":1.0}}"#));
    let update = upstream.wait_for("tasks/update", 1);
    assert!(
        update.text().contains(r#""inputResponses":{"k":{"action":"accept","content":{"n":1.0}}}"#),
        "{}",
        update.text()
    );
    status(upstream.take("tasks/get"), "completed", r#","result":{"content":[]}"#);
    assert!(bridge.response("1").contains("content"));
    let elicitations = bridge.lines().iter().filter(|line| line.contains("elicitation/create")).count();
    assert_eq!(elicitations, 1, "a repeated input request is passed on once");
    bridge.finish();
    assert_eq!(upstream.count("tasks/update"), 1);
}

#[test]
fn a_failed_cancelled_or_expired_task_is_an_error() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", _) => respond_with_task(call, 20),
        ("tasks/get", 0) => status(call, "failed", r#","error":{"code":-32603,"message":"out of paper"}"#),
        ("tasks/get", 1) => status(call, "cancelled", ""),
        ("tasks/get", _) => call.error("200 OK", -32602, "Task has expired"),
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_eq!(error_of(&bridge.request("1", "tools/call", r#"{"name":"t"}"#)), (-32603, "out of paper".to_owned()));
    assert!(error_of(&bridge.request("2", "tools/call", r#"{"name":"t"}"#)).1.contains("cancelled"));
    assert!(error_of(&bridge.request("3", "tools/call", r#"{"name":"t"}"#)).1.contains("expired"));
    bridge.finish();
    assert_eq!(upstream.count("tasks/cancel"), 0);
}

#[test]
fn cancelling_a_call_cancels_its_task() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => respond_with_task(call, 20),
        "tasks/get" => status(call, "working", ""),
        "tasks/cancel" => {
            assert_eq!(call.header("Mcp-Name"), Some("task 7"));
            call.complete("");
        }
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::connected(&upstream);
    call(&mut bridge);
    upstream.wait_for("tasks/get", 1);
    bridge.cancel("1");
    upstream.wait_for("tasks/cancel", 1);
    bridge.still_works();
    call(&mut bridge);
    upstream.wait_for("tools/call", 2);
    let seen = upstream.count("tasks/get");
    upstream.wait_for("tasks/get", seen + 1);
    bridge.cancel("1");
    bridge.finish();
    assert_eq!(upstream.count("notifications/cancelled"), 0);
}

#[test]
fn no_tasks_removes_the_task_capability() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let declared = &call.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"];
            assert_eq!(declared["extensions"], Value::Null);
            respond_with_task(call, 20);
        }
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).arg("--no-tasks").start();
    bridge.initialize();
    call(&mut bridge);
    assert_error_mentions(&bridge.response("1"), &["task"]);
    bridge.finish();
}
