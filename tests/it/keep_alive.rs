//! How long is a connection used? Not longer than the server keeps it, and only once where the server closes it without
//! saying so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::*;

/// A server that names this `Keep-Alive` with each answer, if it is not empty.
fn naming(keep_alive: &'static str) -> Upstream {
    Upstream::start(move |call| {
        let headers = [("Content-Type", "application/json"), ("Keep-Alive", keep_alive)];
        let headers = if keep_alive.is_empty() { &headers[..1] } else { &headers[..] };
        match call.kind() {
            "GET" => call.respond("405 Method Not Allowed", headers, ""),
            "initialize" => {
                let answer = result(&call.id(), &initialize_result(REVISION));
                call.respond("200 OK", headers, &answer);
            }
            _ if call.id().is_empty() => call.respond("202 Accepted", headers, ""),
            _ => {
                let answer = result(&call.id(), "{}");
                call.respond("200 OK", headers, &answer);
            }
        }
    })
}

/// Whether a connection to such a server is used again that was idle for so many milliseconds.
fn is_used_again(keep_alive: &'static str, idle: u64) -> bool {
    let upstream = naming(keep_alive);
    let mut bridge = Bridge::with_used_connection(&upstream);
    std::thread::sleep(Duration::from_millis(idle));
    let before: BTreeSet<_> = upstream.requests().iter().map(|request| request.connection).collect();
    bridge.request("2", "tools/call", "{}");
    bridge.finish();
    before.contains(&upstream.wait_for("tools/call", 1).connection)
}

#[test]
fn a_connection_is_used_for_as_long_as_the_server_keeps_it() {
    std::thread::scope(|threads| {
        for (named, idle, is_used, rule) in [
            ("timeout=60", 5000, true, "the server keeps it for a minute"),
            ("max=9, Timeout = \"60\"", 5000, true, "case, blanks and quotes do not matter"),
            ("", 1500, true, "four seconds, where the server names nothing"),
            ("", 4500, false, "four seconds, where the server names nothing"),
            ("timeout=soon", 4500, false, "four seconds, where the server names nothing that can be read"),
            ("timeout=3", 500, true, "the server keeps it for three seconds, and the margin is one"),
            ("timeout=3", 2500, false, "the server keeps it for three seconds, and the margin is one"),
            ("timeout=1, max=100", 0, false, "nothing is left beside the margin"),
            ("timeout=0", 0, false, "the server does not keep it"),
        ] {
            threads.spawn(move || {
                assert_eq!(is_used_again(named, idle), is_used, "after {idle} ms with {named:?}: {rule}");
            });
        }
    });
}

#[test]
fn an_idle_connection_is_closed_when_it_may_no_longer_be_used() {
    let upstream = naming("timeout=2");
    let mut bridge = Bridge::connected(&upstream);
    upstream.wait_for("GET", 1);
    bridge.request("1", "ping", "{}");
    let connections: BTreeSet<_> = upstream.requests().iter().map(|request| request.connection).collect();
    upstream.wait_for_closed(connections.len());
    bridge.finish();
}

/// A server that closes each connection right after its answer, and does not say so. `is_late`: only when the next
/// request has come, as when the end of the connection is still on its way.
fn closing_unannounced(is_late: bool) -> Upstream {
    Upstream::start(move |call| {
        if is_late {
            return call.lose_next_request().respond_normally();
        }
        let (id, kind) = (call.id(), call.kind().to_owned());
        let answer = match kind.as_str() {
            "initialize" => result(&id, &initialize_result(REVISION)),
            _ if id.is_empty() => String::new(),
            _ => result(&id, "{}"),
        };
        let status = match kind.as_str() {
            "GET" => "405 Method Not Allowed",
            _ if id.is_empty() => "202 Accepted",
            _ => "200 OK",
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}", answer.len());
        call.raw(format!("{head}\r\n\r\n{answer}").as_bytes());
    })
}

#[test]
fn a_server_that_closes_unannounced_costs_no_request_that_is_safe_to_repeat() {
    for is_late in [false, true] {
        let upstream = closing_unannounced(is_late);
        let mut bridge = Bridge::connected(&upstream);
        for n in 0..40 {
            for method in ["ping", "tools/list", "prompts/list", "resources/read", "completion/complete"] {
                let answer = bridge.request(&format!(r#""{method} {n}""#), method, "{}");
                assert!(answer.contains(r#""result""#), "{method} number {n}, late {is_late}: {answer}");
            }
        }
        bridge.finish();
    }
}

#[test]
fn a_server_that_closes_unannounced_costs_at_most_one_call() {
    for is_late in [false, true] {
        let upstream = closing_unannounced(is_late);
        let mut bridge = Bridge::connected(&upstream);
        let failed = (0..200).filter(|n| {
            let answer = bridge.request(&n.to_string(), "tools/call", r#"{"name":"pay"}"#);
            !answer.contains(r#""result""#)
        });
        assert!(failed.count() <= 1, "once it is known, no connection is used twice");
        bridge.finish();
        let mut arrived: BTreeMap<_, usize> = BTreeMap::new();
        for request in upstream.requests().iter().filter(|request| request.kind == "tools/call") {
            *arrived.entry(request.id.clone()).or_default() += 1;
        }
        assert!(arrived.values().all(|times| *times == 1), "no call is sent twice: {arrived:?}");
        if !is_late {
            continue;
        }
        let last = upstream.requests().into_iter().rev().find(|request| request.kind == "tools/call").unwrap();
        assert_eq!(last.header("connection"), Some("close"), "the server is told that the connection is used once");
    }
}

#[test]
fn a_server_that_keeps_connections_gets_its_requests_on_few() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::connected(&upstream);
    for n in 0..50 {
        bridge.request(&n.to_string(), "tools/call", "{}");
    }
    bridge.finish();
    let connections: BTreeSet<_> = upstream.requests().iter().map(|request| request.connection).collect();
    assert!(connections.len() <= 3, "connections are used again: {connections:?}");
}
