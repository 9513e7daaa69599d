//! How are a modern client's request and the legacy upstream's response translated?

use crate::support::*;

#[test]
fn a_request_loses_its_modern_members_and_no_other_byte() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::modern(&upstream);
    let members = r#""name":"t", "arguments":{"n":1.0,"big":12345678901234567890123,"_meta":{"io.modelcontextprotocol/logLevel":"x"}},"vendor" : [ ]"#;
    let meta = r#""progressToken":"p","traceparent":"00-1-2-03","vendor.example/x":{ }"#;
    bridge.send(&modern_request_with(r#""a b""#, "tools/call", members, "{}", meta));
    bridge.response(r#""a b""#);
    let expected = request(r#""a b""#, "tools/call", &format!(r#"{{{members},"_meta":{{{meta}}}}}"#));
    assert_eq!(upstream.wait_for("tools/call", 1).text(), expected);
    bridge.send(&modern_request("2", "tools/list", r#""cursor":"c""#));
    bridge.response("2");
    let expected = request("2", "tools/list", r#"{"cursor":"c"}"#);
    assert_eq!(upstream.wait_for("tools/list", 1).text(), expected, "an empty _meta is removed");
    bridge.finish();
}

#[test]
fn a_result_gains_the_modern_members_and_loses_no_byte() {
    let body = r#""tools":[{"name":"t","x":1.0}],"nextCursor":"n", "_meta":{"v":12345678901234567890}"#;
    let upstream = Upstream::start(move |call| match call.kind() {
        "initialize" | "GET" | "DELETE" => call.respond_normally(),
        _ if call.request.id.is_some() => call.result(&format!("{{{body}}}")),
        _ => call.accepted(),
    });
    let mut bridge = Bridge::modern(&upstream);
    for (n, (method, cacheable)) in [
        ("tools/list", true),
        ("prompts/list", true),
        ("resources/list", true),
        ("resources/templates/list", true),
        ("resources/read", true),
        ("tools/call", false),
        ("completion/complete", false),
        ("prompts/get", false),
    ]
    .into_iter()
    .enumerate()
    {
        let id = n.to_string();
        bridge.send(&modern_request(&id, method, r#""name":"t","uri":"a:b""#));
        let line = bridge.response(&id);
        let kept = body.trim_end_matches('}');
        assert!(line.contains(kept), "every byte of the server's result is kept: {line}");
        let result = &value(&line)["result"];
        assert_eq!(result["resultType"], "complete", "{method}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "an-upstream", "{method}");
        assert_eq!(result["ttlMs"].as_u64(), cacheable.then_some(0), "{method}: {line}");
        assert_eq!(result["cacheScope"].as_str(), cacheable.then_some("private"), "{method}");
    }
    bridge.finish();
}

#[test]
fn errors_pass_and_resource_not_found_becomes_invalid_params() {
    let upstream = Upstream::start(|call| match call.kind() {
        "resources/read" => {
            let body =
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"Resource not found","data":{"uri":1.0}}}"#;
            call.json(body);
        }
        "tools/call" => call.error("200 OK", -32002, "as the tool has it"),
        "prompts/get" => call.error("400 Bad Request", -32603, "broken"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request("1", "resources/read", r#""uri":"a:b""#));
    let line = bridge.response("1");
    assert_eq!(
        line,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Resource not found","data":{"uri":1.0}}}"#
    );
    let received = bridge.request_modern("2", "tools/call", r#""name":"t""#)["error"].clone();
    assert_eq!(received["code"], -32602, "the modern era forbids the code -32002");
    assert_eq!(received["message"], "as the tool has it");
    assert_eq!(bridge.request_modern("3", "prompts/get", r#""name":"p""#)["error"]["code"], -32603);
    bridge.finish();
}

#[test]
fn progress_carries_the_clients_token() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let id = call.id();
            let events = call.sse();
            let progress = |token: &str| {
                notification("notifications/progress", &format!(r#"{{"progressToken":{token},"progress":0.50}}"#))
            };
            events.event(&progress(r#""p""#)).event(&progress(r#""unknown""#)).event(&result(&id, "{}"));
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request_with("1", "tools/call", r#""name":"t""#, "{}", r#""progressToken":"p""#));
    bridge.response("1");
    let ended = bridge.finish();
    let progress: Vec<_> = ended.lines.iter().filter(|line| line.contains("notifications/progress")).collect();
    let expected = notification("notifications/progress", r#"{"progressToken":"p","progress":0.50}"#) + "\n";
    assert_eq!(progress, [&expected], "progress without a matching request is dropped");
}

#[test]
fn a_cancellation_is_posted_with_the_id_used_towards_the_server() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request("5", "tools/call", r#""name":"t""#));
    let held = upstream.take("tools/call");
    bridge.cancel("5");
    let cancelled = value(upstream.wait_for("notifications/cancelled", 1).text());
    assert_eq!(cancelled["params"]["requestId"], value(&held.id()));
    assert_eq!(cancelled["params"]["reason"], "changed my mind", "the client's own reason");
    assert!(held.closed_by_client(), "the bridge closes the HTTP request");
    bridge.request_modern("6", "tools/list", "");
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains(r#""id":5"#)), "a late response is dropped");
}

#[test]
fn log_messages_are_delivered_only_to_requests_with_a_log_level() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let id = call.id();
            let events = call.sse();
            for level in ["debug", "warning", "error"] {
                let params = format!(r#"{{"level":"{level}","data":"{level} in {}"}}"#, id.trim_matches('"'));
                events.event(&notification("notifications/message", &params));
            }
            events.event(&result(&id, "{}"));
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let call = |id: &str, level: &str| {
        let meta =
            if level.is_empty() { String::new() } else { format!(r#""io.modelcontextprotocol/logLevel":"{level}""#) };
        modern_request_with(id, "tools/call", r#""name":"t""#, "{}", &meta)
    };
    for (id, level) in [("1", ""), ("2", "warning"), ("3", "warning"), ("4", "error"), ("5", "")] {
        bridge.send(&call(id, level));
        bridge.response(id);
    }
    let ended = bridge.finish();
    let received: Vec<_> = ended
        .lines
        .iter()
        .filter(|line| line.contains("notifications/message"))
        .map(|line| value(line)["params"]["data"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(received, ["warning in 2", "error in 2", "warning in 3", "error in 3", "error in 4"]);
    let levels: Vec<_> = upstream
        .requests()
        .iter()
        .filter(|request| request.kind == "logging/setLevel")
        .map(|request| value(request.text())["params"]["level"].clone())
        .collect();
    assert_eq!(levels, ["warning", "error"], "the level is sent to the server only when it changes");
    let kinds = upstream.kinds();
    let place = |kind: &str| kinds.iter().position(|have| have == kind);
    assert!(
        place("tools/call") < place("logging/setLevel"),
        "a request without a level does not change the level: {kinds:?}"
    );
}

#[test]
fn each_request_of_a_batch_is_answered_separately() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::modern(&upstream);
    bridge.request_modern("1", "tools/list", "");
    bridge.expect_response("2");
    bridge.expect_response("3");
    bridge.send_raw(
        format!("[{},{}]\n", modern_request("2", "tools/list", ""), modern_request("3", "prompts/list", "")).as_bytes(),
    );
    bridge.response("2");
    bridge.response("3");
    bridge.finish();
}

#[test]
fn a_ping_of_the_server_is_answered_by_the_bridge_and_a_ping_of_the_client_is_unknown() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            call.sse().event(r#"{"jsonrpc":"2.0","id":"are you there","method":"ping"}"#);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_request("1", "tools/call", r#""name":"t""#));
    let reply = upstream.wait_for("response", 1);
    assert_eq!(value(reply.text()), value(&result(r#""are you there""#, "{}")));
    bridge.response("1");
    assert_eq!(bridge.request_modern("2", "ping", "")["error"]["code"], -32601, "the modern era has no ping");
    bridge.finish();
    assert_eq!(upstream.count("ping"), 0);
}

#[test]
fn initialize_of_a_modern_client_is_unknown_and_the_session_continues() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::modern(&upstream);
    bridge.request_modern("1", "tools/list", "");
    assert_eq!(
        bridge.request_modern("2", "initialize", "")["error"]["code"],
        -32601,
        "the modern era has no initialize"
    );
    let listed = bridge.request_modern("3", "tools/list", "");
    assert_eq!(listed["result"]["resultType"], "complete", "the next request is translated like the first: {listed}");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "only the bridge's own initialize");
}
