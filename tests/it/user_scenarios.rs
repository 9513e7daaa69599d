//! Typical servers of real users, with invented names and tokens.

use crate::support::*;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Sends the first message to an upstream that treats every POST in this way; returns the error message.
fn first_error(respond: impl Fn(Exchange) + Send + Sync + 'static) -> (String, Upstream) {
    let upstream = Upstream::start(move |call| match call.request.http_method.as_str() {
        "POST" => respond(call),
        _ => call.plain("404 Not Found", "no such page"),
    });
    let mut bridge = Bridge::to(&upstream.url("/acme/api/mcp"))
        .args(["--header", "Authorization: Bearer ${ACME_TOKEN}"])
        .env("ACME_TOKEN", "pat-0123456789")
        .secret("pat-0123456789")
        .start();
    bridge.send(&initialize("1", REVISION));
    let answer = bridge.response("1");
    bridge.finish();
    (answer, upstream)
}

#[test]
fn a_public_server_needs_only_the_url() {
    let upstream = Upstream::start(|call| {
        assert_eq!(call.header("authorization"), None);
        call.respond_normally();
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_tenants_secret_may_be_in_the_path_or_in_a_header() {
    let upstream = Upstream::start(|call| match (call.path(), call.header("authorization")) {
        ("/mcp/tok-99/slot-a", None) | ("/mcp/slot-a", Some("Bearer tok-99")) => call.respond_normally(),
        (path, bearer) => panic!("{path} with {bearer:?}"),
    });
    let launches = [
        Bridge::to(&upstream.url("/mcp/tok-99/slot-a")),
        Bridge::to(&upstream.url("/mcp/${MCP_ACCESS_TOKEN}/slot-a")),
        Bridge::to(&upstream.url("/mcp/slot-a")).args(["--header", "Authorization: Bearer ${MCP_ACCESS_TOKEN}"]),
        Bridge::to(&upstream.url("/mcp/slot-a")).args(["--bearer-token-env", "MCP_ACCESS_TOKEN"]),
    ];
    for launch in launches {
        let mut bridge =
            launch.env("MCP_ACCESS_TOKEN", "tok-99").env("MCP_FERRY_LOG_LEVEL", "debug").secret("tok-99").start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
    }
}

#[test]
fn a_trailing_slash_in_the_url_is_optional() {
    let upstream = Upstream::start(|call| {
        assert_eq!(call.header("authorization"), Some("Bearer sk-org-7"));
        if call.path() == "/mcp" {
            return call.respond("307 Temporary Redirect", &[("Location", "/mcp/")], "");
        }
        match call.kind() {
            "tools/call" => {
                let text = r#"{\"code\":\"RATE_LIMITED\",\"message\":\"slow down\",\"retryable\":true,\"hint\":\"wait\",\"details\":{\"n\":1.0}}"#;
                call.result(&format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],"isError":true}}"#));
            }
            _ => call.respond_normally(),
        }
    });
    for path in ["/mcp", "/mcp/"] {
        let mut bridge = Bridge::to(&upstream.url(path)).args(["--header", "Authorization: Bearer sk-org-7"]).start();
        bridge.initialize();
        let answer = bridge.request("1", "tools/call", "{}");
        assert!(
            answer.contains(r#"{\"code\":\"RATE_LIMITED\","#) && answer.ends_with(r#""isError":true}}"#),
            "the error of a tool passes unchanged: {answer}"
        );
        bridge.finish();
    }
}

#[test]
fn an_expired_key_is_an_error_that_names_the_setting() {
    let (answer, upstream) = first_error(|call| {
        call.respond(
            "401 Unauthorized",
            &[JSON],
            r#"{"code":"UNAUTHENTICATED","message":"API key has expired","retryable":false}"#,
        );
    });
    assert_error_mentions(&answer, &[&upstream.host(), "401", "ACME_TOKEN", "API key has expired"]);
    assert_eq!(upstream.kinds(), ["initialize"], "no login and no discovery: {:?}", upstream.kinds());
}

#[test]
fn a_disabled_feature_is_an_error_with_the_servers_message() {
    for (headers, body) in [
        (&[JSON][..], r#"{"error":"MCP server is not enabled for this account"}"#),
        (&[JSON][..], r#"{"error":{"code":"forbidden","message":"MCP server is not enabled for this account"}}"#),
        (&[("Content-Type", "text/plain")][..], "MCP server is not enabled for this account"),
    ] {
        let (answer, upstream) = first_error(move |call| call.respond("403 Forbidden", headers, body));
        assert_error_mentions(&answer, &[&upstream.host(), "403", "MCP server is not enabled for this account"]);
        assert_eq!(upstream.kinds(), ["initialize"]);
    }
}

#[test]
fn missing_access_is_an_error_with_the_servers_message() {
    let (answer, upstream) = first_error(|call| call.respond("403 Forbidden", &[], ""));
    assert_error_mentions(&answer, &[&upstream.host(), "403"]);
}

#[test]
fn a_wrong_account_is_an_error_with_the_servers_message() {
    let (answer, upstream) =
        first_error(|call| call.respond("404 Not Found", &[JSON], r#"{"error":"Account not found"}"#));
    assert_error_mentions(&answer, &[&upstream.host(), "404", "Account not found"]);
}

#[test]
fn a_malformed_message_is_judged_by_the_upstream() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request"}}"#;
            call.respond("400 Bad Request", &[JSON], body);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let answer = bridge.request("1", "tools/call", "[]");
    assert_eq!((value(&answer)["id"].to_string().as_str(), error_of(&answer).0), ("1", -32600), "{answer}");
    bridge.finish();
}

#[test]
fn a_connection_revoked_during_a_session_is_an_error_with_the_servers_message() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.respond("401 Unauthorized", &[JSON], r#"{"error":"token revoked"}"#),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/acme/api/mcp"))
        .args(["--bearer-token-env", "ACME_TOKEN"])
        .env("ACME_TOKEN", "pat-0123456789")
        .secret("pat-0123456789")
        .start();
    bridge.initialize();
    assert_error_mentions(
        &bridge.request("1", "tools/call", "{}"),
        &[&upstream.host(), "401", "ACME_TOKEN", "token revoked"],
    );
    bridge.still_works();
    bridge.finish();
}

#[test]
fn two_programs_may_use_one_server_at_once() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::well_behaved();
    let mut bridges: Vec<_> = (0..4).map(|_| Bridge::to(&upstream.url("/mcp")).home(home.path()).start()).collect();
    for bridge in &mut bridges {
        bridge.initialize();
    }
    for mut bridge in bridges {
        bridge.still_works();
        bridge.finish();
    }
}
