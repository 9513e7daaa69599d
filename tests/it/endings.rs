//! The end, whatever brings it and whenever it comes: prompt, orderly, nothing left behind.

use std::time::Duration;

use crate::support::*;

/// What a loaded machine may add to any time limit.
const SLACK: Duration = Duration::from_millis(1500);

#[track_caller]
fn prompt(ended: &Ended, limit: Duration) {
    assert!(ended.took < limit + SLACK, "gone after {:?}, the limit is {limit:?}", ended.took);
}

#[test]
fn end_of_stdin_before_the_first_message() {
    let upstream = Upstream::usual().may_stay_unasked();
    let ended = Bridge::to(&upstream.url("/mcp")).start().finish();
    prompt(&ended, Duration::from_millis(100));
    assert!(upstream.requests().is_empty(), "nobody asked for anything: {:?}", upstream.kinds());
    assert_eq!((ended.lines.len(), ended.stderr.as_str()), (0, ""));
}

#[test]
fn end_of_stdin_before_the_first_message_with_the_server_offline() {
    let upstream = Upstream::offline(Exchange::usual).may_stay_unasked();
    prompt(&Bridge::to(&upstream.url("/mcp")).start().finish(), Duration::from_millis(100));
}

#[test]
fn end_of_stdin_when_idle() {
    let upstream = Upstream::start(|call| if call.kind() == "GET" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    let _get = upstream.take("GET").sse();
    bridge.still_works();
    prompt(&bridge.finish(), Duration::from_millis(100));
    assert_eq!(upstream.count("DELETE"), 1);
}

#[test]
fn end_of_stdin_during_initialize() {
    let upstream = Upstream::start(|call| if call.kind() == "initialize" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    let _held = upstream.take("initialize");
    let ended = bridge.finish();
    prompt(&ended, Duration::from_millis(1500 + 1000));
    own_error(&ended.lines[0]);
}

/// A listener whose queue is full: further connections neither succeed nor fail.
#[cfg(target_os = "linux")]
#[test]
fn end_of_stdin_while_connecting_to_a_black_hole() {
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};

    let hole = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    hole.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    hole.listen(0).unwrap();
    let address = hole.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
    }
    let mut bridge = Bridge::to(&format!("http://{address}/mcp")).startup_wait("0.2").start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    bridge.send(&request("2", "tools/list", "{}"));
    let ended = bridge.finish();
    prompt(&ended, Duration::from_millis(1500));
    let answer = ended.lines.iter().find(|line| peek(line.as_bytes()).id.as_deref() == Some("2")).unwrap();
    own_error(answer);
}

#[test]
fn end_of_stdin_while_offline_with_requests_waiting() {
    let upstream = Upstream::offline(Exchange::usual).may_stay_unasked();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    for id in ["2", "3"] {
        bridge.send(&request(id, "tools/list", "{}"));
    }
    prompt(&bridge.finish(), Duration::from_millis(1500));
}

#[test]
fn end_of_stdin_with_a_request_in_flight_that_is_answered_soon() {
    let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let call = upstream.take("tools/call");
    bridge.close_stdin();
    call.result(r#"{"in":"time"}"#);
    assert_eq!(bridge.answer("1"), result("1", r#"{"in":"time"}"#), "what is nearly done is waited for");
    bridge.finish();
    let kinds = upstream.kinds();
    assert_eq!(kinds.last().unwrap(), "DELETE", "the session is closed when all is done: {kinds:?}");
}

#[test]
fn end_of_stdin_with_a_request_in_flight_that_is_never_answered() {
    let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let _call = upstream.take("tools/call");
    let ended = bridge.finish();
    prompt(&ended, Duration::from_millis(1500));
    own_error(ended.lines.last().unwrap());
    assert_eq!(upstream.count("DELETE"), 1);
}

#[test]
fn everything_sent_right_before_the_end_of_stdin_is_done() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/list", "{}"));
    bridge.send(&notification("notifications/x", "{}"));
    let ended = bridge.finish();
    assert!(ended.lines.iter().any(|line| *line == format!("{}\n", result("2", "{}"))), "{:?}", ended.lines);
    assert_eq!(upstream.count("notifications/x"), 1, "a notification is carried too: {:?}", upstream.kinds());
}

#[test]
fn a_server_that_does_not_answer_delete_holds_up_nobody() {
    let upstream = Upstream::start(|call| if call.kind() == "DELETE" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    prompt(&bridge.finish(), Duration::from_secs(1));
    assert_eq!(upstream.count("DELETE"), 1);
}

#[test]
fn a_server_that_refuses_delete_is_no_failure() {
    let upstream = Upstream::start(|call| match call.kind() {
        "DELETE" => call.plain("405 Method Not Allowed", "sessions end by themselves"),
        _ => call.usual(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    let ended = bridge.finish();
    assert_eq!(ended.stderr, "", "nothing a person need know");
}

#[test]
fn a_server_that_vanishes_in_the_middle_and_returns_is_found_again() {
    let mut upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    upstream.stop();
    bridge.send(&request("1", "tools/call", "{}"));
    upstream.listen();
    assert_eq!(bridge.answer("1"), result("1", "{}"), "a request that could not be sent waits");
    bridge.finish();
}

#[test]
fn a_server_that_vanishes_for_good_is_an_error_for_each_request() {
    let mut upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--patience", "0.5"]).start();
    bridge.shake_hands();
    bridge.still_works();
    upstream.stop();
    says(&bridge.ask("1", "tools/call", "{}"), &[&upstream.host(), "refused"]);
    says(&bridge.ask("2", "tools/call", "{}"), &[&upstream.host(), "refused"]);
    prompt(&bridge.finish(), Duration::from_secs(1));
}

#[test]
fn a_client_that_closes_stdout_has_gone() {
    let upstream = Upstream::start(|call| if call.kind() == "GET" { call.hold() } else { call.usual() });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).hang_up_after(1).start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    bridge.send(&initialized());
    let get = upstream.take("GET").sse();
    get.event(&notification("notifications/x", "{}"));
    let ended = bridge.ended();
    assert_eq!(ended.code, Some(0), "a client that has gone is an orderly end: {}", ended.stderr);
    assert_eq!(upstream.count("DELETE"), 1, "{:?}", upstream.kinds());
}

#[cfg(unix)]
mod signals {
    use rustix::process::Signal;

    use super::*;

    /// This signal, with and without a request in flight, and before the first message.
    fn ends_in_order(signal: Signal) {
        let upstream = Upstream::start(|call| if call.kind() == "tools/call" { call.hold() } else { call.usual() });
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&request("1", "tools/call", "{}"));
        let _call = upstream.take("tools/call");
        bridge.signal(signal);
        own_error(&bridge.answer("1"));
        let ended = bridge.ended();
        assert_eq!(ended.code, Some(0), "{signal:?} is an orderly end: {}", ended.stderr);
        prompt(&ended, Duration::from_millis(100));
        assert_eq!(upstream.count("DELETE"), 1, "the session is closed: {:?}", upstream.kinds());

        let mut bridge = Bridge::connected(&upstream);
        bridge.still_works();
        bridge.signal(signal);
        let ended = bridge.ended();
        assert_eq!(ended.code, Some(0), "{signal:?} is an orderly end: {}", ended.stderr);
        prompt(&ended, Duration::from_millis(100));
        assert_eq!(upstream.count("DELETE"), 2, "the session is closed: {:?}", upstream.kinds());
    }

    #[test]
    fn sigint() {
        ends_in_order(Signal::INT);
    }

    #[test]
    fn sigterm() {
        ends_in_order(Signal::TERM);
    }

    #[test]
    fn sighup() {
        ends_in_order(Signal::HUP);
    }

    #[test]
    fn sigterm_while_the_server_is_offline() {
        let upstream = Upstream::offline(Exchange::usual).may_stay_unasked();
        let mut bridge = Bridge::to(&upstream.url("/mcp")).startup_wait("0.2").start();
        bridge.send(&initialize("1", REVISION));
        bridge.answer("1");
        bridge.send(&request("2", "tools/list", "{}"));
        bridge.signal(Signal::TERM);
        let ended = bridge.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        prompt(&ended, Duration::from_millis(100));
    }

    #[test]
    fn sigterm_during_initialize() {
        let upstream = Upstream::start(|call| if call.kind() == "initialize" { call.hold() } else { call.usual() });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
        bridge.send(&initialize("1", REVISION));
        let _held = upstream.take("initialize");
        bridge.signal(Signal::TERM);
        let ended = bridge.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        prompt(&ended, Duration::from_millis(100));
        own_error(&ended.lines[0]);
    }
}
