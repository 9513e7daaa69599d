//! A static credential that is refused is reported as that, with what to look at; nothing else is tried.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::support::*;

const TOKEN: &str = "sk-org-0123456789abcdef";

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// An upstream that refuses every credential, and asks for a login as OAuth servers do.
fn refusing() -> Upstream {
    Upstream::start(|call| {
        let challenge = r#"Bearer realm="x", resource_metadata="/.well-known/oauth-protected-resource""#;
        let headers = [("WWW-Authenticate", challenge), ("Content-Type", "application/json")];
        call.respond("401 Unauthorized", &headers, r#"{"code":"UNAUTHENTICATED","message":"key expired"}"#);
    })
}

#[test]
fn a_refused_credential_is_reported_as_that_and_nothing_else_is_tried() {
    let file = file(TOKEN);
    let path = file.path().to_str().unwrap().to_owned();
    let header = format!("Authorization: Bearer {TOKEN}");
    let cases: [(&[&str], &str); 5] = [
        (&["--header", &header], "--header"),
        (&["--header", "Authorization: Bearer ${MY_TOKEN}"], "MY_TOKEN"),
        (&["--bearer-token-env", "MY_TOKEN"], "MY_TOKEN"),
        (&["--bearer-token-file", &path], &path),
        (&["--header", "X-Api-Key: ${MY_TOKEN}"], "MY_TOKEN"),
    ];
    for (arguments, culprit) in cases {
        let upstream = refusing();
        let launch = arguments.iter().fold(Bridge::to(&upstream.url("/mcp")), |launch, argument| launch.arg(argument));
        let mut bridge = launch.env("MY_TOKEN", TOKEN).args(["--log-level", "debug"]).secret(TOKEN).start();
        bridge.send(&initialize("1", REVISION));
        says(&bridge.answer("1"), &[&upstream.host(), "401", culprit]);
        bridge.finish();
        let tried = upstream.kinds();
        if culprit == "MY_TOKEN" && arguments[1].starts_with("X-") {
            // A header of its own may be a gateway's, and a login wanted besides: the server is asked, and that is all.
            assert!(!tried[1..].iter().any(|kind| kind == "initialize" || kind == "POST"), "no login: {tried:?}");
        } else {
            assert_eq!(tried, ["initialize"], "nothing else is tried");
        }
    }
}

#[test]
fn a_missing_credential_is_reported_as_that() {
    let upstream = refusing();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--bearer-token-env", "MY_TOKEN"]).start();
    bridge.send(&initialize("1", REVISION));
    says(&bridge.answer("1"), &[&upstream.host(), "401", "MY_TOKEN"]);
    bridge.finish();
}

#[test]
fn an_authorization_that_was_left_out_is_named_whatever_other_headers_were_sent() {
    let upstream = refusing();
    for arguments in [
        ["--header", "X-Trace: abcdefgh", "--header", "Authorization: Bearer ${NOPE}"],
        ["--header", "Authorization: Bearer ${NOPE}", "--header", "X-Trace: abcdefgh"],
    ] {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(arguments).start();
        bridge.send(&initialize("1", REVISION));
        says(&bridge.answer("1"), &[&upstream.host(), "401", "authorization", "NOPE"]);
        bridge.finish();
    }
}

#[test]
fn an_authorization_is_named_before_any_other_header() {
    let upstream = refusing();
    let header = format!("Authorization: Bearer {TOKEN}");
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--header", "X-Trace: abcdefgh", "--header", &header])
        .secret(TOKEN)
        .start();
    bridge.send(&initialize("1", REVISION));
    let answer = bridge.answer("1");
    says(&answer, &[&upstream.host(), "401", "authorization"]);
    assert!(!own_error(&answer).to_lowercase().contains("x-trace"), "no credential, so not to blame: {answer}");
    bridge.finish();
}

#[test]
fn an_error_object_that_is_no_json_rpc_does_not_lend_us_its_code() {
    let upstream = Upstream::start(|call| {
        let body = r#"{"error":{"code":401,"message":"key expired","status":"UNAUTHENTICATED"}}"#;
        call.respond("401 Unauthorized", &[("Content-Type", "application/json")], body);
    });
    let header = format!("Authorization: Bearer {TOKEN}");
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--header", &header]).secret(TOKEN).start();
    bridge.send(&initialize("1", REVISION));
    says(&bridge.answer("1"), &[&upstream.host(), "401", "key expired"]);
    bridge.finish();
}

#[test]
fn a_credential_refused_in_the_middle_is_an_error_for_its_request() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.respond(
            "401 Unauthorized",
            &[("WWW-Authenticate", "Bearer error=\"invalid_token\""), ("Content-Type", "application/json")],
            r#"{"code":"UNAUTHENTICATED","message":"key expired"}"#,
        ),
        _ => call.usual(),
    });
    let mut bridge =
        Bridge::to(&upstream.url("/mcp")).args(["--bearer-token-env", "MY_TOKEN"]).env("MY_TOKEN", TOKEN).start();
    bridge.shake_hands();
    says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host(), "401", "MY_TOKEN", "key expired"]);
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1);
    assert_eq!(upstream.count("initialize"), 1, "this 401 does not speak of a session");
}

#[test]
fn a_token_file_is_read_again_when_its_token_is_refused() {
    let file = file("old-token\n");
    let upstream = Upstream::start(|call| match (call.kind(), call.header("authorization").unwrap()) {
        ("tools/call", "Bearer old-token") => call.hold(),
        _ => call.usual(),
    });
    let mut bridge =
        Bridge::to(&upstream.url("/mcp")).args(["--bearer-token-file", file.path().to_str().unwrap()]).start();
    bridge.shake_hands();
    bridge.send(&request("1", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    std::fs::write(file.path(), "new-token\n").unwrap();
    call.plain("401 Unauthorized", "expired");
    let answer = bridge.answer("1");
    assert!(answer == result("1", "{}") || own_error(&answer).contains("401"), "the new token or a report: {answer}");
    bridge.finish();
}
