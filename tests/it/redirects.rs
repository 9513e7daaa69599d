//! Redirects keep the request unchanged and never lead to another origin.

use crate::support::*;

over_each_protocol! {
    a_redirect_on_the_same_origin_keeps_method_body_and_headers,
    a_location_may_be_written_in_utf_8,
    a_redirect_to_what_is_no_host_is_named,
    a_redirect_to_another_origin_is_refused_and_not_followed,
    a_redirect_loop_ends_with_an_error,
    a_redirect_without_a_location_is_an_error,
    an_http_sse_stream_may_be_redirected_on_the_same_origin,
}

fn a_redirect_on_the_same_origin_keeps_method_body_and_headers() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        for absolute in [false, true] {
            let upstream = Upstream::start(move |call| {
                if call.path() == "/mcp" {
                    let to = if absolute { call.origin() + "/mcp/" } else { "/mcp/".to_owned() };
                    return call.respond(
                        status,
                        &[("Location", &to), ("Content-Type", "text/html")],
                        "<p>over there</p>",
                    );
                }
                assert_eq!(call.path(), "/mcp/");
                assert_eq!(call.header("authorization"), Some("Bearer sk-org-1"), "the credential is sent");
                call.respond_normally();
            });
            let mut bridge =
                Bridge::to(&upstream.url("/mcp")).args(["--header", "Authorization: Bearer sk-org-1"]).start();
            bridge.initialize();
            let line = request("1", "tools/call", r#"{"n":1.0}"#);
            bridge.send(&line);
            assert_eq!(bridge.response("1"), result("1", "{}"), "{status}");
            bridge.finish();
            let requests = upstream.requests();
            let arrived: Vec<_> = requests.iter().filter(|r| r.path == "/mcp/" && r.kind == "tools/call").collect();
            assert_eq!(arrived.len(), 1, "{status}: {:?}", upstream.kinds());
            assert_eq!(arrived[0].text().trim_end(), line, "{status}: the body is sent byte for byte");
            assert!(
                requests.iter().any(|r| r.path == "/mcp/" && r.kind == "DELETE"),
                "{status}: {:?}",
                upstream.kinds()
            );
        }
    }
}

fn a_location_may_be_written_in_utf_8() {
    let upstream = Upstream::start(|call| {
        if call.path() == "/mcp" {
            return call.respond("307 Temporary Redirect", &[("Location", "/möglich")], "");
        }
        assert_eq!(call.path(), "/m%C3%B6glich");
        call.respond_normally();
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
}

fn a_redirect_to_what_is_no_host_is_named() {
    let upstream = Upstream::start(|call| call.respond("302 Found", &[("Location", "javascript:alert(1)")], ""));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &["javascript:"]);
    bridge.finish();
}

fn a_redirect_to_another_origin_is_refused_and_not_followed() {
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let stranger = Upstream::well_behaved().may_receive_no_request();
        let to = stranger.url("/mcp");
        let upstream = Upstream::start(move |call| call.respond(status, &[("Location", &to)], ""));
        let mut bridge = Bridge::to(&upstream.url("/mcp"))
            .args(["--header", "Authorization: Bearer sk-org-1", "--header", "X-Api-Key: k-1"])
            .start();
        bridge.send(&initialize("1", REVISION));
        assert_error_mentions(&bridge.response("1"), &[&upstream.host()]);
        bridge.finish();
        assert!(stranger.requests().is_empty(), "{status}: another origin received {:?}", stranger.requests());
    }
}

fn a_redirect_loop_ends_with_an_error() {
    let upstream = Upstream::start(|call| call.respond("307 Temporary Redirect", &[("Location", "/mcp")], ""));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "redirect"]);
    bridge.finish();
    assert!(upstream.requests().len() <= 20, "{}", upstream.requests().len());
}

fn a_redirect_without_a_location_is_an_error() {
    let upstream = Upstream::start(|call| call.respond("302 Found", &[], ""));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "redirect"]);
    bridge.finish();
}

fn an_http_sse_stream_may_be_redirected_on_the_same_origin() {
    // A 303 requests a GET, so a GET may follow it.
    for status in ["307 Temporary Redirect", "303 See Other"] {
        let sse_server = HttpSse::new("/messages");
        let upstream = Upstream::start(move |call| match (call.request.http_method.as_str(), call.path()) {
            ("GET", "/sse") => call.respond(status, &[("Location", "/sse/")], ""),
            _ => sse_server.serve(call),
        });
        let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
    }
}

/// The same server on this machine, as it calls itself.
fn own_name(call: &Exchange, name: &str, path: &str) -> String {
    let port = call.header("host").unwrap().rsplit_once(':').unwrap().1.to_owned();
    format!("http://{name}:{port}{path}")
}

/// Nothing is sent to the other name, where another program may listen.
#[test]
fn a_server_on_this_machine_may_call_itself_by_another_name() {
    for name in ["localhost", "0.0.0.0", "[::1]"] {
        let upstream = Upstream::start(move |call| match call.path() {
            "/mcp" => {
                let to = own_name(&call, name, "/mcp/");
                call.respond("307 Temporary Redirect", &[("Location", &to)], "");
            }
            _ => {
                assert!(call.header("host").unwrap().starts_with("127.0.0.1:"));
                call.respond_normally();
            }
        });
        let mut bridge = Bridge::connected(&upstream);
        bridge.still_works();
        bridge.finish();
        let sse_server = HttpSse::new("/messages");
        let upstream = Upstream::start(move |call| match call.request.http_method.as_str() {
            "GET" => {
                let endpoint = own_name(&call, name, "/messages");
                sse_server.open(call, &endpoint);
            }
            _ => sse_server.serve(call),
        });
        let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
    }
}
