//! Error bodies that resemble JSON-RPC but are not: each becomes one error of the bridge with host, status and cause.

use crate::support::*;

over_each_protocol! {
    a_body_that_only_resembles_json_rpc_becomes_exactly_one_bridge_error,
    an_initialize_rejected_with_such_a_body_and_later_requests_are_answered,
    an_error_object_without_jsonrpc_becomes_a_valid_bridge_error,
}

const ARRAY: &str = r#"[{"code":42,"message":"bad"}]"#;
const ROUTE: &str = r#"{"method":"POST","path":"/x","error":{"code":404,"message":"nf"}}"#;
const ROUTE_WITH_ID: &str = r#"{"id":"r-1","method":"POST","path":"/x","error":{"code":404,"message":"nf"}}"#;
const METHOD_AND_ERROR: &str = r#"{"jsonrpc":"2.0","method":"POST","error":{"code":-32001,"message":"nf"}}"#;
const GOOGLE: &str = r#"{"error":{"code":403,"message":"API off","status":"PERMISSION_DENIED"}}"#;

fn a_body_that_only_resembles_json_rpc_becomes_exactly_one_bridge_error() {
    for body in
        [ARRAY, ROUTE, ROUTE_WITH_ID, METHOD_AND_ERROR, GOOGLE, "[]", "[[]]", r#"[{"error":{"code":1,"message":"m"}}]"#]
    {
        for status in ["400 Bad Request", "403 Forbidden", "404 Not Found", "500 Internal Server Error"] {
            let upstream = Upstream::start(move |call| match call.kind() {
                "tools/call" => call.json_with_status(status, body),
                _ => call.respond_normally(),
            });
            let mut bridge = Bridge::connected(&upstream);
            assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), &status[..3]]);
            bridge.still_works();
            bridge.finish();
        }
    }
}

fn an_initialize_rejected_with_such_a_body_and_later_requests_are_answered() {
    for body in [ARRAY, ROUTE, ROUTE_WITH_ID, METHOD_AND_ERROR, GOOGLE] {
        let upstream = Upstream::start(move |call| call.json_with_status("403 Forbidden", body));
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.send(&initialize("1", REVISION));
        assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "403"]);
        for id in ["2", "3"] {
            assert_error_mentions(&bridge.request(id, "tools/list", "{}"), &[&upstream.host(), "403"]);
        }
        bridge.finish();
    }
}

fn an_error_object_without_jsonrpc_becomes_a_valid_bridge_error() {
    for status in ["401 Unauthorized", "403 Forbidden", "429 Too Many Requests"] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => call.json_with_status(status, GOOGLE),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::connected(&upstream);
        let answer = bridge.request("5", "tools/call", "{}");
        assert_error_mentions(&answer, &[&upstream.host(), &status[..3], "API off"]);
        assert_eq!(value(&answer)["jsonrpc"], "2.0", "clients ignore a response without jsonrpc: {answer}");
        bridge.finish();
    }
}
