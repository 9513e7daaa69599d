//! Redirects keep the request what it was, and never take it to strangers.

use crate::support::*;

#[test]
fn on_the_same_origin_method_body_and_headers_stay() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        for absolute in [false, true] {
            let upstream = Upstream::start(move |call| {
                if call.path() == "/mcp" {
                    let to = if absolute {
                        format!("http://{}/mcp/", call.header("host").unwrap())
                    } else {
                        "/mcp/".to_owned()
                    };
                    return call.respond(
                        status,
                        &[("Location", &to), ("Content-Type", "text/html")],
                        "<p>over there</p>",
                    );
                }
                assert_eq!(call.path(), "/mcp/");
                assert_eq!(call.header("authorization"), Some("Bearer sk-org-1"), "the key goes along");
                call.usual();
            });
            let mut bridge =
                Bridge::to(&upstream.url("/mcp")).args(["--header", "Authorization: Bearer sk-org-1"]).start();
            bridge.shake_hands();
            let line = request("1", "tools/call", r#"{"n":1.0}"#);
            bridge.send(&line);
            assert_eq!(bridge.answer("1"), result("1", "{}"), "{status}");
            bridge.finish();
            let requests = upstream.requests();
            let arrived: Vec<_> = requests.iter().filter(|r| r.path == "/mcp/" && r.kind == "tools/call").collect();
            assert_eq!(arrived.len(), 1, "{status}: {:?}", upstream.kinds());
            assert_eq!(arrived[0].text().trim_end(), line, "{status}: the body goes along to the byte");
            assert!(
                requests.iter().any(|r| r.path == "/mcp/" && r.kind == "DELETE"),
                "{status}: {:?}",
                upstream.kinds()
            );
        }
    }
}

#[test]
fn another_origin_is_refused_and_sees_nothing() {
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let stranger = Upstream::usual().may_stay_unasked();
        let to = stranger.url("/mcp");
        let upstream = Upstream::start(move |call| call.respond(status, &[("Location", &to)], ""));
        let mut bridge = Bridge::to(&upstream.url("/mcp"))
            .args(["--header", "Authorization: Bearer sk-org-1", "--header", "X-Api-Key: k-1"])
            .start();
        bridge.send(&initialize("1", REVISION));
        says(&bridge.answer("1"), &[&upstream.host()]);
        bridge.finish();
        assert!(stranger.requests().is_empty(), "{status}: a stranger saw {:?}", stranger.requests());
    }
}

#[test]
fn a_redirect_that_leads_to_itself_ends() {
    let upstream = Upstream::start(|call| call.respond("307 Temporary Redirect", &[("Location", "/mcp")], ""));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    says(&bridge.answer("1"), &[&upstream.host(), "redirect"]);
    bridge.finish();
    assert!(upstream.requests().len() <= 20, "{}", upstream.requests().len());
}

#[test]
fn a_redirect_without_a_place_is_an_error() {
    let upstream = Upstream::start(|call| call.respond("302 Found", &[], ""));
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    says(&bridge.answer("1"), &[&upstream.host(), "redirect"]);
    bridge.finish();
}

#[test]
fn an_http_sse_stream_may_be_redirected_on_its_origin() {
    // A GET can become the GET that 303 asks for.
    for status in ["307 Temporary Redirect", "303 See Other"] {
        let voice = HttpSse::new("/messages");
        let upstream = Upstream::start(move |call| match (call.request.http_method.as_str(), call.path()) {
            ("GET", "/sse") => call.respond(status, &[("Location", "/sse/")], ""),
            _ => voice.serve(call),
        });
        let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start();
        bridge.shake_hands();
        bridge.still_works();
        bridge.finish();
    }
}
