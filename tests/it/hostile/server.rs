//! An MCP server that sends what should stop the bridge: huge values, endless streams. Whatever it sends to one call,
//! other requests are answered meanwhile, and the bridge ends quickly.

use std::fmt::Write as _;

use crate::support::*;

/// The watchdog would end the process after 6 seconds: a bridge that needs it has been stopped by the server.
const QUICKLY: u64 = 3000;

/// Answers the call of a tool; every other request is answered normally.
type Attack = fn(Exchange);

/// Very many different words of at least eight letters.
fn words(count: usize, between: &str) -> String {
    let mut words = String::with_capacity(count * 10);
    for n in 0..count {
        write!(words, "w{n:07}{between}").unwrap();
    }
    words
}

/// Sends these chunks on a stream that stays open until the bridge closes it.
fn stream(call: Exchange, chunks: impl IntoIterator<Item = String>) {
    let events = call.sse();
    for chunk in chunks {
        events.chunk(&chunk);
    }
    events.closed_by_client();
}

/// Runs each row of a table, three at a time: they wait more than they compute.
fn side_by_side(rows: &[(&str, Attack)], run: fn(&str, Attack)) {
    std::thread::scope(|scope| {
        for part in rows.chunks(rows.len().div_ceil(3)) {
            scope.spawn(move || part.iter().for_each(|(name, attack)| run(name, *attack)));
        }
    });
}

fn survives(name: &str, attack: Attack) {
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/call" => attack(call),
        _ => call.respond_normally(),
    });
    ends_quickly(name, || {
        let mut bridge = Bridge::connected(&upstream);
        bridge.send(&request("1", "tools/call", "{}"));
        upstream.wait_for("tools/call", 1);
        for id in ["2", "3", "4"] {
            let answer = bridge.request(id, "tools/list", "{}");
            assert_eq!(answer, result(id, "{}"), "{name}: another request is answered meanwhile");
        }
        bridge
    });
}

/// Ends the bridge by each of the two ways.
fn ends_quickly(name: &str, session: impl Fn() -> Bridge) {
    exits_within(QUICKLY, || {
        let ended = session().finish();
        assert!(!ended.stderr.contains("did not end by itself"), "{name}: {}", ended.stderr);
        ended
    });
    #[cfg(unix)]
    exits_within(QUICKLY, || {
        let mut bridge = session();
        bridge.signal(rustix::process::Signal::TERM);
        let ended = bridge.wait_for_exit();
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        ended
    });
}

#[test]
fn what_a_server_sends_to_one_call_stops_nothing_else() {
    let attacks: [(&str, Attack); 14] = [
        ("an error of many words", |call| {
            let error = error(&call.id(), -32000, &words(400_000, " "));
            call.json_with_status("500 Internal Server Error", &error);
        }),
        ("a body of many words that is no JSON", |call| call.plain("200 OK", &words(400_000, " "))),
        ("many cookies of many words", |call| {
            let cookies: Vec<_> = (0..90).map(|n| format!("c{n}={}", words(300, "/"))).collect();
            let headers: Vec<_> = cookies.iter().map(|cookie| ("Set-Cookie", &cookie[..])).collect();
            call.respond("200 OK", &headers, "");
        }),
        ("a content type of many words", |call| {
            call.respond("200 OK", &[("Content-Type", &words(25_000, " "))], "nothing");
        }),
        ("a challenge of many scopes", |call| {
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", words(30_000, " "));
            call.respond("403 Forbidden", &[("WWW-Authenticate", &challenge)], "");
        }),
        ("an event of very many lines", |call| stream(call, (0..16).map(|_| "data\n".repeat(40_000)))),
        ("an event id of a megabyte, again and again", |call| {
            stream(call, (0..20).map(|_| format!("id: {}\n\n", "x".repeat(1 << 20))));
        }),
        ("an event name of many words", |call| stream(call, [format!("event: {}\ndata: 1\n\n", words(100_000, " "))])),
        ("many events that are broken JSON", |call| stream(call, (0..50).map(|_| "data: {]\n\n".repeat(200)))),
        ("requests with an id of a megabyte", |call| {
            stream(
                call,
                (0..20).map(|n| {
                    format!("data: {}\n\n", request(&format!("\"{n}{}\"", "x".repeat(1 << 20)), "ping", "{}"))
                }),
            );
        }),
        ("responses with a number of a megabyte as id", |call| {
            stream(call, (0..20).map(|_| format!("data: {}\n\n", result(&"7".repeat(1 << 20), "{}"))));
        }),
        ("a batch of two million elements", |call| call.json(&format!("[{}1]", "1,".repeat(2_000_000)))),
        ("brackets without end", |call| call.json(&"[".repeat(4_000_000))),
        ("an object of a million members", |call| {
            let body = format!("{{{}\"id\":{}}}", words(300_000, "").replace('w', "\":1,\"w"), call.id());
            call.json(&body.replacen("\":1,", "", 1));
        }),
    ];
    side_by_side(&attacks, survives);
}

/// What a server may send before any session is open.
#[test]
fn what_a_server_sends_before_a_session_is_open_does_not_stop_the_end() {
    let long_session = || words(30_000, " ");
    let openings: [(&str, Attack); 5] = [
        ("an endpoint of many segments", |call| opens_stream(call, &format!("/{}", words(230_000, "/")))),
        ("an endpoint of many words", |call| opens_stream(call, &format!("/m?a={}", words(230_000, "%20")))),
        ("an endpoint of many parameters", |call| opens_stream(call, &format!("/m?{}", words(230_000, "&a=")))),
        ("an endpoint of one segment", |call| opens_stream(call, &format!("/{}", words(230_000, "")))),
        ("a challenge of many scopes", |call| {
            let challenge = format!("Bearer scope={}", words(30_000, " "));
            call.respond("401 Unauthorized", &[("WWW-Authenticate", &challenge)], "");
        }),
    ];
    side_by_side(&openings, |name, attack| {
        let upstream = Upstream::start(attack);
        ends_quickly(name, || {
            let mut bridge = Bridge::to(&upstream.url("/sse")).startup_wait("1").arg("--no-browser").start();
            bridge.send(&initialize("1", REVISION));
            bridge.response("1");
            bridge
        });
    });
    let upstream = Upstream::start(move |call| match call.kind() {
        "initialize" => call.open_session(&long_session()),
        _ => call.respond_normally(),
    });
    ends_quickly("a session id of many words", || {
        let mut bridge = Bridge::connected(&upstream);
        bridge.still_works();
        bridge
    });
}

fn opens_stream(call: Exchange, endpoint: &str) {
    if call.kind() == "GET" {
        stream(call, [format!("event: endpoint\ndata: {endpoint}\n\n")]);
    } else {
        call.plain("405 Method Not Allowed", "");
    }
}

#[test]
fn a_token_and_scopes_of_any_size_stop_nothing_at_this_start_and_at_the_next() {
    for size in [5000, 100_000] {
        let servers = OauthServers::start(Rules {
            token_response: Box::new(move |answer| {
                answer["access_token"] = words(size, " ").into();
                answer["refresh_token"] = words(size, " ").into();
                answer["scope"] = words(size, " ").into();
            }),
            resource_metadata: Box::new(|metadata| {
                metadata["scopes_supported"] = (0..60_000).map(|n| format!("s{n:06}")).collect();
            }),
            ..Rules::default()
        });
        let machine = Machine::with_user();
        for _ in 0..2 {
            exits_within(QUICKLY, || {
                let mut bridge = machine.bridge(&servers).start();
                bridge.send(&initialize("1", REVISION));
                bridge.response("1");
                bridge.send(&initialized());
                bridge.send(&request("2", "tools/call", "{}"));
                // The registration, then the token.
                servers.issuer.wait_for("other", 2);
                bridge.send_raw(b"no JSON\n");
                bridge.response("null");
                bridge.finish()
            });
        }
    }
}

/// A limit for one message is no limit for many that never end.
#[cfg(target_os = "linux")]
#[test]
fn unfinished_answers_are_limited_all_together() {
    const MIB: usize = 1 << 20;
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let kind = if call.id() == "10" { "text/event-stream" } else { "application/json" };
            let body = call.chunked(&[("Content-Type", kind)]);
            body.chunk("data: ");
            for _ in 0..18 {
                body.chunk(&"x".repeat(MIB));
            }
            body.closed_by_client();
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--max-message-size", "20"]).start();
    bridge.initialize();
    let ids: Vec<_> = (10..22).map(|id| id.to_string()).collect();
    for id in &ids {
        bridge.send(&request(id, "tools/call", "{}"));
    }
    // Three of all have room at most. Of an event that is dropped only its end shows which request it answers.
    for _ in 0..ids.len() - 1 - 3 {
        let answer = bridge.line_where("the next refusal", |line| line.contains("--max-message-size"));
        assert_error_mentions(&answer, &["together"]);
    }
    bridge.still_works();
    let peak = bridge.peak_memory();
    assert!(peak < 160 * 1024, "216 MiB were sent, the bound is 64: {peak} KiB");
    bridge.finish();
}
