//! A message that is too large fails one request, and a slow request delays no other.

use crate::support::*;

over_each_protocol! {
    a_message_just_below_the_limit_passes_both_ways,
    a_json_body_that_is_too_long_is_one_error_for_its_request,
    an_event_that_is_too_long_is_one_error_for_its_request,
    an_event_that_is_too_long_does_not_end_the_get_stream,
    the_size_limit_applies_to_one_message_and_not_to_a_stream,
    a_client_that_does_not_read_can_still_cancel,
    ten_thousand_events_arrive_in_order,
    a_thousand_calls_complete_while_one_hangs,
    #[cfg(unix)] two_thousand_calls_may_be_in_flight_at_once,
}

const MIB: usize = 1 << 20;

fn bridge_with_small_limit(upstream: &Upstream) -> Bridge {
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--max-message-size", "1"]).start();
    bridge.initialize();
    bridge
}

#[test]
fn a_line_that_is_too_long_is_one_error_for_its_request() {
    let upstream = Upstream::well_behaved();
    let mut bridge = bridge_with_small_limit(&upstream);
    let filling = "x".repeat(MIB + MIB / 2);
    let lines = [
        ("1", format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"text":"{filling}"}}}}"#)),
        // The id comes last, and other ids are nested inside.
        (
            "2",
            format!(
                r#"{{"params":{{"id":99,"text":"{filling}","more":{{"id":98}}}},"method":"tools/call","jsonrpc":"2.0","id":2}}"#
            ),
        ),
        (r#""three""#, format!(r#"{{"method":"tools/call","id":"three","params":["\"id\":97","{filling}"]}}"#)),
    ];
    for (id, line) in lines {
        bridge.expect_response(id);
        bridge.send_raw(format!("{line}\n").as_bytes());
        assert_error_mentions(&bridge.response(id), &["--max-message-size"]);
        bridge.still_works();
    }
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 0, "a message that is too large is not sent");
}

#[test]
fn a_notification_that_is_too_long_is_dropped_and_the_session_continues() {
    let upstream = Upstream::well_behaved();
    let mut bridge = bridge_with_small_limit(&upstream);
    bridge.send(&notification("notifications/x", &format!(r#"{{"text":"{}"}}"#, "x".repeat(2 * MIB))));
    bridge.still_works();
    bridge.finish();
    assert_eq!(upstream.count("notifications/x"), 0);
}

fn a_message_just_below_the_limit_passes_both_ways() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let text = "y".repeat(MIB - 1000);
            call.result(&format!(r#"{{"text":"{text}"}}"#));
        }
        _ => call.respond_normally(),
    });
    let mut bridge = bridge_with_small_limit(&upstream);
    let answer = bridge.request("1", "tools/call", &format!(r#"{{"text":"{}"}}"#, "x".repeat(MIB - 1000)));
    assert!(answer.len() > MIB - 1000);
    bridge.finish();
}

/// Asserts that a response that is too long fails only the call.
fn fails_only_the_call(answer: impl Fn(Exchange) + Send + Sync + 'static) {
    let upstream =
        Upstream::start(move |call| if call.kind() == "tools/call" { answer(call) } else { call.respond_normally() });
    let mut bridge = bridge_with_small_limit(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "--max-message-size"]);
    bridge.still_works();
    bridge.finish();
}

fn oversized_result() -> String {
    format!(r#"{{"text":"{}"}}"#, "y".repeat(2 * MIB))
}

fn a_json_body_that_is_too_long_is_one_error_for_its_request() {
    fails_only_the_call(|call| call.result(&oversized_result()));
}

fn an_event_that_is_too_long_is_one_error_for_its_request() {
    fails_only_the_call(|call| {
        let answer = result(&call.id(), &oversized_result());
        let events = call.sse();
        events.event(&answer);
        events.end();
    });
}

fn an_event_that_is_too_long_does_not_end_the_get_stream() {
    let upstream = Upstream::holding(["GET"]);
    let mut bridge = bridge_with_small_limit(&upstream);
    let get = upstream.take("GET").sse();
    get.chunk("retry: 10\n\n");
    get.event(&notification("notifications/x", &format!(r#"{{"text":"{}"}}"#, "y".repeat(2 * MIB))));
    get.event(&notification("notifications/y", "{}"));
    drop(get);
    // Later messages come on this stream or on the next one.
    upstream.take("GET").sse().event(&notification("notifications/z", "{}"));
    bridge.message("notifications/z");
    bridge.still_works();
    bridge.finish();
}

fn the_size_limit_applies_to_one_message_and_not_to_a_stream() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let id = call.id();
            let events = call.sse();
            let log = notification(
                "notifications/message",
                &format!(r#"{{"level":"info","data":"{}"}}"#, "y".repeat(MIB / 2)),
            );
            for _ in 0..6 {
                events.event(&log);
            }
            events.event(&result(&id, "{}"));
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = bridge_with_small_limit(&upstream);
    assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", "{}"));
    let ended = bridge.finish();
    assert_eq!(ended.lines.iter().filter(|line| line.contains("notifications/message")).count(), 6);
}

fn a_client_that_does_not_read_can_still_cancel() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" if call.param("name") == "hang" => call.hold(),
        "tools/call" => {
            let text = "y".repeat(MIB);
            call.result(&format!(r#"{{"text":"{text}"}}"#));
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("0", "tools/call", r#"{"name":"hang"}"#));
    let call = upstream.take("tools/call");
    bridge.without_reading(|bridge| {
        for id in 1..=20 {
            bridge.send(&request(&id.to_string(), "tools/call", "{}"));
        }
        bridge.cancel("0");
        upstream.wait_for("notifications/cancelled", 1);
        assert!(call.closed_by_client());
    });
    for id in 1..=20 {
        bridge.response(&id.to_string());
    }
    bridge.finish();
}

fn ten_thousand_events_arrive_in_order() {
    let progress = |n| notification("notifications/progress", &format!(r#"{{"n":{n}}}"#));
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/call" => {
            let id = call.id();
            let events = call.sse();
            for hundred in 0..100 {
                let numbers = hundred * 100..(hundred + 1) * 100;
                let text: Vec<_> = numbers.map(|n| format!("data: {}\n\n", progress(n))).collect();
                events.chunk(&text.concat());
            }
            events.event(&result(&id, "{}"));
            events.end();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.request("1", "tools/call", "{}");
    let ended = bridge.finish();
    let progress: Vec<_> = ended.lines.iter().filter(|line| line.contains("notifications/progress")).collect();
    assert_eq!(progress.len(), 10_000);
    for (n, line) in progress.iter().enumerate() {
        assert!(line.contains(&format!(r#""n":{n}}}"#)), "event {n} is {line}");
    }
    assert!(ended.lines.last().unwrap().contains(r#""id":1"#), "the response comes last");
}

fn a_thousand_calls_complete_while_one_hangs() {
    let upstream = Upstream::start(|call| match (call.kind(), call.id().as_str()) {
        ("tools/call", "0") => call.hold(),
        ("tools/call", id) => {
            let text = format!(r#"{{"of":{id}}}"#);
            call.result(&text);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    for id in 0..1000 {
        bridge.send(&request(&id.to_string(), "tools/call", "{}"));
    }
    for id in 1..1000 {
        let id = id.to_string();
        assert_eq!(
            bridge.response(&id),
            result(&id, &format!(r#"{{"of":{id}}}"#)),
            "each response belongs to its request"
        );
    }
    upstream.take("tools/call").result(r#"{"of":0}"#);
    bridge.response("0");
    bridge.finish();
}

#[cfg(unix)]
fn two_thousand_calls_may_be_in_flight_at_once() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    // The test needs a file for its end of each connection. The bridge is already running and raises its own limit.
    let mut limit = getrlimit(Resource::Nofile);
    // Some systems refuse more than this although their limit is higher.
    limit.current = Some(limit.maximum.unwrap_or(8192).min(8192));
    setrlimit(Resource::Nofile, limit).unwrap();
    for id in 0..2000 {
        bridge.send(&request(&id.to_string(), "tools/call", "{}"));
    }
    upstream.wait_for("tools/call", 2000);
    bridge.still_works();
    for _ in 0..2000 {
        upstream.take("tools/call").result("{}");
    }
    for id in 0..2000 {
        bridge.response(&id.to_string());
    }
    bridge.finish();
}
