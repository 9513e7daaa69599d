//! Arguments that a tool requires in headers (`x-mcp-header`), for clients of both eras.

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
        _ => call.respond_as_modern(),
    }
}

const ARGUMENTS: &str = r#""name":"sql","arguments":{"region":"é","deep":{"n":-7}}"#;

#[test]
fn arguments_are_mirrored_in_headers_and_tools_with_invalid_rules_are_left_out() {
    let upstream = Upstream::start(strict);
    let mut bridge = Bridge::connected(&upstream);
    let listed = bridge.request("1", "tools/list", "{}");
    assert_eq!(
        listed,
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{TOOL},{{"name":"plain","inputSchema":{{"type":"object"}}}}]}}}}"#
        )
    );
    assert!(bridge.request("2", "tools/call", &format!("{{{ARGUMENTS}}}")).contains("result"));
    bridge.send(&request("3", "tools/call", r#"{"name":"sql","arguments":{"region":null}}"#));
    assert!(bridge.response("3").contains("error"));
    let stderr = bridge.finish().stderr;
    assert!(stderr.contains("broken") && stderr.contains("left out"), "{stderr}");
    let calls: Vec<_> = upstream.requests().into_iter().filter(|request| request.kind == "tools/call").collect();
    assert_eq!(calls[1].header("Mcp-Param-Region"), None, "null is not sent");
}

#[test]
fn a_missing_header_is_learned_from_the_tool_list_and_the_call_is_sent_again() {
    for modern in [false, true] {
        let upstream = Upstream::start(strict);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        if modern {
            bridge.send(&minimal_modern_request("1", "tools/call", &format!("{ARGUMENTS},")));
        } else {
            bridge.initialize();
            bridge.send(&request("1", "tools/call", &format!("{{{ARGUMENTS}}}")));
        }
        assert!(bridge.response("1").contains("result"));
        bridge.finish();
        assert_eq!((upstream.count("tools/list"), upstream.count("tools/call")), (1, 2));
        let second = upstream.wait_for("tools/call", 2);
        assert_ne!(second.id.as_deref(), Some("1"), "a new request has a new id");
    }
}

#[test]
fn a_repeated_missing_header_error_reaches_the_client() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.error("400 Bad Request", -32020, "Header mismatch"),
        _ => call.respond_as_modern(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&minimal_modern_request("1", "tools/call", r#""name":"t","#));
    assert_eq!(error_of(&bridge.response("1")).0, -32020);
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 2, "the call is sent once more");
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", r#"{"name":"t"}"#), &["headers"]);
    bridge.finish();
}
