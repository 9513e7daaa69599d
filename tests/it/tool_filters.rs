//! Tool filters: a client can neither list nor call a hidden tool.

use crate::support::*;

fn tool(name: &str, hint: &str) -> String {
    format!(r#"{{"name":"{name}","inputSchema":{{"n":1.0}},"annotations":{{"readOnlyHint":{hint}}}}}"#)
}

/// The members of a list with a read-only tool and a tool that deletes.
fn two_tools() -> String {
    format!(r#"{{"tools":[{} , {}],"x-more":1E2}}"#, tool("delete", "false"), tool("read", "true"))
}

/// A server with these two tools.
fn server() -> Upstream {
    Upstream::start(|call| match call.kind() {
        "tools/list" => call.result(&two_tools()),
        _ => call.respond_normally(),
    })
}

fn bridge<const N: usize>(upstream: &Upstream, rules: [&str; N]) -> Bridge {
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(rules).start();
    bridge.initialize();
    bridge
}

fn call(id: &str, name: &str) -> String {
    request(id, "tools/call", &format!(r#"{{"name":"{name}","arguments":{{}}}}"#))
}

/// Calls a hidden tool and asserts that the error names the rule.
#[track_caller]
fn assert_hidden(bridge: &mut Bridge, id: &str, name: &str, why: &str) {
    bridge.send(&call(id, name));
    let (code, message) = error_of(&bridge.response(id));
    assert_eq!(code, -32602, "the code of a tool that does not exist: {message}");
    assert!(message.starts_with(&format!("Tool \"{name}\" is not available")), "{message}");
    assert!(message.contains(why), "the rule is named: {message}");
}

#[test]
fn a_hidden_tool_is_neither_listed_nor_called() {
    let cases: [(&[&str], &str); 4] = [
        (&["--ignore-tool", "DEL*"], "--ignore-tool DEL*"),
        (&["--allow-tool", "write*", "--allow-tool", "read"], "--allow-tool"),
        (&["--read-only"], "--read-only"),
        (&["--allow-tool", "*", "--ignore-tool", "x", "--ignore-tool=delete", "--read-only"], "--ignore-tool delete"),
    ];
    for (rules, why) in cases {
        let upstream = server();
        let launch = rules.iter().fold(Bridge::to(&upstream.url("/mcp")), |launch, argument| launch.arg(argument));
        let mut bridge = launch.start();
        bridge.initialize();
        let rest = format!(r#"{{"tools":[{}],"x-more":1E2}}"#, tool("read", "true"));
        assert_eq!(bridge.request("1", "tools/list", "{}"), result("1", &rest), "the rest is unchanged");
        assert_hidden(&mut bridge, "2", "delete", why);
        bridge.send(&request("3", "tools/call", r#"{"name":"\u0064elete"}"#));
        assert_eq!(error_of(&bridge.response("3")).0, -32602, "an escaped name is the same name");
        bridge.send(&call("4", "read"));
        assert_eq!(bridge.response("4"), result("4", "{}"));
        bridge.finish();
        let calls: Vec<_> = upstream.requests().iter().filter(|it| it.kind == "tools/call").cloned().collect();
        assert_eq!(calls.len(), 1, "a hidden call is never sent");
        assert_eq!(calls[0].text().trim_end(), call("4", "read"));
    }
}

#[test]
fn rules_can_be_set_in_the_environment() {
    let upstream = server();
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .env("MCP_FERRY_IGNORE_TOOL", "delete")
        .env("MCP_FERRY_ALLOW_TOOL", "${user_config.tools}")
        .env("MCP_FERRY_READ_ONLY", "")
        .start();
    bridge.initialize();
    assert_hidden(&mut bridge, "1", "delete", "--ignore-tool");
    bridge.send(&call("2", "anything"));
    assert_eq!(bridge.response("2"), result("2", "{}"), "an empty variable is no rule");
    bridge.finish();
}

#[test]
fn lists_are_filtered_in_every_form_of_response() {
    let answer = |id: &str| result(id, &two_tools());
    let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
        ("tools/list", 0) => {
            let id = call.id();
            let events = call.sse();
            events.event(&notification("notifications/x", "{}")).event(&answer(&id));
            events.end();
        }
        // A stream that breaks before its response, and the stream that resumes it.
        ("tools/list", 1) => {
            let events = call.sse();
            events.chunk("id: 1\nretry: 10\ndata:\n\n");
            events.end();
        }
        ("GET", _) if call.header("last-event-id").is_some() => {
            let events = call.sse();
            events.event(&answer("2"));
            events.end();
        }
        ("tools/list", _) => call.json(&format!("[{}]", answer("3"))),
        ("batch", _) => call.json(&format!("[{},{}]", answer("5"), result("4", "{}"))),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--ignore-tool", "delete"]).start();
    bridge.initialize_with_revision("2025-03-26");
    let rest = |id: &str| result(id, &format!(r#"{{"tools":[{}],"x-more":1E2}}"#, tool("read", "true")));
    for (id, way) in [("1", "a stream"), ("2", "a resumed stream"), ("3", "an array")] {
        assert_eq!(bridge.request(id, "tools/list", "{}"), rest(id), "{way}");
    }
    bridge.expect_response("4");
    bridge.expect_response("5");
    bridge.send_raw(format!("[{},{}]\n", request("4", "ping", "{}"), request("5", "tools/list", "{}")).as_bytes());
    assert_eq!(bridge.response("5"), rest("5"), "a batch");
    bridge.response("4");
    bridge.finish();
}

#[test]
fn each_page_of_a_list_is_filtered_and_keeps_its_cursor() {
    let upstream = Upstream::start(|call| match (call.kind(), call.param("cursor").as_str()) {
        ("tools/list", "") => call.result(&format!(r#"{{"nextCursor":"p 2","tools":[{}]}}"#, tool("delete_1", "true"))),
        ("tools/list", "p 2") => {
            call.result(&format!(r#"{{"tools":[{}, {}]}}"#, tool("a", "true"), tool("delete_2", "true")));
        }
        _ => call.respond_normally(),
    });
    let mut bridge = bridge(&upstream, ["--ignore-tool", "delete_*"]);
    assert_eq!(bridge.request("1", "tools/list", "{}"), result("1", r#"{"nextCursor":"p 2","tools":[]}"#));
    let second = bridge.request("2", "tools/list", r#"{"cursor":"p 2"}"#);
    assert_eq!(second, result("2", &format!(r#"{{"tools":[{}]}}"#, tool("a", "true"))));
    bridge.finish();
}

#[test]
fn hidden_calls_of_a_batch_are_answered_by_the_bridge_and_the_rest_is_sent() {
    let upstream = Upstream::start(|call| match call.kind() {
        "batch" => call.json(&format!("[{}]", result("2", "{}"))),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--ignore-tool", "delete"]).start();
    bridge.initialize_with_revision("2025-03-26");
    let (kept, notice) =
        (request("2", "tools/call", r#"{"name":"read","n":1.0}"#), notification("notifications/x", "{}"));
    let unasked = notification("tools/call", r#"{"name":"delete"}"#);
    bridge.expect_response("1");
    bridge.expect_response("2");
    bridge.send_raw(format!("[{}, {kept},{unasked}, {notice}]\n", call("1", "delete")).as_bytes());
    assert_eq!(error_of(&bridge.response("1")).0, -32602);
    assert_eq!(bridge.response("2"), result("2", "{}"));
    assert_eq!(upstream.wait_for("batch", 1).text().trim_end(), format!("[{kept},{notice}]"));
    bridge.expect_response("3");
    bridge.expect_response("4");
    bridge.send_raw(format!("[{},{}]\n", call("3", "delete"), call("4", "delete")).as_bytes());
    for id in ["3", "4"] {
        assert_eq!(error_of(&bridge.response(id)).0, -32602);
    }
    bridge.send_raw(format!("[{unasked}]\n{unasked}\n").as_bytes());
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("batch"), 1, "a batch without remaining messages is not sent: {:?}", upstream.kinds());
    assert_eq!(upstream.count("tools/call"), 0, "a call without an id is a call too: {:?}", upstream.kinds());
}

#[test]
fn a_tool_that_the_server_adds_later_is_hidden_too() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("GET", _) => call.hold(),
        ("tools/list", 0) => call.result(&format!(r#"{{"tools":[{}]}}"#, tool("read", "true"))),
        // From now on its hint wrongly declares that it only reads.
        ("tools/list", _) => {
            call.result(&format!(r#"{{"tools":[{},{}]}}"#, tool("read", "false"), tool("delete", "false")));
        }
        _ => call.respond_normally(),
    });
    let mut bridge = bridge(&upstream, ["--read-only"]);
    let events = upstream.take("GET").sse();
    assert!(bridge.request("1", "tools/list", "{}").contains("read"));
    bridge.send(&call("2", "read"));
    assert_eq!(bridge.response("2"), result("2", "{}"));
    events.event(&notification("notifications/tools/list_changed", "{}"));
    bridge.message("notifications/tools/list_changed");
    assert_hidden(&mut bridge, "3", "read", "--read-only");
    assert_eq!(
        upstream.count("tools/list"),
        2,
        "after a change the bridge requests the list again: {:?}",
        upstream.kinds()
    );
    assert_hidden(&mut bridge, "4", "delete", "--read-only");
    assert_eq!(upstream.count("tools/list"), 2, "the bridge keeps the list: {:?}", upstream.kinds());
    assert_eq!(bridge.request("5", "tools/list", "{}"), result("5", r#"{"tools":[]}"#));
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1);
}

#[test]
fn read_only_requests_all_pages_of_the_tool_list_before_the_first_call() {
    let upstream = Upstream::start(|call| match (call.kind(), call.param("cursor").as_str()) {
        ("tools/list", "") => call.result(&format!(r#"{{"tools":[{}],"nextCursor":"2"}}"#, tool("delete", "false"))),
        ("tools/list", "2") => call.result(&format!(r#"{{"tools":[{}]}}"#, tool("read", "true"))),
        _ => call.respond_normally(),
    });
    let mut bridge = bridge(&upstream, ["--read-only"]);
    bridge.send(&call("1", "read"));
    assert_eq!(bridge.response("1"), result("1", "{}"));
    assert_hidden(&mut bridge, "2", "delete", "readOnlyHint");
    assert_eq!(upstream.count("tools/list"), 2, "one list of two pages is enough: {:?}", upstream.kinds());
    assert_hidden(&mut bridge, "3", "unheard-of", "lists no such tool");
    let ended = bridge.finish();
    assert_eq!(ended.lines.len(), 4, "the response to the bridge's own list is dropped: {:?}", ended.lines);
    assert_eq!(upstream.count("tools/call"), 1);
}

#[test]
fn read_only_refuses_a_call_and_names_the_cause_when_the_list_fails() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/list", 0) => call.error("200 OK", -32603, "out of cheese"),
        ("tools/list", 1) => call.plain("500 Internal Server Error", "no tools today"),
        ("tools/list", 2) => call.plain("200 OK", "a web page"),
        ("tools/list", _) => call.result(&two_tools()),
        _ => call.respond_normally(),
    });
    let mut bridge = bridge(&upstream, ["--read-only"]);
    assert_hidden(&mut bridge, "1", "read", "out of cheese");
    assert_hidden(&mut bridge, "2", "read", "no tools today");
    assert_hidden(&mut bridge, "3", "read", "web page");
    bridge.send(&call("4", "read"));
    assert_eq!(bridge.response("4"), result("4", "{}"), "the next call requests the list again");
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1);
}

#[test]
fn the_number_of_requested_list_pages_is_bounded() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/list" => call.result(&format!(r#"{{"tools":[{}],"nextCursor":"again"}}"#, tool("read", "true"))),
        _ => call.respond_normally(),
    });
    let mut bridge = bridge(&upstream, ["--read-only"]);
    assert_hidden(&mut bridge, "1", "read", "1000 pages");
    bridge.finish();
    assert_eq!(upstream.count("tools/list"), 1000);
}

/// An HTTP+SSE server with the two tools.
fn http_sse() -> (Upstream, HttpSse) {
    let sse_server = HttpSse::new("/messages");
    let server = sse_server.clone();
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => {
            let id = call.id();
            call.accepted();
            server.event(&result(&id, &two_tools()));
        }
        _ => server.serve(call),
    });
    (upstream, sse_server)
}

#[test]
fn lists_are_filtered_over_http_sse() {
    let (upstream, sse_server) = http_sse();
    let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--read-only"]).start();
    bridge.initialize();
    assert_hidden(&mut bridge, "1", "delete", "--read-only");
    bridge.send(&call("2", "read"));
    assert_eq!(bridge.response("2"), result("2", "{}"));
    let rest = format!(r#"{{"tools":[{}],"x-more":1E2}}"#, tool("read", "true"));
    assert_eq!(bridge.request("3", "tools/list", "{}"), result("3", &rest));
    // After a new session the server may be a new version.
    sse_server.cut();
    bridge.message("notifications/tools/list_changed");
    assert_hidden(&mut bridge, "4", "delete", "--read-only");
    let ended = bridge.finish();
    assert_eq!(upstream.count("tools/list"), 3, "the bridge's list, the client's list, the bridge's list again");
    assert_eq!(upstream.count("tools/call"), 1);
    assert!(
        !ended.lines.iter().any(|line| line.contains("mcp-ferry-")),
        "the response to the bridge's own list is dropped"
    );
}

#[test]
fn a_stream_that_breaks_during_the_bridges_own_list_refuses_the_call() {
    let sse_server = HttpSse::new("/messages");
    let server = sse_server.clone();
    let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
        ("tools/list", 0) => call.accepted(),
        _ => server.serve(call),
    });
    let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--read-only"]).start();
    bridge.initialize();
    bridge.send(&call("1", "read"));
    upstream.wait_for("tools/list", 1);
    sse_server.cut();
    let (code, message) = error_of(&bridge.response("1"));
    assert!(code == -32602 && message.contains("stream"), "{message}");
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 0);
}

#[test]
fn a_call_that_waits_for_the_list_can_be_cancelled() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/list", 0) => call.hold(),
        ("tools/list", _) => call.result(&two_tools()),
        _ => call.respond_normally(),
    });
    let mut bridge = bridge(&upstream, ["--read-only"]);
    bridge.send(&call("1", "read"));
    let list = upstream.take("tools/list");
    bridge.cancel("1");
    assert!(list.closed_by_client(), "the bridge no longer waits for the list");
    bridge.send(&call("2", "read"));
    assert_eq!(bridge.response("2"), result("2", "{}"), "the next call requests the list itself");
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1);
}
