//! What becomes of a modern client's request on its way to a legacy upstream, and of the answer on its way back?

use crate::support::*;

#[test]
fn a_request_loses_the_words_of_its_era_and_no_other_byte() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::modern(&upstream);
    let members = r#""name":"t", "arguments":{"n":1.0,"big":12345678901234567890123,"_meta":{"io.modelcontextprotocol/logLevel":"x"}},"vendor" : [ ]"#;
    let meta = r#""progressToken":"p","traceparent":"00-1-2-03","vendor.example/x":{ }"#;
    bridge.send(&modern_with(r#""a b""#, "tools/call", members, "{}", meta));
    bridge.answer(r#""a b""#);
    let expected = request(r#""a b""#, "tools/call", &format!(r#"{{{members},"_meta":{{{meta}}}}}"#));
    assert_eq!(upstream.wait_for("tools/call", 1).text(), expected);
    bridge.send(&modern("2", "tools/list", r#""cursor":"c""#));
    bridge.answer("2");
    let expected = request("2", "tools/list", r#"{"cursor":"c"}"#);
    assert_eq!(upstream.wait_for("tools/list", 1).text(), expected, "an empty _meta goes too");
    bridge.finish();
}

#[test]
fn a_result_gains_the_words_of_the_era_and_loses_no_byte() {
    let body = r#""tools":[{"name":"t","x":1.0}],"nextCursor":"n", "_meta":{"v":12345678901234567890}"#;
    let upstream = Upstream::start(move |call| match call.kind() {
        "initialize" | "GET" | "DELETE" => call.usual(),
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
        bridge.send(&modern(&id, method, r#""name":"t","uri":"a:b""#));
        let line = bridge.answer(&id);
        let kept = body.trim_end_matches('}');
        assert!(line.contains(kept), "not a byte of the server's is lost: {line}");
        let result = &value(&line)["result"];
        assert_eq!(result["resultType"], "complete", "{method}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "an-upstream", "{method}");
        assert_eq!(result["ttlMs"].as_u64(), cacheable.then_some(0), "{method}: {line}");
        assert_eq!(result["cacheScope"].as_str(), cacheable.then_some("private"), "{method}");
    }
    bridge.finish();
}

#[test]
fn errors_pass_and_a_resource_not_found_is_the_callers_error_now() {
    let upstream = Upstream::start(|call| match call.kind() {
        "resources/read" => {
            let body =
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"Resource not found","data":{"uri":1.0}}}"#;
            call.json(body);
        }
        "tools/call" => call.error("200 OK", -32002, "as the tool has it"),
        "prompts/get" => call.error("400 Bad Request", -32603, "broken"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern("1", "resources/read", r#""uri":"a:b""#));
    let line = bridge.answer("1");
    assert_eq!(
        line,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Resource not found","data":{"uri":1.0}}}"#
    );
    let told = bridge.ask_modern("2", "tools/call", r#""name":"t""#)["error"].clone();
    assert_eq!(told["code"], -32602, "the modern era forbids the other code, whatever it meant");
    assert_eq!(told["message"], "as the tool has it");
    assert_eq!(bridge.ask_modern("3", "prompts/get", r#""name":"p""#)["error"]["code"], -32603);
    bridge.finish();
}

#[test]
fn progress_comes_under_the_clients_token() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let id = call.id();
            let events = call.sse();
            let progress = |token: &str| {
                notification("notifications/progress", &format!(r#"{{"progressToken":{token},"progress":0.50}}"#))
            };
            events.event(&progress(r#""p""#)).event(&progress(r#""nobody's""#)).event(&result(&id, "{}"));
            events.end();
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern_with("1", "tools/call", r#""name":"t""#, "{}", r#""progressToken":"p""#));
    bridge.answer("1");
    let ended = bridge.finish();
    let progress: Vec<_> = ended.lines.iter().filter(|line| line.contains("notifications/progress")).collect();
    let expected = notification("notifications/progress", r#"{"progressToken":"p","progress":0.50}"#) + "\n";
    assert_eq!(progress, [&expected], "what is nobody's progress goes no further");
}

#[test]
fn a_cancellation_is_posted_with_the_id_that_the_server_knows() {
    let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern("5", "tools/call", r#""name":"t""#));
    let held = upstream.take("tools/call");
    bridge.cancel("5");
    let cancelled = value(upstream.wait_for("notifications/cancelled", 1).text());
    assert_eq!(cancelled["params"]["requestId"], value(&held.id()));
    assert_eq!(cancelled["params"]["reason"], "changed my mind", "the client's own words");
    assert!(held.closed_by_client(), "and our side of the exchange is closed");
    bridge.ask_modern("6", "tools/list", "");
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains(r#""id":5"#)), "no late answer");
}

#[test]
fn log_messages_go_to_requests_that_want_some_and_to_no_other() {
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
        _ => call.usual(),
    });
    let mut bridge = Bridge::modern(&upstream);
    let call = |id: &str, level: &str| {
        let meta =
            if level.is_empty() { String::new() } else { format!(r#""io.modelcontextprotocol/logLevel":"{level}""#) };
        modern_with(id, "tools/call", r#""name":"t""#, "{}", &meta)
    };
    for (id, level) in [("1", ""), ("2", "warning"), ("3", "warning"), ("4", "error"), ("5", "")] {
        bridge.send(&call(id, level));
        bridge.answer(id);
    }
    let ended = bridge.finish();
    let told: Vec<_> = ended
        .lines
        .iter()
        .filter(|line| line.contains("notifications/message"))
        .map(|line| value(line)["params"]["data"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["warning in 2", "error in 2", "warning in 3", "error in 3", "error in 4"]);
    let levels: Vec<_> = upstream
        .requests()
        .iter()
        .filter(|request| request.kind == "logging/setLevel")
        .map(|request| value(request.text())["params"]["level"].clone())
        .collect();
    assert_eq!(levels, ["warning", "error"], "the server is told when the level changes, and only then");
    let kinds = upstream.kinds();
    let place = |kind: &str| kinds.iter().position(|have| have == kind);
    assert!(place("tools/call") < place("logging/setLevel"), "a request without a level changes none: {kinds:?}");
}

#[test]
fn a_batch_is_answered_one_by_one() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::modern(&upstream);
    bridge.ask_modern("1", "tools/list", "");
    bridge.owe("2");
    bridge.owe("3");
    bridge.send_raw(format!("[{},{}]\n", modern("2", "tools/list", ""), modern("3", "prompts/list", "")).as_bytes());
    bridge.answer("2");
    bridge.answer("3");
    bridge.finish();
}

#[test]
fn a_servers_ping_is_answered_here_and_a_client_has_none() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            call.sse().event(r#"{"jsonrpc":"2.0","id":"are you there","method":"ping"}"#);
        }
        _ => call.usual(),
    });
    let mut bridge = Bridge::modern(&upstream);
    bridge.send(&modern("1", "tools/call", r#""name":"t""#));
    let reply = upstream.wait_for("answer", 1);
    assert_eq!(value(reply.text()), value(&result(r#""are you there""#, "{}")));
    bridge.answer("1");
    assert_eq!(bridge.ask_modern("2", "ping", "")["error"]["code"], -32601, "the modern era has done away with it");
    bridge.finish();
    assert_eq!(upstream.count("ping"), 0);
}

#[test]
fn a_modern_client_that_says_initialize_goes_on_as_before() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::modern(&upstream);
    bridge.ask_modern("1", "tools/list", "");
    assert_eq!(bridge.ask_modern("2", "initialize", "")["error"]["code"], -32601, "the era has no such method");
    let listed = bridge.ask_modern("3", "tools/list", "");
    assert_eq!(listed["result"]["resultType"], "complete", "the next request goes the way of the first: {listed}");
    bridge.finish();
    assert_eq!(upstream.count("initialize"), 1, "the bridge's own");
}
