//! What HTTP/2 adds to the transport: one connection for all requests, and words for what was not processed.

use std::sync::Mutex;

use crate::support::*;

fn over_http2(test: impl FnOnce()) {
    over(Protocol::Http2, test);
}

/// A bridge through this proxy.
fn proxied(url: &str, proxy: &str) -> Bridge {
    let mut bridge = Bridge::to(url).args(["--proxy", proxy]).start();
    bridge.initialize();
    bridge
}

/// How many calls are in flight at once.
const CALLS: usize = 20;

/// Makes calls that the upstream holds until all have come.
#[track_caller]
fn calls_at_once_succeed(bridge: &mut Bridge, upstream: &Upstream) {
    let ids: Vec<_> = (0..CALLS).map(|id| id.to_string()).collect();
    for id in &ids {
        bridge.send(&request(id, "tools/call", "{}"));
    }
    upstream.wait_for("tools/call", CALLS);
    bridge.still_works();
    for _ in &ids {
        upstream.take("tools/call").result("{}");
    }
    for id in &ids {
        assert_eq!(bridge.response(id), result(id, "{}"));
    }
}

#[test]
fn all_requests_share_one_connection() {
    over_http2(|| {
        let upstream = Upstream::holding(["GET", "tools/call"]);
        let mut bridge = Bridge::connected(&upstream);
        let get = upstream.take("GET").sse();
        calls_at_once_succeed(&mut bridge, &upstream);
        get.event(&notification("notifications/x", "{}"));
        bridge.message("notifications/x");
        bridge.finish();
        assert_eq!(upstream.connections(), 1, "{:?}", upstream.kinds());
    });
}

#[test]
fn requests_that_begin_together_share_the_first_connection() {
    over_http2(|| {
        let upstream = Upstream::start(Exchange::respond_as_modern);
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--protocol", "modern"]).start();
        for id in 1..=10 {
            bridge.send(&modern_request(&id.to_string(), "tools/list", ""));
        }
        for id in 1..=10 {
            assert!(bridge.response(&id.to_string()).contains(r#""result""#));
        }
        bridge.finish();
        assert_eq!(upstream.connections(), 1, "{:?}", upstream.kinds());
    });
}

#[test]
fn a_request_names_its_server_and_nothing_of_the_connection() {
    over_http2(|| {
        let upstream = Upstream::start(|call| {
            for name in ["host", "connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection", "te"] {
                assert_eq!(call.header(name), None, "{name} has no place in HTTP/2");
            }
            call.respond_normally();
        });
        let tunnel = Proxy::start(ProxyBehavior::Connect(None), &upstream.host());
        let socks = Proxy::start(ProxyBehavior::Socks(None), &upstream.host());
        let (tunnel, socks) = (format!("http://{}", tunnel.address()), format!("socks5h://{}", socks.address()));
        let port = upstream.host().rsplit_once(':').unwrap().1.to_owned();
        let mut seen = 0;
        for (url, authority, proxy) in [
            (upstream.url("/mcp"), upstream.host(), None),
            (format!("https://localhost:{port}/mcp"), format!("localhost:{port}"), None),
            ("https://mcp.example/mcp".to_owned(), "mcp.example".to_owned(), Some(&tunnel)),
            ("https://mcp.example:8443/mcp".to_owned(), "mcp.example:8443".to_owned(), Some(&socks)),
            ("https://[2001:db8::1]/mcp".to_owned(), "[2001:db8::1]".to_owned(), Some(&socks)),
            ("https://[2001:db8::1]:8443/mcp".to_owned(), "[2001:db8::1]:8443".to_owned(), Some(&tunnel)),
        ] {
            let connections = upstream.connections();
            let mut bridge = match proxy {
                Some(proxy) => proxied(&url, proxy),
                None => {
                    let mut bridge = Bridge::to(&url).start();
                    bridge.initialize();
                    bridge
                }
            };
            bridge.still_works();
            bridge.finish();
            let requests = upstream.requests();
            for request in &requests[seen..] {
                assert_eq!(request.header(":authority"), Some(&authority[..]), "{url}");
            }
            seen = requests.len();
            assert_eq!(upstream.connections(), connections + 1, "{url}: one connection");
        }
    });
}

#[test]
fn a_server_without_http2_gets_http1_and_so_does_every_server_if_the_user_says_so() {
    // The server prefers the first of its protocols, and answers over HTTP/1.1 alone.
    for (protocols, option) in [(&["http/1.1"][..], None), (&[], None), (&["h2", "http/1.1"], Some("--http1"))] {
        let server = Https::with_options(&["localhost"], |options| options.protocols = protocols);
        let (launch, _authority) = server.trusting_bridge();
        let answer = initialize_response(option.into_iter().fold(launch, Launch::arg));
        assert!(answer.contains(r#""over":"TLS""#), "{protocols:?} {option:?}: {answer}");
    }
}

#[test]
fn a_server_that_admits_few_streams_gets_more_connections() {
    for most_streams in [1, 3] {
        over_http2(|| {
            let mut upstream = Upstream::with_stream_limit(Some(most_streams), |call| match call.kind() {
                "tools/call" | "GET" => call.hold(),
                _ => call.respond_normally(),
            });
            upstream.listen();
            let mut bridge = Bridge::connected(&upstream);
            let get = upstream.take("GET").sse();
            calls_at_once_succeed(&mut bridge, &upstream);
            drop(get);
            bridge.finish();
            assert_eq!(upstream.count("tools/call"), CALLS, "no call is sent twice");
            // On a busy machine a connection may take so long to open that another one is opened in its place.
            let needed = 22_usize.div_ceil(most_streams as usize);
            assert!(upstream.connections() <= needed + needed / 4 + 1, "{} connections", upstream.connections());
        });
    }
}

#[test]
fn a_refused_request_is_sent_again() {
    over_http2(|| {
        let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
            ("tools/call", 0 | 1) => call.refuse(),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::connected(&upstream);
        let line = request("1", "tools/call", r#"{"n":1.0}"#);
        bridge.send(&line);
        assert_eq!(bridge.response("1"), result("1", "{}"));
        assert_eq!(upstream.wait_for("tools/call", 3).text().trim_end(), line, "byte for byte");
        bridge.finish();
        assert_eq!((upstream.count("tools/call"), upstream.connections()), (3, 1));
    });
}

#[test]
fn a_request_that_is_always_refused_is_an_error_after_a_few_attempts() {
    over_http2(|| {
        let upstream = Upstream::start(|call| match call.kind() {
            "tools/call" => call.refuse(),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--patience", "1"]).start();
        bridge.initialize();
        assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "REFUSED_STREAM"]);
        bridge.still_works();
        bridge.finish();
        assert!(upstream.count("tools/call") <= 40, "tried {} times", upstream.count("tools/call"));
    });
}

#[test]
fn a_connection_that_goes_away_loses_no_request_and_doubles_none() {
    over_http2(|| {
        let upstream = Upstream::start(|call| {
            if call.kind() == "tools/call" && call.nth % 3 == 0 {
                call.go_away();
            }
            call.respond_normally();
        });
        let mut bridge = Bridge::connected(&upstream);
        let ids: Vec<_> = (0..60).map(|id| id.to_string()).collect();
        for part in ids.chunks(5) {
            for id in part {
                bridge.send(&request(id, "tools/call", "{}"));
            }
            for id in part {
                assert_eq!(bridge.response(id), result(id, "{}"));
            }
        }
        bridge.finish();
        assert_eq!(upstream.count("tools/call"), ids.len());
        assert!(upstream.connections() > 1);
    });
}

#[test]
fn a_cancelled_call_resets_its_stream_and_leaves_the_connection_to_the_others() {
    static RESETS: Mutex<Vec<(u32, u32)>> = Mutex::new(Vec::new());
    static CALL: Mutex<u32> = Mutex::new(0);
    let server = FrameServer::start(|connection, _| {
        connection.settings(&[])?;
        loop {
            let request = connection.request()?;
            RESETS.lock().unwrap().clone_from(&connection.resets);
            match request.method.as_str() {
                "tools/call" => *CALL.lock().unwrap() = request.stream,
                _ => connection.respond_normally(&request)?,
            }
        }
    });
    let mut bridge = Bridge::to(&server.url()).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", "{}"));
    bridge.still_works();
    bridge.cancel("1");
    bridge.still_works();
    bridge.still_works();
    let call = *CALL.lock().unwrap();
    assert_eq!(*RESETS.lock().unwrap(), [(call, 8)], "RST_STREAM with CANCEL");
    bridge.finish();
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_unused_connection_is_kept_and_a_dead_one_is_found() {
    static IS_DEAD: Mutex<bool> = Mutex::new(false);
    let server = FrameServer::start(|connection, number| {
        connection.settings(&[])?;
        loop {
            let request = connection.request()?;
            if *IS_DEAD.lock().unwrap() && number == 0 {
                // The path carries nothing any more, and nobody says so.
                while connection.read().is_some() {}
                return None;
            }
            connection.respond_normally(&request)?;
        }
    });
    let mut bridge = Bridge::to(&server.url()).start();
    bridge.initialize();
    bridge.still_works();
    // A connection of HTTP/1.1 would be given up meanwhile.
    std::thread::sleep(std::time::Duration::from_millis(5200));
    bridge.still_works();
    // From now on no answer to a PING is on its way.
    bridge.still_works();
    assert_eq!(server.connections(), 1, "it is kept");
    *IS_DEAD.lock().unwrap() = true;
    let began = std::time::Instant::now();
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &["localhost", "PING"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "after {:?}", began.elapsed());
    bridge.still_works();
    bridge.finish();
    assert_eq!(server.connections(), 2);
}
