//! Bodies of refusals that look like JSON-RPC and are none: each becomes one error in our words, with host, status and
//! cause.

use crate::support::*;

const ARRAY: &str = r#"[{"code":42,"message":"bad"}]"#;
const ROUTE: &str = r#"{"method":"POST","path":"/x","error":{"code":404,"message":"nf"}}"#;
const ROUTE_WITH_ID: &str = r#"{"id":"r-1","method":"POST","path":"/x","error":{"code":404,"message":"nf"}}"#;
const METHOD_AND_ERROR: &str = r#"{"jsonrpc":"2.0","method":"POST","error":{"code":-32001,"message":"nf"}}"#;
const GOOGLE: &str = r#"{"error":{"code":403,"message":"API off","status":"PERMISSION_DENIED"}}"#;

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

#[test]
fn a_body_that_only_passes_for_json_rpc_is_an_error_of_ours_and_only_one() {
    for body in
        [ARRAY, ROUTE, ROUTE_WITH_ID, METHOD_AND_ERROR, GOOGLE, "[]", "[[]]", r#"[{"error":{"code":1,"message":"m"}}]"#]
    {
        for status in ["400 Bad Request", "403 Forbidden", "404 Not Found", "500 Internal Server Error"] {
            let upstream = Upstream::start(move |call| match call.kind() {
                "tools/call" => call.respond(status, JSON, body),
                _ => call.usual(),
            });
            let mut bridge = Bridge::connected(&upstream);
            says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host(), &status[..3]]);
            bridge.still_works();
            bridge.finish();
        }
    }
}

#[test]
fn an_initialize_refused_with_such_a_body_is_answered_and_so_is_what_follows() {
    for body in [ARRAY, ROUTE, ROUTE_WITH_ID, METHOD_AND_ERROR, GOOGLE] {
        let upstream = Upstream::start(move |call| call.respond("403 Forbidden", JSON, body));
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.send(&initialize("1", REVISION));
        says(&bridge.answer("1"), &[&upstream.host(), "403"]);
        for id in ["2", "3"] {
            says(&bridge.ask(id, "tools/list", "{}"), &[&upstream.host(), "403"]);
        }
        bridge.finish();
    }
}

#[test]
fn an_error_object_without_jsonrpc_is_told_in_our_words() {
    for status in ["401 Unauthorized", "403 Forbidden", "429 Too Many Requests"] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => call.respond(status, JSON, GOOGLE),
            _ => call.usual(),
        });
        let mut bridge = Bridge::connected(&upstream);
        let answer = bridge.ask("5", "tools/call", "{}");
        says(&answer, &[&upstream.host(), &status[..3], "API off"]);
        assert_eq!(value(&answer)["jsonrpc"], "2.0", "what clients drop unread is no answer: {answer}");
        bridge.finish();
    }
}
