//! Cookies, which a load balancer uses to find the machine of a session.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::*;

over_each_protocol! {
    a_cookie_is_sent_with_every_request_of_the_session,
    a_newer_cookie_replaces_the_older_one,
    cookies_can_be_disabled,
}

const SESSION_COOKIE: &str = "AWSALB=marked-secret-balance; Path=/; HttpOnly; Max-Age=600";

fn balanced(call: Exchange) {
    match call.kind() {
        "initialize" => {
            let answer = result(&call.id(), &initialize_result(REVISION));
            let headers =
                [("Content-Type", "application/json"), ("Mcp-Session-Id", "s"), ("Set-Cookie", SESSION_COOKIE)];
            call.respond("200 OK", &headers, &answer);
        }
        _ => call.respond_normally(),
    }
}

fn a_cookie_is_sent_with_every_request_of_the_session() {
    let upstream = Upstream::start(balanced);
    let mut bridge =
        Bridge::to(&upstream.url("/mcp")).args(["--header", "Cookie: mine=1"]).secret("marked-secret-balance").start();
    bridge.initialize();
    bridge.still_works();
    upstream.wait_for("GET", 1);
    bridge.finish();
    for request in upstream.requests() {
        let expected = if request.kind == "initialize" { "mine=1" } else { "mine=1; AWSALB=marked-secret-balance" };
        assert_eq!(request.header("cookie"), Some(expected), "{}", request.kind);
    }
    assert!(upstream.kinds().contains(&"DELETE".to_owned()), "{:?}", upstream.kinds());
}

fn a_newer_cookie_replaces_the_older_one() {
    let count = AtomicUsize::new(0);
    let upstream = Upstream::start(move |call| {
        if call.kind() != "tools/call" {
            return balanced(call);
        }
        let cookie = format!("AWSALB=number-{}; Path=/", count.fetch_add(1, Ordering::SeqCst));
        let answer = result(&call.id(), "{}");
        call.respond("200 OK", &[("Content-Type", "application/json"), ("Set-Cookie", &cookie)], &answer);
    });
    let mut bridge = Bridge::connected(&upstream);
    for id in ["1", "2", "3"] {
        bridge.request(id, "tools/call", "{}");
    }
    bridge.finish();
    let calls: Vec<_> = upstream.requests().iter().filter(|request| request.kind == "tools/call").cloned().collect();
    let cookies: Vec<_> = calls.iter().map(|call| call.header("cookie").unwrap()).collect();
    assert_eq!(cookies, ["AWSALB=marked-secret-balance", "AWSALB=number-0", "AWSALB=number-1"]);
}

fn cookies_can_be_disabled() {
    let upstream = Upstream::start(balanced);
    let mut bridge = Bridge::to(&upstream.url("/mcp")).arg("--disable-cookies").start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
    assert!(upstream.requests().iter().all(|request| request.header("cookie").is_none()));
}
