//! HTTP+SSE upstreams: detected automatically, with a stream that is reopened as long as the process lives.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::*;

over_each_protocol! {
    http_sse_is_detected_from_every_status_that_such_servers_return,
    a_status_unrelated_to_the_transport_causes_no_fallback,
    messages_pass_both_ways_byte_for_byte,
    an_endpoint_may_be_relative_or_absolute_on_the_same_origin,
    an_endpoint_on_another_origin_is_refused_and_receives_no_request,
    the_wait_for_a_missing_endpoint_event_is_bounded,
    the_first_error_is_reported_when_the_fallback_fails_too,
    the_reason_of_the_fallback_is_reported_too,
    a_broken_stream_fails_pending_requests_and_a_new_stream_replays_initialize,
    a_new_stream_restores_the_subscriptions_of_the_broken_one,
    the_stream_is_reopened_after_several_failed_attempts,
    a_rejected_post_is_an_error_for_its_request,
    the_json_rpc_error_body_of_a_rejected_post_passes,
    sse_only_opens_the_stream_without_posting_first,
    sse_first_falls_back_to_streamable_http,
    http_only_never_falls_back,
    headers_of_the_user_are_sent_to_both_endpoints,
    a_cancellation_is_posted_and_the_late_response_is_dropped,
    a_session_unknown_to_the_endpoint_is_opened_again,
}

fn connected(upstream: &Upstream) -> Bridge {
    let mut bridge = Bridge::to(&upstream.url("/sse")).start();
    bridge.initialize();
    bridge
}

fn http_sse_is_detected_from_every_status_that_such_servers_return() {
    let statuses = [
        "400 Bad Request",
        "404 Not Found",
        "405 Method Not Allowed",
        "406 Not Acceptable",
        "415 Unsupported Media Type",
        "501 Not Implemented",
    ];
    for status in statuses {
        let sse_server = HttpSse::new("/messages?s=1");
        let upstream = Upstream::start(move |call| match (call.request.http_method.as_str(), call.path()) {
            ("POST", "/sse") => call.plain(status, "what is that?"),
            _ => sse_server.serve(call),
        });
        let mut bridge = Bridge::to(&upstream.url("/sse")).start();
        let answer = bridge.initialize();
        assert!(answer.contains(HTTP_SSE_REVISION), "{status}: the upstream's own result: {answer}");
        bridge.still_works();
        bridge.finish();
    }
}

fn a_status_unrelated_to_the_transport_causes_no_fallback() {
    for status in ["401 Unauthorized", "403 Forbidden", "500 Internal Server Error"] {
        let upstream = Upstream::start(move |call| call.plain(status, "not now"));
        let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--auth", "off"]).start();
        let answer = bridge.request(
            "1",
            "initialize",
            r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}"#,
        );
        assert_error_mentions(&answer, &[&upstream.host(), &status[..3]]);
        bridge.finish();
        assert_eq!(upstream.count("GET"), 0, "{status} is no sign of HTTP+SSE: {:?}", upstream.kinds());
    }
}

fn messages_pass_both_ways_byte_for_byte() {
    let (upstream, sse_server) = HttpSse::start("/messages?s=1&t=a%20b");
    let mut bridge = connected(&upstream);
    let line = r#"{"id":1,"params":{"big":12345678901234567890,"f":1.0},"method":"tools/call","jsonrpc":"2.0"}"#;
    bridge.send(line);
    assert_eq!(bridge.response("1"), result("1", "{}"));
    let seen = upstream.wait_for("tools/call", 1);
    assert_eq!((seen.text().trim_end(), seen.path.as_str()), (line, "/messages?s=1&t=a%20b"));
    let server_request = request("1", "sampling/createMessage", r#"{"t":1.0}"#);
    sse_server.event(&server_request);
    assert_eq!(bridge.message("sampling/createMessage"), server_request);
    bridge.send(&result("1", r#"{"n":1E2}"#));
    assert_eq!(upstream.wait_for("response", 1).text().trim_end(), result("1", r#"{"n":1E2}"#));
    bridge.finish();
    assert_eq!(upstream.count("GET"), 1, "one stream: {:?}", upstream.kinds());
    assert_eq!(upstream.count("DELETE"), 0, "HTTP+SSE has no session to delete");
}

fn an_endpoint_may_be_relative_or_absolute_on_the_same_origin() {
    for (endpoint, path) in
        [("messages/1", "/deep/messages/1"), ("?s=1", "/deep/sse?s=1"), ("/m/1", "/m/1"), ("absolute", "/m/2")]
    {
        let stream = std::sync::Mutex::new(None::<Events>);
        let upstream = Upstream::start(move |call| match call.request.http_method.as_str() {
            "GET" => {
                let origin = call.origin();
                let endpoint = if endpoint == "absolute" { format!("{origin}/m/2") } else { endpoint.to_owned() };
                let mut stream = stream.lock().unwrap();
                stream.insert(call.sse()).chunk(&format!("event: endpoint\ndata: {endpoint}\n\n"));
            }
            _ if call.path() == path => {
                let (kind, id) = (call.kind().to_owned(), call.request.id.clone());
                call.accepted();
                let answer = if kind == "initialize" { initialize_result(HTTP_SSE_REVISION) } else { "{}".to_owned() };
                if let Some(id) = id {
                    stream.lock().unwrap().as_ref().unwrap().event(&result(&id, &answer));
                }
            }
            _ => call.plain("404 Not Found", "nothing here"),
        });
        let mut bridge = Bridge::to(&upstream.url("/deep/sse")).arg("--transport").arg("sse-only").start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
    }
}

fn an_endpoint_on_another_origin_is_refused_and_receives_no_request() {
    let stranger = Upstream::well_behaved().may_receive_no_request();
    let endpoint = stranger.url("/messages");
    let upstream = Upstream::start(move |call| match call.kind() {
        "GET" => {
            let events = call.sse();
            events.chunk(&format!("event: endpoint\ndata: {endpoint}\n\n"));
            assert!(events.closed_by_client());
        }
        _ => call.plain("405 Method Not Allowed", ""),
    });
    let mut bridge = Bridge::to(&upstream.url("/sse")).arg("--header").arg("X-Key: k-123").start();
    bridge.send(&initialize("1", REVISION));
    bridge_error(&bridge.response("1"));
    bridge.finish();
    assert!(stranger.requests().is_empty(), "another origin receives no request: {:?}", stranger.requests());
}

fn the_wait_for_a_missing_endpoint_event_is_bounded() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" => drop(call.sse().closed_by_client()),
        _ => call.plain("405 Method Not Allowed", "no POST here"),
    });
    let mut bridge = Bridge::to(&upstream.url("/sse")).startup_wait("0.2").args(["--patience", "1"]).start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    bridge.send(&request("2", "tools/list", "{}"));
    assert_error_mentions(&bridge.response("2"), &[&upstream.host()]);
    bridge.finish();
}

fn the_first_error_is_reported_when_the_fallback_fails_too() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" => call.plain("404 Not Found", "nothing to hear"),
        _ => call.plain("404 Not Found", "no such account"),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "404", "no such account"]);
    bridge.finish();
}

fn the_reason_of_the_fallback_is_reported_too() {
    type Answer = fn(Exchange);
    let cases: [(Answer, &[&str]); 4] = [
        (|call| call.plain("500 Internal Server Error", "out of cheese"), &["500", "out of cheese"]),
        (|call| call.respond("200 OK", &[("Content-Type", "text/html")], "<html>"), &["405", "opened no stream"]),
        (
            |call| {
                call.sse().chunk("event: endpoint\ndata: https://elsewhere.example/m\n\n").closed_by_client();
            },
            &["elsewhere.example"],
        ),
        (|call| call.plain("401 Unauthorized", "who are you"), &["401", "who are you"]),
    ];
    for (answer, words) in cases {
        let upstream = Upstream::start(move |call| match call.kind() {
            "GET" => answer(call),
            _ => call.plain("405 Method Not Allowed", ""),
        });
        let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--auth", "off"]).start();
        bridge.send(&initialize("1", REVISION));
        assert_error_mentions(&bridge.response("1"), words);
        bridge.finish();
    }
}

fn a_broken_stream_fails_pending_requests_and_a_new_stream_replays_initialize() {
    let (upstream, sse_server) = HttpSse::start("/messages");
    let mut bridge = connected(&upstream);
    bridge.send(&request("1", "tools/call", r#"{"name":"hang"}"#));
    upstream.wait_for("tools/call", 1);
    sse_server.cut();
    assert_error_mentions(&bridge.response("1"), &[&upstream.host()]);
    upstream.wait_for("initialize", 3);
    bridge.still_works();
    bridge.finish();
    let requests = upstream.requests();
    let sent: Vec<_> =
        requests.iter().filter(|request| request.kind == "initialize").map(|r| r.text().trim_end()).collect();
    assert!(sent.iter().all(|line| *line == sent[0]), "each time it is the client's own initialize: {sent:?}");
    assert_eq!(upstream.count("tools/call"), 1, "a request that has reached the server is not sent twice");
}

fn a_new_stream_restores_the_subscriptions_of_the_broken_one() {
    let (upstream, sse_server) = HttpSse::start("/messages");
    let mut bridge = connected(&upstream);
    assert_eq!(bridge.request("1", "resources/subscribe", r#"{"uri":"a:b"}"#), result("1", "{}"));
    sse_server.cut();
    let again = upstream.wait_for("resources/subscribe", 2);
    assert!(again.text().contains(r#"{"uri":"a:b"}"#), "{}", again.text());
    bridge.still_works();
    let written = bridge.finish().lines;
    assert!(
        !written.iter().any(|line| line.contains("mcp-ferry-")),
        "the response to the bridge's own request is dropped: {written:?}"
    );
}

fn the_stream_is_reopened_after_several_failed_attempts() {
    let sse_server = HttpSse::new("/messages");
    let (server, listens) = (sse_server.clone(), AtomicUsize::new(0));
    let upstream = Upstream::start(move |call| match call.kind() {
        "GET" => match listens.fetch_add(1, Ordering::SeqCst) {
            1 => call.plain("503 Service Unavailable", "rolling out"),
            2 => call.reset(),
            _ => server.serve(call),
        },
        _ => server.serve(call),
    });
    let mut bridge = connected(&upstream);
    bridge.still_works();
    sse_server.event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    sse_server.cut();
    upstream.wait_for("GET", 4);
    bridge.still_works();
    let ended = bridge.finish();
    assert_eq!(
        ended.lines.iter().filter(|line| line.contains("serverInfo")).count(),
        1,
        "the response to a replayed initialize is dropped"
    );
}

fn a_rejected_post_is_an_error_for_its_request() {
    let sse_server = HttpSse::new("/messages");
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/call" => call.plain("500 Internal Server Error", "out of cheese"),
        _ => sse_server.serve(call),
    });
    let mut bridge = connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "500", "out of cheese"]);
    bridge.still_works();
    bridge.finish();
}

fn the_json_rpc_error_body_of_a_rejected_post_passes() {
    let sse_server = HttpSse::new("/messages");
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/call" => call.error("400 Bad Request", -32602, "no such tool"),
        _ => sse_server.serve(call),
    });
    let mut bridge = connected(&upstream);
    assert_eq!(bridge.request("1", "tools/call", "{}"), error("1", -32602, "no such tool"));
    bridge.finish();
}

fn sse_only_opens_the_stream_without_posting_first() {
    let (upstream, _voice) = HttpSse::start("/messages");
    let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
    let first = &upstream.requests()[0];
    assert_eq!((first.kind.as_str(), first.header("accept")), ("GET", Some("text/event-stream")));
    assert_eq!(upstream.count("initialize"), 1);
}

fn sse_first_falls_back_to_streamable_http() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--transport", "sse-first"]).start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.kinds()[0], "GET");
}

fn http_only_never_falls_back() {
    let (upstream, _voice) = HttpSse::start("/messages");
    let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--transport", "http-only"]).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "405"]);
    bridge.finish();
    assert_eq!(upstream.count("GET"), 0);
}

fn headers_of_the_user_are_sent_to_both_endpoints() {
    let sse_server = HttpSse::new("/messages");
    let upstream = Upstream::start(move |call| {
        assert_eq!(call.header("x-key"), Some("k-123"), "on {} {}", call.request.http_method, call.path());
        sse_server.serve(call);
    });
    let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--header", "X-Key: k-123"]).start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
}

fn a_cancellation_is_posted_and_the_late_response_is_dropped() {
    let (upstream, sse_server) = HttpSse::start("/messages");
    let mut bridge = connected(&upstream);
    bridge.send(&request("1", "tools/call", r#"{"name":"hang"}"#));
    upstream.wait_for("tools/call", 1);
    bridge.cancel("1");
    upstream.wait_for("notifications/cancelled", 1);
    sse_server.event(&result("1", r#"{"late":true}"#));
    bridge.still_works();
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("late")));
}

fn a_session_unknown_to_the_endpoint_is_opened_again() {
    for status in ["404 Not Found", "400 Bad Request"] {
        let sse_server = HttpSse::new("/messages");
        let upstream = Upstream::start(move |call| match (call.kind(), call.nth) {
            ("tools/call", 0) => call.plain(status, "Could not find session"),
            _ => sse_server.serve(call),
        });
        let mut bridge = connected(&upstream);
        bridge.send(&request("1", "tools/call", "{}"));
        let answer = bridge.response("1");
        assert!(answer == result("1", "{}") || bridge_error(&answer).contains(&status[..3]), "{answer}");
        bridge.still_works();
        bridge.finish();
        assert_eq!(upstream.count("GET"), 2, "{status}: a new stream opens a new session: {:?}", upstream.kinds());
    }
}
