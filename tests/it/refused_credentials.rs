//! A refused static credential is reported with the setting that holds it, and no login is tried.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::support::*;

over_each_protocol! {
    a_refused_credential_is_named_and_no_login_is_tried,
    a_missing_credential_is_named,
    an_omitted_authorization_is_named_even_when_other_headers_were_sent,
    the_authorization_header_is_named_before_any_other_header,
    the_code_of_an_error_object_that_is_not_json_rpc_is_not_used,
    a_credential_refused_during_a_session_is_an_error_for_its_request,
    a_token_file_is_read_again_when_its_token_is_refused,
}

const TOKEN: &str = "sk-org-0123456789abcdef";

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// An upstream that refuses every credential with an OAuth challenge.
fn refusing_every_credential() -> Upstream {
    Upstream::start(|call| {
        let challenge = r#"Bearer servers="x", resource_metadata="/.well-known/oauth-protected-resource""#;
        let headers = [("WWW-Authenticate", challenge), ("Content-Type", "application/json")];
        call.respond("401 Unauthorized", &headers, r#"{"code":"UNAUTHENTICATED","message":"key expired"}"#);
    })
}

fn a_refused_credential_is_named_and_no_login_is_tried() {
    let file = file(TOKEN);
    let path = file.path().to_str().unwrap().to_owned();
    let header = format!("Authorization: Bearer {TOKEN}");
    let cases: [(&[&str], &str); 5] = [
        (&["--header", &header], "the header authorization"),
        (&["--header", "Authorization: Bearer ${MY_TOKEN}"], "MY_TOKEN"),
        (&["--bearer-token-env", "MY_TOKEN"], "MY_TOKEN"),
        (&["--bearer-token-file", &path], &path),
        (&["--header", "X-Api-Key: ${MY_TOKEN}"], "MY_TOKEN"),
    ];
    for (arguments, culprit) in cases {
        let upstream = refusing_every_credential();
        let launch = arguments.iter().fold(Bridge::to(&upstream.url("/mcp")), |launch, argument| launch.arg(argument));
        let mut bridge = launch.env("MY_TOKEN", TOKEN).args(["--log-level", "debug"]).secret(TOKEN).start();
        bridge.send(&initialize("1", REVISION));
        assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "401", culprit]);
        bridge.finish();
        let tried = upstream.kinds();
        if culprit == "MY_TOKEN" && arguments[1].starts_with("X-") {
            // A custom header may be for a gateway, and a login may be needed as well: only the metadata are requested.
            assert!(
                !tried[1..].iter().any(|kind| kind == "initialize" || kind == "POST"),
                "no login is tried: {tried:?}"
            );
        } else {
            assert_eq!(tried, ["initialize"], "only initialize is sent");
        }
    }
}

fn a_missing_credential_is_named() {
    let upstream = refusing_every_credential();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--bearer-token-env", "MY_TOKEN"]).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "401", "MY_TOKEN"]);
    bridge.finish();
}

fn an_omitted_authorization_is_named_even_when_other_headers_were_sent() {
    let upstream = refusing_every_credential();
    for arguments in [
        ["--header", "X-Trace: abcdefgh", "--header", "Authorization: Bearer ${NOPE}"],
        ["--header", "Authorization: Bearer ${NOPE}", "--header", "X-Trace: abcdefgh"],
    ] {
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(arguments).start();
        bridge.send(&initialize("1", REVISION));
        assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "401", "authorization", "NOPE"]);
        bridge.finish();
    }
}

fn the_authorization_header_is_named_before_any_other_header() {
    let upstream = refusing_every_credential();
    let header = format!("Authorization: Bearer {TOKEN}");
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--header", "X-Trace: abcdefgh", "--header", &header])
        .secret(TOKEN)
        .start();
    bridge.send(&initialize("1", REVISION));
    let answer = bridge.response("1");
    assert_error_mentions(&answer, &[&upstream.host(), "401", "authorization"]);
    assert!(
        !bridge_error(&answer).to_lowercase().contains("x-trace"),
        "a header that is no credential is not blamed: {answer}"
    );
    bridge.finish();
}

fn the_code_of_an_error_object_that_is_not_json_rpc_is_not_used() {
    let upstream = Upstream::start(|call| {
        let body = r#"{"error":{"code":401,"message":"key expired","status":"UNAUTHENTICATED"}}"#;
        call.json_with_status("401 Unauthorized", body);
    });
    let header = format!("Authorization: Bearer {TOKEN}");
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--header", &header]).secret(TOKEN).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "401", "key expired"]);
    bridge.finish();
}

fn a_credential_refused_during_a_session_is_an_error_for_its_request() {
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/call", 0) => call.respond(
            "401 Unauthorized",
            &[("WWW-Authenticate", "Bearer error=\"invalid_token\""), ("Content-Type", "application/json")],
            r#"{"code":"UNAUTHENTICATED","message":"key expired"}"#,
        ),
        _ => call.respond_normally(),
    });
    let mut bridge =
        Bridge::to(&upstream.url("/mcp")).args(["--bearer-token-env", "MY_TOKEN"]).env("MY_TOKEN", TOKEN).start();
    bridge.initialize();
    assert_error_mentions(
        &bridge.request("1", "tools/call", "{}"),
        &[&upstream.host(), "401", "MY_TOKEN", "key expired"],
    );
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 1);
    assert_eq!(upstream.count("initialize"), 1, "this 401 does not mention a session");
}

fn a_token_file_is_read_again_when_its_token_is_refused() {
    let file = file("old-token\n");
    let upstream = Upstream::start(|call| match (call.kind(), call.header("authorization").unwrap()) {
        ("tools/call", "Bearer old-token") => call.hold(),
        _ => call.respond_normally(),
    });
    let mut bridge =
        Bridge::to(&upstream.url("/mcp")).args(["--bearer-token-file", file.path().to_str().unwrap()]).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    std::fs::write(file.path(), "new-token\n").unwrap();
    call.plain("401 Unauthorized", "expired");
    let answer = bridge.response("1");
    assert!(
        answer == result("1", "{}") || bridge_error(&answer).contains("401"),
        "the new token or a report: {answer}"
    );
    bridge.finish();
}
