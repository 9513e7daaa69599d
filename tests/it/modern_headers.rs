//! What a tool wants mirrored in headers (`x-mcp-header`), in either era of the client.

use crate::support::*;

const TOOL: &str = r#"{"name":"sql","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}}}"#;

fn listing(call: Exchange) {
    let broken = r#"{"name":"broken","inputSchema":{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}}"#;
    call.complete(&format!(r#""tools":[{TOOL},{broken},{{"name":"plain","inputSchema":{{"type":"object"}}}}]"#));
}

fn strict(call: Exchange) {
    match call.kind() {
        "tools/list" => listing(call),
        "tools/call"
            if call.header("Mcp-Param-Region") != Some("=?base64?w6k=?=")
                || call.header("Mcp-Param-N") != Some("-7") =>
        {
            call.error("400 Bad Request", -32020, "Header mismatch");
        }
        _ => call.modern(),
    }
}

const ARGUMENTS: &str = r#""name":"sql","arguments":{"region":"é","deep":{"n":-7}}"#;

#[test]
fn arguments_are_mirrored_and_tools_that_break_the_rules_left_out() {
    let upstream = Upstream::start(strict);
    let mut bridge = Bridge::connected(&upstream);
    let listed = bridge.ask("1", "tools/list", "{}");
    assert_eq!(
        listed,
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{TOOL},{{"name":"plain","inputSchema":{{"type":"object"}}}}]}}}}"#
        )
    );
    assert!(bridge.ask("2", "tools/call", &format!("{{{ARGUMENTS}}}")).contains("result"));
    bridge.send(&request("3", "tools/call", r#"{"name":"sql","arguments":{"region":null}}"#));
    assert!(bridge.answer("3").contains("error"));
    let stderr = bridge.finish().stderr;
    assert!(stderr.contains("broken") && stderr.contains("left out"), "{stderr}");
    let calls: Vec<_> = upstream.requests().into_iter().filter(|request| request.kind == "tools/call").collect();
    assert_eq!(calls[1].header("Mcp-Param-Region"), None, "null is no value");
}

#[test]
fn a_header_that_the_server_misses_is_found_out_once_and_the_call_sent_again() {
    for modern in [false, true] {
        let upstream = Upstream::start(strict);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        if modern {
            bridge.send(&modern_request("1", "tools/call", &format!("{ARGUMENTS},")));
        } else {
            bridge.shake_hands();
            bridge.send(&request("1", "tools/call", &format!("{{{ARGUMENTS}}}")));
        }
        assert!(bridge.answer("1").contains("result"));
        bridge.finish();
        assert_eq!((upstream.count("tools/list"), upstream.count("tools/call")), (1, 2));
        let second = upstream.wait_for("tools/call", 2);
        assert_ne!(second.id.as_deref(), Some("1"), "a new request has a new id");
    }
}

#[test]
fn a_server_that_is_never_content_gives_the_error() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.error("400 Bad Request", -32020, "Header mismatch"),
        _ => call.modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&modern_request("1", "tools/call", r#""name":"t","#));
    assert_eq!(error_of(&bridge.answer("1")).0, -32020);
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 2, "once more, and no more");
    let mut bridge = Bridge::connected(&upstream);
    says(&bridge.ask("1", "tools/call", r#"{"name":"t"}"#), &["headers"]);
    bridge.finish();
}
