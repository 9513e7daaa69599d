//! Every fault at once: each request is still answered exactly once, and the session continues.

use crate::support::*;

over_each_protocol! {
    every_request_is_answered_exactly_once_when_everything_fails,
}

/// Responds to a tool call with the fault of this number.
fn misbehave(call: Exchange, way: usize) {
    let id = call.id();
    match way {
        0 => call.accepted(),
        1 => call.respond("204 No Content", &[], ""),
        2 => call.respond("200 OK", &[("Content-Type", "text/html")], "<html></html>"),
        3 => call.json(r#"{"jsonrpc":"2.0","#),
        4 => call.json(&result("987654321", "{}")),
        5 => call.json(&format!("[{}]", result(&id, "{}"))),
        6 => call.cut(),
        7 => call.reset(),
        8 => drop(call.sse()),
        9 => call.sse().end(),
        10 => call.sse().reset(),
        11 => {
            let events = call.sse();
            events.event(&result(&id, "{}")).event(&result(&id, "{}"));
            events.cut();
        }
        12 => call.plain("500 Internal Server Error", "no"),
        13 => call.error("400 Bad Request", -32602, "no"),
        14 => call.plain("404 Not Found", "Session not found"),
        15 => call.respond("429 Too Many Requests", &[("Retry-After", "0")], "slow down"),
        16 => call.garble(),
        17 => call.truncated_json("{"),
        18 => {
            let events = call.sse();
            events
                .chunk("data: {\"jsonrpc\":\"2.0\",\"id\":")
                .chunk("\n\n: what?\n\nid: x\n\nretry: z\n\n")
                .event("17");
            events.end();
        }
        _ => call.respond_normally(),
    }
}

fn every_request_is_answered_exactly_once_when_everything_fails() {
    const WAYS: usize = 20;
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let number: usize = call.id().parse().unwrap();
            misbehave(call, number % WAYS);
        }
        // The GET stream breaks all the time too.
        "GET" if call.header("last-event-id").is_some() => call.plain("400 Bad Request", "no resumption here"),
        "GET" => {
            let events = call.sse();
            events.event(&notification("notifications/x", "{}")).chunk("retry: 0\n\n").chunk("data: {\ndata");
            events.cut();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    for number in 0..WAYS * 20 {
        bridge.send(&request(&number.to_string(), "tools/call", "{}"));
        if number % 7 == 3 {
            bridge.cancel(&number.to_string());
        }
    }
    for number in (0..WAYS * 20).filter(|number| number % 7 != 3) {
        bridge.response(&number.to_string());
    }
    bridge.still_works();
    let ended = bridge.finish();
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
