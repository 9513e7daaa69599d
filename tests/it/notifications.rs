//! Notifications and client responses: the upstream's HTTP status is not reported and does not stop the session.

use crate::support::*;

over_each_protocol! {
    the_http_status_of_a_notification_is_not_reported_to_the_client,
    a_refused_initialized_does_not_stop_the_session,
    a_refused_client_response_does_not_stop_the_session,
    messages_on_a_stream_in_answer_to_a_notification_are_delivered,
    an_error_to_a_notification_never_answers_the_only_request_in_flight,
    an_error_without_an_id_beside_all_requests_answers_none,
    an_error_on_the_stream_of_http_sse_after_a_notification_answers_no_request,
    notifications_keep_their_order,
}

fn the_http_status_of_a_notification_is_not_reported_to_the_client() {
    let meetings: [fn(Exchange); 7] = [
        |call| call.respond("200 OK", &[], ""),
        |call| call.respond("204 No Content", &[], ""),
        |call| call.json("{}"),
        |call| call.json("null"),
        |call| call.plain("400 Bad Request", "I do not like it"),
        |call| call.error("500 Internal Server Error", -32603, "I cannot bear it"),
        Exchange::cut,
    ];
    for respond in meetings {
        let upstream =
            Upstream::start(
                move |call| if call.kind() == "notifications/x" { respond(call) } else { call.respond_normally() },
            );
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&notification("notifications/x", "{}"));
        upstream.wait_for("notifications/x", 1);
        bridge.still_works();
        let ended = bridge.finish();
        assert_eq!(ended.lines.len(), 2, "a notification gets no response: {:?}", ended.lines);
        assert_eq!(upstream.count("notifications/x"), 1, "a notification is sent once");
    }
}

fn a_refused_initialized_does_not_stop_the_session() {
    let upstream = Upstream::start(|call| match call.kind() {
        "notifications/initialized" => call.plain("405 Method Not Allowed", "no notifications here"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
}

fn a_refused_client_response_does_not_stop_the_session() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" => call.hold(),
        "response" => call.plain("400 Bad Request", "unexpected response"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.event(&request("1", "roots/list", "{}"));
    bridge.message("roots/list");
    bridge.send(&result("1", r#"{"roots":[]}"#));
    upstream.wait_for("response", 1);
    bridge.still_works();
    let ended = bridge.finish();
    assert_eq!(ended.lines.len(), 3, "{:?}", ended.lines);
}

fn messages_on_a_stream_in_answer_to_a_notification_are_delivered() {
    let upstream = Upstream::holding(["notifications/x"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&notification("notifications/x", "{}"));
    let events = upstream.take("notifications/x").sse();
    events.event(&notification("notifications/y", "{}"));
    bridge.message("notifications/y");
    events.end();
    bridge.still_works();
    bridge.finish();
}

fn an_error_to_a_notification_never_answers_the_only_request_in_flight() {
    let replies: [fn(Exchange); 6] = [
        |call| call.json(&error("null", -32600, "not this")),
        |call| call.json(r#"{"error":"not this"}"#),
        |call| call.json(&format!("[{}]", error("null", -32600, "not this"))),
        |call| call.json(&error("1", -32600, "not this")),
        |call| call.error("400 Bad Request", -32600, "not this"),
        |call| {
            let events = call.sse();
            events.event(&error("null", -32600, "not this"));
            events.end();
        },
    ];
    for (nth, reply) in replies.into_iter().enumerate() {
        let upstream = Upstream::start(move |call| match call.kind() {
            "notifications/x" => reply(call),
            "tools/call" => call.hold(),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).arg("--debug").start();
        bridge.initialize();
        bridge.send(&request("1", "tools/call", "{}"));
        let call = upstream.take("tools/call");
        bridge.send(&notification("notifications/x", "{}"));
        bridge.wait_for_log("not this");
        call.result(r#"{"n":1}"#);
        assert_eq!(bridge.response("1"), result("1", r#"{"n":1}"#), "reply {nth}");
        bridge.finish();
    }
}

fn an_error_without_an_id_beside_all_requests_answers_none() {
    let upstream = Upstream::holding(["GET", "tools/call", "response"]);
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    bridge.send(&request("1", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    get.event(&error("null", -32600, "not this")).event(&request("7", "ping", "{}"));
    bridge.message("ping");
    bridge.send(&result("7", "{}"));
    upstream.take("response").json(&error("null", -32600, "nor this"));
    bridge.wait_for_log("nor this");
    call.result(r#"{"n":1}"#);
    assert_eq!(bridge.response("1"), result("1", r#"{"n":1}"#));
    bridge.finish();
}

fn an_error_on_the_stream_of_http_sse_after_a_notification_answers_no_request() {
    let sse_server = HttpSse::new("/messages");
    let stream = sse_server.clone();
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/call" => call.hold(),
        "notifications/x" => {
            call.accepted();
            stream.event(&error("null", -32600, "not this"));
            stream.event(&notification("notifications/y", "{}"));
        }
        _ => stream.serve(call),
    });
    let mut bridge = Bridge::to(&upstream.url("/sse")).args(["--transport", "sse-only"]).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", "{}"));
    upstream.take("tools/call").accepted();
    bridge.send(&notification("notifications/x", "{}"));
    bridge.message("notifications/y");
    sse_server.event(&result("1", r#"{"n":1}"#));
    assert_eq!(bridge.response("1"), result("1", r#"{"n":1}"#));
    bridge.finish();
}

fn notifications_keep_their_order() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    for n in 0..50 {
        bridge.send(&notification("notifications/x", &format!(r#"{{"n":{n}}}"#)));
    }
    upstream.wait_for("notifications/x", 50);
    bridge.finish();
    let requests = upstream.requests();
    let seen: Vec<_> = requests.iter().filter(|r| r.kind == "notifications/x").map(|r| r.text().trim_end()).collect();
    for (n, text) in seen.iter().enumerate() {
        assert!(text.contains(&format!(r#""n":{n}}}"#)), "number {n} is {text}");
    }
}
